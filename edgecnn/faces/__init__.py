"""A frame in, faces out: detect, align, judge, embed, match, decide. Runs on the board."""

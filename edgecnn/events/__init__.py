"""What was seen, as one JSON object a line. Runs on the board."""

"""numpy and LiteRT: load a model, invoke it, measure it. Runs on the board."""

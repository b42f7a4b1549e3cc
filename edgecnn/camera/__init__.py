"""Sources, the live loop, overlay and sinks. Runs on the board."""

"""What is left of somebody on a disk, and how it goes. Runs on the board."""

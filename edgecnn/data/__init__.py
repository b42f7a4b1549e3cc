"""Photos, splits, augmentation, for training. Runs on the workstation."""

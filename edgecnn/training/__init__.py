"""Fit, losses, distillation, and the run folder that is a training's outcome."""

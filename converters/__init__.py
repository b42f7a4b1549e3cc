"""Keras to int8 TFLite: calibrate, convert, verify."""

"""Teach a small board to recognise people, or things, from photos."""

__version__ = "0.1.0"

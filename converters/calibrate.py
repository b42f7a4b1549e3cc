"""The pictures that decide the ranges of an int8 network."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.errors import ConversionError
from edgecnn.storage import storing
from edgecnn.training.run import Run

COUNT = 256
"""Ranges of activations settle well before this; 100 to 500 is TensorFlow's own advice
("Post-training quantization", representative dataset)."""


def pick(task: Any, run: Run, out: str | Path, count: int = COUNT, seed: int = 0) -> dict[str, Any]:
    """Write training samples, as the network gets them, to a ``.npy`` file.

    They are shuffled and balanced by class, and come out of the preprocessing that runs on the
    board: all that is the business of the task's ``samples``.

    Args:
        task: the run's module in ``edgecnn.training``.
        out: where ``(N, H, W, C)`` uint8 goes.
        count: how many; fewer where the run has fewer.

    Returns:
        ``{"count": N, "seed": seed, "sha256": ...}``, the hash being that of the bytes alone.

    Raises:
        ConversionError: there are none, or they are not bytes of pictures.
    """
    pixels = np.ascontiguousarray(task.samples(run, "train", count, seed)[0])
    if pixels.ndim != 4 or pixels.dtype != np.uint8 or not len(pixels):
        raise ConversionError(
            f"expected calibration pictures (N, H, W, C) in uint8 from {run.path}. "
            f"Received: {pixels.shape} in {pixels.dtype}: is its training data still in place?"
        )
    with storing(out):
        np.save(out, pixels)
    return {"count": len(pixels), "seed": seed, "sha256": sha256(pixels.tobytes()).hexdigest()}

"""The pictures that decide the ranges of an int8 network."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from converters import faults
from converters.faults import Finding
from edgecnn.errors import ConversionError
from edgecnn.images import Image, Preprocess
from edgecnn.storage import storing
from edgecnn.training.run import Run

COUNT = 256
"""Ranges of activations settle well before this; 100 to 500 is TensorFlow's own advice
("Post-training quantization", representative dataset)."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """A calibration set.

    Attributes:
        pixels: ``(N, H, W, C)`` uint8, as the network gets them.
        facts: ``{"count": N, "seed": seed, "sha256": ...}``, the hash being that of the bytes.
        findings: what is doubtful about it.
    """

    pixels: Image
    facts: dict[str, Any]
    findings: list[Finding]


def pick(task: Any, run: Run, out: str | Path, count: int = COUNT, seed: int = 0) -> Calibration:
    """Write training samples, as the network gets them, to a ``.npy`` file.

    They are shuffled and balanced by class or person, and come out of the preprocessing that runs
    on the board: all that is the business of the task's ``samples``, and looked into here.

    Args:
        task: the run's module in ``edgecnn.training``.
        out: where ``(N, H, W, C)`` uint8 goes.
        count: how many; fewer where the run has fewer.

    Raises:
        ConversionError: there are none, they are not bytes of pictures, or they have one of the
            faults of :mod:`converters.faults`.
    """
    samples, targets = task.samples(run, "train", count, seed)
    pixels = np.ascontiguousarray(samples)
    if pixels.ndim != 4 or pixels.dtype != np.uint8 or not len(pixels):
        raise ConversionError(
            f"expected calibration pictures (N, H, W, C) in uint8 from {run.path}. "
            f"Received: {pixels.shape} in {pixels.dtype}: is its training data still in place?"
        )
    findings = list[Finding]()
    if hasattr(task, "originals"):
        # First, since wrong preprocessing can make all pictures black and so alike.
        preprocess = Preprocess.from_dict(run.facts["input"])
        photos = islice(task.originals(run, "train", count, seed), faults.COMPARED)
        findings += faults.other_preprocessing(pixels, map(preprocess, photos))
    findings += faults.repeats(pixels)
    if labels := run.facts.get("labels"):
        findings += faults.missing_classes(np.asarray(targets), labels)
    with storing(out):
        np.save(out, pixels)
    digest = sha256(pixels.tobytes()).hexdigest()
    facts = {"count": len(pixels), "seed": seed, "sha256": digest}
    return Calibration(pixels, facts, findings)

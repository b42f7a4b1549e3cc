"""Proof that the int8 file still does what the float network did."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn import networks
from edgecnn.errors import ConversionError
from edgecnn.images import Floats, Image, to_network
from edgecnn.runtime.interpreter import Model
from edgecnn.training.run import Run

MAX_DROP = 0.01
"""How much of the headline figure, a share of 1, an int8 file may lose unless told otherwise."""

Predict = Callable[[Image], list[Floats]]
"""``(N, H, W, C)`` uint8 to one float32 array an output, batch first."""


def float_predict(network: Any, batch: int = 64) -> Predict:
    """A Keras network as a function of bytes; pictures may have another size than its input where
    its weights fit."""

    def predict(pixels: Image) -> list[Floats]:
        alike = tuple(network.input.shape[1:]) == pixels.shape[1:]
        learner = network if alike else networks.resized(network, pixels.shape[1:])
        parts = []
        for start in range(0, len(pixels), batch):
            outputs = learner.predict_on_batch(to_network(pixels[start : start + batch]))
            parts.append(outputs if isinstance(outputs, list | tuple) else [outputs])
        return [np.concatenate([np.asarray(p) for p in output]) for output in zip(*parts)]  # noqa: B905

    return predict


def int8_predict(*models: Model) -> Predict:
    """``.tflite`` files as the same function, de-quantised, one picture after the other. Of several
    files each takes the pictures of its own size."""
    fitting = {model.inputs[0].shape[1:]: model for model in models}

    def predict(pixels: Image) -> list[Floats]:
        model = fitting.get(pixels.shape[1:], models[0])
        runs = [model(one) for one in pixels]
        return [np.concatenate(output) for output in zip(*runs)]  # noqa: B905

    return predict


def held_out(run: Run) -> str:
    """The part of the data to prove it on: ``"test"``, or ``"validation"`` where none was kept."""
    return "test" if run.split.get("test") else "validation"


def verify(
    task: Any, run: Run, network: Any, files: Iterable[str | Path], max_drop: float = MAX_DROP
) -> dict[str, dict[str, float]]:
    """Score the float network and the int8 file, or files, on the same held-out data.

    Args:
        task: the run's module in ``edgecnn.training``; the first key of what its ``score``
            returns is the headline figure, higher being better.
        network: the Keras network that ``files`` were converted from, each for another size.

    Returns:
        ``{"float": {...}, "int8": {...}}``, all figures of both.

    Raises:
        ConversionError: the headline figure fell by more than ``max_drop``.
    """
    part = held_out(run)
    float_scores = dict(task.score(run, float_predict(network), part))
    int8_scores = dict(task.score(run, int8_predict(*map(Model, files)), part))
    judge(float_scores, int8_scores, max_drop, part)
    return {"float": float_scores, "int8": int8_scores}


def judge(
    float_scores: dict[str, float], int8_scores: dict[str, float], max_drop: float, part: str
) -> None:
    """Compare the headline figures.

    Raises:
        ConversionError: the second fell by more than ``max_drop`` below the first, or is no
            number.
    """
    name = next(iter(float_scores))
    before, after = float_scores[name], int8_scores[name]
    # Written so that a figure that is no number fails too; the slack is that of a float's text.
    if not before - after <= max_drop + 1e-9:
        raise ConversionError(
            f"int8 lost too much: {name} on the {part} data was {before:.4f} in float and is "
            f"{after:.4f} in int8, a drop of {before - after:.4f}, at most {max_drop:g} is "
            "allowed: use more --calibration pictures, train longer, or raise --max-drop"
        )

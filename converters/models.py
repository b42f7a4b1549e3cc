"""The int8 files of a run by a recipe: one for each of its views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converters import calibrate, int8
from converters.calibrate import Calibration
from edgecnn.bundle import DETECTOR, PORTRAIT, TEXT_CLASSIFIER
from edgecnn.images import Preprocess
from edgecnn.text import TextInput
from edgecnn.training.run import Run

FILES = {
    "classifier": "model.tflite",
    TEXT_CLASSIFIER: "text-classifier.tflite",
    DETECTOR: "face-detector.tflite",
    PORTRAIT: "face-detector-portrait.tflite",
    "embedder": "face-embedder.tflite",
}
"""File of each model in the bundle."""


@dataclass(frozen=True)
class Recipe:
    """How a network becomes int8.

    Attributes:
        network: a ``.keras`` file.
        count: training pictures to calibrate on.
        percentile: how many of a layer's values its range holds, in percent; None for all.
        float_layers: names of the tensors that layers which stay in float compute.
        quantiser: one of :data:`converters.int8.QUANTISERS`.
    """

    network: Path
    count: int = calibrate.COUNT
    percentile: float | None = None
    float_layers: tuple[str, ...] = ()
    quantiser: str = int8.QUANTISERS[0]


@dataclass(frozen=True, eq=False)
class Made:
    """An int8 file, the same network in float, and what it was calibrated on."""

    file: Path
    float_file: Path
    calibration: Calibration


def make(
    task: Any,
    run: Run,
    inputs: Mapping[str, Preprocess | TextInput],
    recipe: Recipe,
    seed: int,
    folder: Path,
) -> dict[str, Made]:
    """Convert a run's network for each of ``inputs``, by the model's name in the bundle.

    Args:
        task: the run's module in ``edgecnn.training``.
        folder: where the files go.

    Raises:
        ConversionError: the calibration set has a fault, or the converter failed.
    """
    made = {}
    for name, preprocess in inputs.items():
        file, float_file = folder / FILES[name], folder / f"{name}.float.tflite"
        pictures, seen = folder / "calibration.npy", run.seen_through(preprocess)
        calibration = calibrate.pick(task, seen, pictures, recipe.count, seed)
        changed: dict[str, Any] = {"quantiser": recipe.quantiser}
        if recipe.percentile or recipe.float_layers:
            changed |= {"percentile": recipe.percentile, "float_layers": recipe.float_layers}
        int8.convert(recipe.network, pictures, file, float_file, **changed)
        made[name] = Made(file, float_file, calibration)
    return made

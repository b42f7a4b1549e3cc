"""Tiny networks, run folders and a task for the tests of the converters."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn import training
from edgecnn.images import Preprocess, to_network
from edgecnn.report import pictures
from edgecnn.training.answers import Answers
from edgecnn.training.run import MODEL, Run

TINY = Path(__file__).parent / "tiny.tflite"
"""What :func:`tiny_classifier` becomes in int8: committed, since a board has no converter."""
TINY_FLOAT = Path(__file__).parent / "tiny-float.tflite"

SMALL: dict[str, dict[str, Any]] = {
    "compact": {"input_shape": (16, 16, 3), "classes": 3, "channels": (4, 8)},
    "residual": {"input_shape": (16, 16, 3), "classes": 3, "channels": (4, 8), "depth": 10},
    "separable": {"input_shape": (16, 16, 3), "classes": 3, "channels": (4, 8), "depth": 10},
    "text": {"input_shape": (8, 1, 6), "classes": 3, "widths": (1, 2), "filters": 4},
    "dense": {"input_shape": (8, 8, 1), "classes": 3, "channels": (8,)},
    "embedder": {"size_wh": (32, 32), "dimension": 8, "stem": 4, "first_expansion": 8,
                 "stages": ((8, 8, 1),), "head": 8},
    "detector": {"size_wh": (64, 64), "channels": [4] * 5, "depths": [0, 1, 0, 0], "head": 4},
}  # fmt: skip
"""Each of our networks, as small as it goes."""


def tiny_classifier() -> Any:
    """8×8×3 to 3 logits; 359 parameters, 2,496 multiply-accumulates."""
    import keras

    keras.utils.set_random_seed(1)
    x = picture = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, 2, padding="same", use_bias=False)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ReLU(6)(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same")(x)
    x = keras.layers.Flatten()(x)
    return keras.Model(picture, keras.layers.Dense(3)(x))


def tiny_embedder() -> Any:
    """112×112×3 to 8 numbers."""
    import keras

    keras.utils.set_random_seed(2)
    x = picture = keras.Input((112, 112, 3))
    x = keras.layers.Conv2D(8, 7, 7, activation="relu6")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(picture, keras.layers.Dense(8)(x))


def tiny_detector() -> Any:
    """64×64×3 to a score, a box and a landmark tensor for each stride of 8, 16 and 32."""
    import keras

    keras.utils.set_random_seed(3)
    x = picture = keras.Input((64, 64, 3))
    outputs = []
    for size in (8, 2, 2):
        x = keras.layers.Conv2D(8, size, size, activation="relu6")(x)
        outputs.append(keras.layers.Conv2D(1, 1, activation="sigmoid")(x))
        outputs += [keras.layers.Conv2D(n, 1, activation="relu6")(x) for n in (4, 10)]
    return keras.Model(picture, outputs)


NETWORKS = {"images": tiny_classifier, "embedder": tiny_embedder, "detector": tiny_detector}


def pixels_of(shape: tuple[int, ...], count: int, seed: int = 0) -> Any:
    """Random pictures that lack the bytes 0 and 255."""
    return np.random.default_rng(seed).integers(20, 230, (count, *shape), np.uint8)


def finished_run(path: Path, task: str) -> Run:
    """A run of an untrained network, complete as far as the converter looks."""
    network = NETWORKS[task]()
    run = Run.start(path, task, {"data": "/home/ann/photos", "epochs": 1, "size": None})
    h, w, _ = network.input.shape[1:]
    run.note(input=Preprocess((w, h)).to_dict(), card="For tests.")
    if task == "images":
        run.note(labels=["ant", "bee", "cat"])
    if task == "detector":
        run.note(score_threshold=0.5, nms_iou=0.4)
    run.write_split({"train": ["a"], "validation": ["b"], "test": ["c"]})
    run.save_model(network)
    run.write_metrics({"likeness": 1.0})
    return run


def install_tasks(patch: pytest.MonkeyPatch) -> None:
    """Let each task's module be one that needs no data.

    Its headline figure is how near the first output comes to the float network's: 1 less the mean
    absolute difference.
    """
    for task in NETWORKS:
        module = types.ModuleType(f"stub_{task}")
        module.samples, module.answers = _samples, _answers  # type: ignore[attr-defined]
        if task != "detector":
            module.operating_point = _operating_point  # type: ignore[attr-defined]
        patch.setitem(sys.modules, module.__name__, module)
        patch.setitem(training.TASKS, task, module.__name__)


def _samples(run: Run, part: str, count: int, seed: int) -> tuple[Any, Any]:
    shape = Preprocess.from_dict(run.facts["input"]).shape
    first = {"train": 0, "validation": 1000, "test": 2000}[part]
    return pixels_of(shape, count, first + seed), np.arange(count) % 3


def _answers(run: Run, predict: Any, part: str) -> Answers:
    pixels = _samples(run, part, 16, 0)[0]
    truth = run.load_model().predict_on_batch(to_network(pixels))
    truth = np.asarray(truth[0] if isinstance(truth, list) else truth)
    found = next(o for o in predict(pixels) if o.shape == truth.shape)
    apart = np.abs(truth - found).reshape(len(pixels), -1).mean(axis=1)
    return Answers(
        figures={"likeness": float(1 - apart.mean()), "pictures": len(pixels)},
        names=[f"photo-of-ann-{i}.png" for i in range(len(pixels))],
        groups=[(("ant", "bee", "cat")[i % 3],) for i in range(len(pixels))],
        said=[f"{a:.4f}" for a in apart],
        notes=["sure"] * len(pixels),
        faults=(apart > 1e-4).astype(np.int64),
        draw=lambda i: pictures.picture(pixels[i]),
        sensitive=run.task != "images",
    )


def _operating_point(run: Run, predict: Any) -> dict[str, Any]:
    assert predict(_samples(run, "validation", 2, 0)[0])[0].dtype == np.float32
    return {"threshold": 0.4, "error_rate": 0.001, "measured_on": "noise", "trials": 1000}


if __name__ == "__main__":  # makes TINY and TINY_FLOAT anew
    import tempfile

    from converters import int8

    with tempfile.TemporaryDirectory() as folder:
        tiny_classifier().save(f"{folder}/{MODEL}")
        np.save(f"{folder}/pixels.npy", pixels_of((8, 8, 3), 64))
        int8.convert(f"{folder}/{MODEL}", f"{folder}/pixels.npy", TINY, TINY_FLOAT)

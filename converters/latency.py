"""The networks that a board's table of latencies is made of: untrained, converted to int8."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from converters import int8
from edgecnn import networks, training
from edgecnn.report.latency import Measured, operations
from edgecnn.runtime.interpreter import Model
from edgecnn.runtime.timing import invoke_of, turns

PHOTO, MIDDLE, SMALL, TINY = (96, 96, 3), (64, 64, 3), (32, 32, 3), (8, 8, 1)

SAMPLES: tuple[tuple[str, tuple[int, int, int], dict[str, Any]], ...] = (
    *((name, PHOTO, {"depth": depth}) for name in networks.CLASSIFIERS
      for depth in networks.DEPTHS[name]),
    ("compact", TINY, {"depth": 5, "width": 0.5}),
    ("compact", TINY, {"depth": 7, "width": 1.0}),
    ("compact", SMALL, {"depth": 5, "width": 1.0}),
    ("compact", SMALL, {"depth": 10, "width": 2.0}),
    ("compact", MIDDLE, {"depth": 7, "width": 0.25}),
    ("compact", PHOTO, {"depth": 7, "width": 2.0}),
    ("residual", TINY, {"depth": 8, "width": 0.5}),
    ("residual", SMALL, {"depth": 14, "width": 0.5}),
    ("residual", SMALL, {"depth": 20, "width": 1.0}),
    ("residual", MIDDLE, {"depth": 20, "width": 0.25}),
    ("separable", TINY, {"depth": 8, "width": 0.5}),
    ("separable", SMALL, {"depth": 14, "width": 1.0}),
    ("separable", SMALL, {"depth": 32, "width": 1.0}),
    ("separable", MIDDLE, {"depth": 20, "width": 0.5}),
)  # fmt: skip
"""What ``edgecnn networks`` lists, and smaller ones from all over what ``edgecnn search`` tries."""

CLASSES = 10

Time = Callable[[list[Path]], dict[str, float]]
"""Takes ``.tflite`` files and gives the milliseconds of each, by its name."""


def built() -> Iterator[tuple[str, Any]]:
    """Name and Keras network of each of :data:`SAMPLES`, then the face engine's two."""
    for name, shape, options in SAMPLES:
        given = ", ".join(f"{k} {v}" for k, v in options.items() if v is not None)
        said = f"{name} {'×'.join(map(str, shape))} {given}".strip()
        yield said, networks.build(name, input_shape=shape, classes=CLASSES, **options)
    for name in networks.NETWORKS:
        if name not in networks.CLASSIFIERS:
            yield name, networks.build(name)


def measure(time: Time, note: Callable[[str], object] = lambda line: None) -> list[Measured]:
    """Build and convert all, and have them timed together.

    Args:
        time: on this machine (:func:`here`) or on a board.
        note: takes a line as each is converted.

    Raises:
        ConversionError: the converter failed.
        MissingExtra: Keras or TensorFlow is not installed.
    """
    training.start_keras()
    found: dict[str, tuple[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="edgecnn-") as work:
        for number, (name, network) in enumerate(built()):
            note(f"converting {name}")
            saved, file = Path(work, "network.keras"), Path(work, f"{number:02}.tflite")
            network.save(saved)
            int8.convert(saved, None, file)
            found[file.name] = name, operations(network)
        took = time([Path(work, file) for file in found])
    return [Measured(name, ops, took[file]) for file, (name, ops) in found.items()]


def here(runs: int) -> Time:
    """Time on this machine, one thread: the best of ``runs`` rounds in which all take turns, since
    whatever else a machine does can only lengthen a turn."""

    def time(files: list[Path]) -> dict[str, float]:
        calls = {file.name: invoke_of(Model(file, threads=1)) for file in files}
        return {name: min(each) for name, each in turns(calls, runs).items()}

    return time

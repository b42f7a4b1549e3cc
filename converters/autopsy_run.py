"""The autopsy of a run: convert its network as for a bundle, and look at each layer."""

from __future__ import annotations

import dataclasses
import importlib
import tempfile
from pathlib import Path

from converters import calibrate, int8
from converters.autopsy import Autopsy, compare
from converters.verify import held_out
from edgecnn import training
from edgecnn.errors import ConversionError, DataError
from edgecnn.training.run import MODEL, Run

COUNT = 16
"""Pictures to look at. Of a small network for digits, the shares by 16, 64 and 256 pictures differ
by at most 1.6 points (``edgecnn autopsy run --pictures 64``)."""


def autopsy(
    run_path: str | Path,
    *,
    pictures: int = COUNT,
    calibration_count: int = calibrate.COUNT,
    seed: int = 0,
) -> Autopsy:
    """Convert a finished run to int8 and compare it with float layer by layer, on held-out data.

    A detector is converted for one of its sizes, that of its training.

    Args:
        pictures: held-out ones to compare on; fewer where the run has fewer.
        calibration_count, seed: as in :func:`converters.export.export`.

    Raises:
        DataError: ``run_path`` is not a finished run, or trains no network.
        ConversionError: the converter failed, or there is nothing to compare on.
    """
    run = Run(run_path)
    _ = run.metrics  # a run without them did not end
    if run.task == "faces":
        raise DataError(
            f"expected a run that trains a network. {run.path} is of task faces and takes its "
            "networks from a bundle: name the run of that embedder or detector"
        )
    if not run.facts.get("input"):
        raise ConversionError(f"{run.path} does not say its input: train it again")
    training.start_keras()
    task = importlib.import_module(training.TASKS[run.task])
    part = held_out(run)
    pixels = task.samples(run, part, pictures, seed)[0]
    if not len(pixels):
        raise ConversionError(
            f"expected held-out pictures to compare on. {run.path} has none in its {part} part: "
            "train it again with some held out"
        )
    with tempfile.TemporaryDirectory(prefix="edgecnn-") as work:
        chosen, stored, real = (Path(work) / n for n in ("c.npy", "int8.tflite", "float.tflite"))
        calibrate.pick(task, run, chosen, calibration_count, seed)
        int8.convert(run.path / MODEL, chosen, stored, real)
        found = compare(real, stored, pixels)
    return dataclasses.replace(found, model=run.task, part=part)

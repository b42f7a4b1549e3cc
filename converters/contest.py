"""Train the networks of a contest under one budget, and convert each to int8."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from converters.export import export
from edgecnn.bundle import MANIFEST, Bundle
from edgecnn.networks import build
from edgecnn.report.layers import depth, keras_layers, totals
from edgecnn.training import images, settings_for
from edgecnn.training.contest import Contender, Row
from edgecnn.training.fit import Progress
from edgecnn.training.measures import interval
from edgecnn.training.run import METRICS, Run

BOARD = "x86-64"
"""For the manifests; the int8 file is the same for every board without an accelerator."""

BUNDLE = "-bundle"
"""Behind a contender's name: its int8 bundle."""


def hold(
    data: str | Path, out: Path, taking_part: Sequence[Contender], budget: Mapping[str, Any],
    *, resume: bool = False,
    progress: Callable[[Contender], Progress | None] = lambda contender: None,
) -> Iterator[Row]:  # fmt: skip
    """Train and convert one after the other; leaves ``out/NAME`` and ``out/NAME-bundle``.

    Args:
        budget: settings of :mod:`edgecnn.training.images` that all share.
        resume: what is trained or converted in ``out`` is not done again.
        progress: takes a contender and gives what is called as it trains.

    Raises:
        DataError, TrainingError, ConversionError, StorageError: as training and conversion do.
    """
    for contender in taking_part:
        if "depth" in contender.settings:  # found out now, not when the others have trained
            build(contender.settings["network"], input_shape=(32, 32, 1), classes=2,
                  depth=contender.settings["depth"])  # fmt: skip
    for contender in taking_part:
        given = {k: v for k, v in {**budget, **contender.settings}.items() if v is not None}
        run, is_new = _trained(data, out / contender.name, given, resume, progress(contender))
        bundle = out / (contender.name + BUNDLE)
        if resume and not is_new and (bundle / MANIFEST).is_file():
            exported = Bundle(bundle)
        else:
            # What int8 loses is in the table; it is not for this command to refuse it.
            exported = export(run.path, BOARD, bundle, max_drop=1.0, replace=resume)
        yield _row(contender, run, exported)


def _trained(
    data: str | Path, out: Path, given: dict[str, Any], resume: bool, progress: Progress | None
) -> tuple[Run, bool]:
    """The run, and whether it was trained just now."""
    if resume and (out / METRICS).exists():
        run = Run(out)
        wanted = settings_for("images", images.DEFAULTS, given)
        wanted["data"] = str(Path(data).resolve())
        if run.facts["settings"] == wanted:
            return run, False
    return images.train(data, out, given, resume=resume, progress=progress), True


def _row(contender: Contender, run: Run, bundle: Any) -> Row:
    network = run.load_model()
    sums = totals(keras_layers(network))
    entry = bundle.entry("classifier")
    tested = len(run.split["test"])
    accuracy = run.metrics["accuracy"]
    low, high = interval(round(accuracy * tested), tested)
    return Row(
        name=contender.name,
        is_dense=contender.is_dense,
        layers=depth(network),
        parameters=int(sums["parameters"] or 0),
        macs=int(sums["macs"] or 0),
        int8_bytes=(bundle.path / entry.file).stat().st_size,
        accuracy=accuracy,
        low=low,
        high=high,
        int8_accuracy=entry.metrics["int8"]["accuracy"],
        test_pictures=tested,
        epochs=len(run.history),
        seconds=sum(float(row["seconds"]) for row in run.history),
        settings=contender.settings,
    )

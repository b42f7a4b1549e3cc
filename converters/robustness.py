"""The classifiers and pictures of a robustness card: runs in float and int8, bundles in int8."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from converters.export import export
from converters.verify import float_predict, int8_predict
from edgecnn.bundle import MANIFEST, Bundle
from edgecnn.data.balance import in_turns
from edgecnn.data.folders import label_of, list_photos
from edgecnn.errors import DataError
from edgecnn.images import Image, Preprocess, read_image
from edgecnn.training.robustness import Subject
from edgecnn.training.transfer import earlier

BOARD = "x86-64"
"""For the manifest of a bundle that is thrown away."""


def subjects(models: Sequence[Path], folder: Path, int8: bool) -> list[Subject]:
    """Classifiers out of run folders and bundles, in their order.

    Args:
        folder: takes what runs are converted to.
        int8: a run's network is looked at in int8, too.

    Raises:
        DataError, BundleError, ConversionError: one of them is no classifier, does not convert, or
            is there twice.
    """
    found = []
    for number, (name, path) in enumerate(zip(told_apart(models), models, strict=True)):
        if (path / MANIFEST).is_file():
            found.append(_of_bundle(name, Bundle(path)))
            continue
        run = earlier(str(path))
        found.append(
            Subject(
                f"{name} float",
                Preprocess.from_dict(run.facts["input"]),
                float_predict(run.load_model()),
                tuple(run.facts["labels"]),
            )
        )
        if int8:
            bundle = export(path, BOARD, folder / str(number), max_drop=1.0)
            found.append(_of_bundle(f"{name} int8", bundle))
    return found


def told_apart(folders: Sequence[Path]) -> list[str]:
    """The last part of each path, or as many of the last as differ: ``plain/cnn``, ``more/cnn``.

    Raises:
        DataError: one is there twice.
    """
    places = [Path(os.path.abspath(folder)) for folder in folders]  # a link keeps its own name
    for depth in range(1, max(len(place.parts) for place in places) + 1):
        names = ["/".join(place.parts[-depth:]) for place in places]
        if len(set(names)) == len(names):
            return names
    raise DataError(f"expected each folder once. Received: {', '.join(map(str, folders))}")


def pictures(
    data: Path, models: Sequence[Path], count: int, seed: int
) -> tuple[list[Image], list[str]]:
    """Pictures that no run among ``models`` has learnt from or was chosen by, and their classes.

    Args:
        count: at most so many, the classes equally often as far as they last.

    Returns:
        ``(H, W, 3)`` uint8 BGR each, and a class each.

    Raises:
        DataError: ``data`` is no folder of classes, nothing is left, or a run is of another task.
    """
    known: set[str] = set()
    for path in models:
        if (path / MANIFEST).is_file():
            continue
        run = earlier(str(path))
        if Path(run.facts["settings"]["data"]) == data.resolve():
            # What it skipped is no picture, or stands in two classes.
            known |= {*run.split["train"], *run.split["validation"], *run.split.get("skipped", ())}
    names = [name for name in list_photos(data) if name not in known]
    if not names:
        raise DataError(
            f"expected pictures in {data} that the run has not seen: name another folder"
        )
    labels = sorted({label_of(name) for name in names})
    targets = np.array([labels.index(label_of(name)) for name in names])
    chosen = [names[i] for i in in_turns(targets, count, seed)]
    return [read_image(data / name) for name in chosen], [label_of(name) for name in chosen]


def _of_bundle(name: str, bundle: Bundle) -> Subject:
    entry = bundle.entry("classifier")
    return Subject(name, entry.picture, int8_predict(bundle.model("classifier")), entry.labels)

"""What the pages of all classifiers have in common, of pictures or of texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgecnn.data.folders import PARTS
from edgecnn.report import page, plots
from edgecnn.training.measures import interval
from edgecnn.training.run import Run


def accuracy(metrics: Mapping[str, Any]) -> str:
    """The headline figure: the share of ``confusion`` that is right, with its interval."""
    table = np.asarray(metrics["confusion"])
    right, of = int(np.trace(table)), int(table.sum())
    low, high = interval(right, of)
    return (
        f"{100 * right / of:.1f} %\n{right} of {of} right; 95 % interval "
        f"{100 * low:.1f}–{100 * high:.1f} %"
    )


def threshold(metrics: Mapping[str, Any]) -> str:
    """The figure of the ``operating_point``."""
    point = metrics["operating_point"]
    return (
        f"{point['threshold']:.2f}\nbelow it the answer is unknown; "
        f"{100 * point['error_rate']:.1f} % of {point['trials']} answers at or above it "
        "were wrong on validation"
    )


def curves(run: Run, note: str = "") -> page.Section:
    """Loss and accuracy by epoch."""
    return page.Section(
        "Learning curves",
        page.plot(
            lambda dark: plots.curves(run.history, dark=dark),
            "Loss and accuracy by epoch, for training and validation",
            note,
        ),
    )


def confusion(run: Run, metrics: Mapping[str, Any], of: str) -> page.Section:
    """Which class was taken for which, ``of`` the test's ``"pictures"``, say."""
    labels, table = run.facts["labels"], np.asarray(metrics["confusion"])
    return page.Section(
        f"Confusion on the test {of}",
        page.plot(
            lambda dark: plots.confusion_matrix(table, labels, dark=dark),
            f"Confusion matrix of the test {of}",
        ),
    )


def classes(run: Run, metrics: Mapping[str, Any]) -> page.Section:
    """How often each class was right, and what it was taken for.

    Args:
        metrics: with ``confusion``, ``counts`` by part and class, and ``per_class``.
    """
    labels, table, rows = run.facts["labels"], np.asarray(metrics["confusion"]), []
    for i, label in enumerate(labels):
        wrong = table[i].copy()
        wrong[i] = 0
        taken = f"{labels[int(wrong.argmax())]} ({wrong.max()})" if wrong.any() else ""
        seen = [metrics["counts"][part][label] for part in PARTS]
        rows.append((label, *seen, f"{100 * metrics['per_class'][label]:.1f} %", taken))
    header = ("class", *PARTS, "test accuracy", "most often taken for")
    return page.Section("Classes", page.table(header, rows))


def settings(run: Run) -> page.Section:
    """What a run was trained with."""
    given = run.facts["settings"]
    rows = [(name.replace("_", " "), _plain(value)) for name, value in given.items()]
    rows += [(name, value) for name, value in run.facts["versions"].items()]
    return page.Section("Settings", page.table(("setting", "value"), rows))


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " × ".join(map(str, value))
    return "the network's or the pictures' own" if value is None else str(value)

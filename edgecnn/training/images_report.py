"""The page about a classifier's run: ``report.html``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.folders import PARTS
from edgecnn.report import page, plots
from edgecnn.training import found_report, saliency_report
from edgecnn.training.measures import interval
from edgecnn.training.run import REPORT, Run


def write_report(
    run: Run, metrics: Mapping[str, Any], network: Any, tested: saliency_report.Tested
) -> None:
    """Write ``report.html`` into the run folder, with what has been found out about it so far.

    Args:
        metrics: what goes, or went, into ``metrics.json``.
        network: the run's.
        tested: its test pictures.

    Raises:
        DataError: something was found out and cannot be read any more.
        StorageError: the page cannot be written.
    """
    labels, table = run.facts["labels"], np.asarray(metrics["confusion"])
    sections = [
        page.Section("Result", _result(run, metrics, table)),
        page.Section(
            "Learning curves",
            page.plot(
                lambda dark: plots.curves(run.history, dark=dark),
                "Loss and accuracy by epoch, for training and validation",
                "Training figures are of augmented pictures with smoothed labels, so they can be "
                "worse than the validation's.",
            ),
        ),
        page.Section(
            "Confusion on the test pictures",
            page.plot(
                lambda dark: plots.confusion_matrix(table, labels, dark=dark),
                "Confusion matrix of the test pictures",
            ),
        ),
        page.Section("Classes", classes_table(labels, metrics)),
        *saliency_report.sections(network, tested),
        found_report.reliability(run, tested.sureness, tested.hits),
        *found_report.sections(run),
        page.Section("Settings", settings_table(run)),
    ]
    if skipped := run.split["skipped"]:
        sections.insert(
            -1, page.Section("Left out", page.table(("file", "why"), [*skipped.items()]))
        )
    title = f"Recognising {len(labels)} classes"
    page.write(run.path / REPORT, title, sections)


def _result(run: Run, metrics: Mapping[str, Any], table: npt.NDArray[np.int64]) -> str:
    point = metrics["operating_point"]
    right, of = int(np.trace(table)), int(table.sum())
    low, high = interval(right, of)
    width, height = run.facts["input"]["size_wh"]
    seconds = sum(float(row["seconds"]) for row in run.history)
    return page.figures(
        {
            "Test accuracy": f"{100 * right / of:.1f} %\n{right} of {of} right; 95 % interval "
            f"{100 * low:.1f}–{100 * high:.1f} %",
            "Parameters": f"{metrics['parameters']:,}\n{run.facts['settings']['network']} network, "
            f"input {width}×{height} {run.facts['input']['order']}",
            "Threshold": f"{point['threshold']:.2f}\nbelow it the answer is unknown; "
            f"{100 * point['error_rate']:.1f} % of {point['trials']} answers at or above it "
            "were wrong on validation",
            "Training": f"{seconds:.0f} s\n{metrics['epochs']} epochs",
        }
    )


def classes_table(labels: Sequence[str], metrics: Mapping[str, Any]) -> str:
    """How often each class was right, and what it was taken for, as HTML.

    Args:
        metrics: with ``confusion``, ``counts`` by part and class, and ``per_class``.
    """
    table, rows = np.asarray(metrics["confusion"]), []
    for i, label in enumerate(labels):
        wrong = table[i].copy()
        wrong[i] = 0
        taken = f"{labels[int(wrong.argmax())]} ({wrong.max()})" if wrong.any() else ""
        seen = [metrics["counts"][part][label] for part in PARTS]
        rows.append((label, *seen, f"{100 * metrics['per_class'][label]:.1f} %", taken))
    return page.table(("class", *PARTS, "test accuracy", "most often taken for"), rows)


def settings_table(run: Run) -> str:
    """What a run was trained with, as HTML."""
    settings = run.facts["settings"]
    rows = [(name.replace("_", " "), _plain(value)) for name, value in settings.items()]
    rows += [(name, value) for name, value in run.facts["versions"].items()]
    return page.table(("setting", "value"), rows)


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " × ".join(map(str, value))
    return "the network's or the pictures' own" if value is None else str(value)

"""The report of a text classifier's training: ``report.html``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.images import Floats
from edgecnn.report import page, plots
from edgecnn.training.images_report import classes_table, settings_table
from edgecnn.training.measures import interval
from edgecnn.training.run import REPORT, Run

SHOWN = 24
"""Texts at most among the worst mistakes."""
LETTERS = 300
"""Of a text that are shown."""


def write_report(
    run: Run,
    metrics: Mapping[str, Any],
    texts: Sequence[str],
    probabilities: Floats,
    targets: npt.NDArray[np.int64],
) -> None:
    """Write ``report.html`` into the run folder.

    Args:
        metrics: what goes into ``metrics.json``.
        texts, probabilities, targets: of the test: N, ``(N, K)`` and ``(N,)``.
    """
    labels, table = run.facts["labels"], np.asarray(metrics["confusion"])
    sections = [
        page.Section("Result", _result(run, metrics, table)),
        page.Section(
            "Learning curves",
            page.plot(
                lambda dark: plots.curves(run.history, dark=dark),
                "Loss and accuracy by epoch, for training and validation",
            ),
        ),
        page.Section(
            "Confusion on the test texts",
            page.plot(
                lambda dark: plots.confusion_matrix(table, labels, dark=dark),
                "Confusion matrix of the test texts",
            ),
        ),
        page.Section("Classes", classes_table(labels, metrics)),
        _worst(labels, texts, probabilities, targets),
        page.Section("Settings", settings_table(run)),
    ]
    page.write(run.path / REPORT, f"Telling {len(labels)} classes of text apart", sections)


def _result(run: Run, metrics: Mapping[str, Any], table: npt.NDArray[np.int64]) -> str:
    point = metrics["operating_point"]
    right, of = int(np.trace(table)), int(table.sum())
    low, high = interval(right, of)
    length, dim = run.facts["input"]["length"], run.facts["input"]["dim"]
    return page.figures(
        {
            "Test accuracy": f"{100 * right / of:.1f} %\n{right} of {of} right; 95 % interval "
            f"{100 * low:.1f}–{100 * high:.1f} %",
            "Words": f"{metrics['words']:,}\n{dim} bytes each, {metrics['table_bytes']:,} in all; "
            f"a text's first {length} count",
            "Parameters": f"{metrics['parameters']:,}\nof the network, without the words' table",
            "Threshold": f"{point['threshold']:.2f}\nbelow it the answer is unknown; "
            f"{100 * point['error_rate']:.1f} % of {point['trials']} answers at or above it "
            "were wrong on validation",
        }
    )


def _worst(
    labels: Sequence[str],
    texts: Sequence[str],
    probabilities: Floats,
    targets: npt.NDArray[np.int64],
) -> page.Section:
    """The surest of the wrong answers."""
    answers, sureness = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(answers != targets)
    shown = wrong[np.argsort(-sureness[wrong], kind="stable")][:SHOWN]
    rows = [
        (texts[i][:LETTERS], labels[targets[i]], labels[answers[i]], f"{100 * sureness[i]:.0f} %")
        for i in shown
    ]
    return page.Section(
        f"Worst mistakes ({len(shown)} of {len(wrong)})",
        page.table(("text", "is", "taken for", "how sure"), rows)
        if rows
        else page.paragraph("No mistake among the test texts."),
    )

"""The report of a text classifier's training: ``report.html``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.images import Floats
from edgecnn.report import page
from edgecnn.training import classes_report
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
    labels = run.facts["labels"]
    sections = [
        page.Section("Result", _result(run, metrics)),
        classes_report.curves(run),
        classes_report.confusion(run, metrics, "texts"),
        classes_report.classes(run, metrics),
        _worst(labels, texts, probabilities, targets),
        classes_report.settings(run),
    ]
    page.write(run.path / REPORT, f"Telling {len(labels)} classes of text apart", sections)


def _result(run: Run, metrics: Mapping[str, Any]) -> str:
    length, dim = run.facts["input"]["length"], run.facts["input"]["dim"]
    return page.figures(
        {
            "Test accuracy": classes_report.accuracy(metrics),
            "Words": f"{metrics['words']:,}\n{dim} bytes each, {metrics['table_bytes']:,} in all; "
            f"a text's first {length} count",
            "Parameters": f"{metrics['parameters']:,}\nof the network, without the words' table",
            "Threshold": classes_report.threshold(metrics),
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

"""The page about a classifier's run: ``report.html``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgecnn.report import page
from edgecnn.training import classes_report, found_report, saliency_report
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
    sections = [
        page.Section("Result", _result(run, metrics)),
        classes_report.curves(
            run,
            "Training figures are of augmented pictures with smoothed labels, so they can be worse "
            "than the validation's.",
        ),
        classes_report.confusion(run, metrics, "pictures"),
        classes_report.classes(run, metrics),
        *saliency_report.sections(network, tested),
        found_report.reliability(run, tested.sureness, tested.hits),
        *found_report.sections(run),
        classes_report.settings(run),
    ]
    if skipped := run.split["skipped"]:
        sections.insert(
            -1, page.Section("Left out", page.table(("file", "why"), [*skipped.items()]))
        )
    title = f"Recognising {len(run.facts['labels'])} classes"
    page.write(run.path / REPORT, title, sections)


def _result(run: Run, metrics: Mapping[str, Any]) -> str:
    width, height = run.facts["input"]["size_wh"]
    seconds = sum(float(row["seconds"]) for row in run.history)
    return page.figures(
        {
            "Test accuracy": classes_report.accuracy(metrics),
            "Parameters": f"{metrics['parameters']:,}\n{run.facts['settings']['network']} network, "
            f"input {width}×{height} {run.facts['input']['order']}",
            "Threshold": classes_report.threshold(metrics),
            "Training": f"{seconds:.0f} s\n{metrics['epochs']} epochs",
        }
    )

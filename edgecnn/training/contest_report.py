"""The page of a contest: convolutional beside dense networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgecnn.report import page, plots
from edgecnn.training.contest import Row, verdicts

HEADER = ("network", "layers", "parameters", "multiply-accumulates", "int8 bytes", "accuracy",
          "95 % interval", "int8 accuracy", "epochs", "seconds")  # fmt: skip

CAVEAT = (
    "A convolution uses each weight at every place of the picture: that is why it needs so few. It "
    "also means that it multiplies more often than a dense network with as many weights. What it "
    "saves is memory, and weights to learn; whether it saves computing, too, is told by the column "
    "of multiply-accumulates."
)


def write(path: Path, title: str, rows: Sequence[Row], budget: Mapping[str, Any]) -> None:
    """Write the page, whole or not at all.

    Raises:
        StorageError: it could not be written.
    """
    shared = [(name.replace("_", " "), value) for name, value in budget.items()]
    page.write(path, title, [
        page.Section("Accuracy by size", page.plot(
            lambda dark: draw(rows, lambda row: row.parameters, "parameters", dark),
            "Accuracy on the test part against parameters",
            "Each dot is a network, each bar a 95 % interval of its accuracy on the test part.",
        ) + page.plot(
            lambda dark: draw(rows, lambda row: row.macs, "multiply-accumulates a picture", dark),
            "Accuracy on the test part against multiply-accumulates",
        )),
        page.Section("What that means", "".join(map(page.paragraph, [*verdicts(rows), CAVEAT]))),
        page.Section("All networks", page.table(HEADER, [cells(row) for row in rows])),
        page.Section("What all shared", page.table(("setting", "value"), shared)),
    ])  # fmt: skip


def draw(rows: Sequence[Row], size: Callable[[Row], float], label: str, dark: bool) -> bytes:
    """PNG of the accuracies over a size."""
    groups = {
        name: [(size(r), r.accuracy, r.low, r.high, r.name) for r in rows if r.is_dense is dense]
        for name, dense in (("convolutional", False), ("dense", True))
    }
    return plots.sizes(groups, (label, "% right"), dark=dark)


def cells(row: Row) -> tuple[str, ...]:
    """A row of the table, as :data:`HEADER` says."""
    return (
        row.name, str(row.layers), f"{row.parameters:,}", f"{row.macs:,}", f"{row.int8_bytes:,}",
        f"{row.accuracy:.2%}", f"{row.low:.2%} – {row.high:.2%}", f"{row.int8_accuracy:.2%}",
        str(row.epochs), f"{row.seconds:.0f}",
    )  # fmt: skip

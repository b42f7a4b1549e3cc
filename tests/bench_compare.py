"""Convolutional beside dense networks on handwritten digits: ``make bench-compare``.

Writes ``docs/networks.md`` and, beside it, ``networks.png`` and ``robustness.png``. It is
``edgecnn compare`` on scikit-learn's 1,797 digits of 8×8 pixels and, where the research data is at
hand, on the 10,000 of MNIST's test set, and ``edgecnn robustness`` on the digits; half an hour or
more.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgecnn.cli.demo_digits import write_digits
from edgecnn.training.contest import Row
from edgecnn.training.contest_report import HEADER, cells, draw
from edgecnn.training.robustness import Point
from edgecnn.training.robustness_report import draw as draw_bands
from edgecnn.training.robustness_report import limits

ROOT = Path(__file__).resolve().parent.parent
PAGE, PICTURE = ROOT / "docs" / "networks.md", ROOT / "docs" / "networks.png"
ROBUSTNESS = ROOT / "docs" / "robustness.png"
MNIST = Path(os.environ.get("EDGECNN_SHARED_DATA", ROOT.parent / "shared" / "data"),
             "mnist10k", "mnist10k.npz")  # fmt: skip

OPTIONS = {
    "digits": ["--depths", "10,30,100", "--width", "0.25", "--dense", "16", "--dense", "64",
               "--dense", "256", "--dense", "512", "--dense", "1024"],
    "mnist": ["--epochs", "15", "--dense", "24", "--dense", "128", "--dense", "512",
              "--dense", "2048"],
}  # fmt: skip
"""Of ``edgecnn compare``, by data."""


def write_mnist(folder: Path) -> None:
    """The arrays as ``folder/DIGIT/NUMBER.png``."""
    arrays = np.load(MNIST)
    for i, (picture, digit) in enumerate(zip(arrays["images"], arrays["labels"], strict=True)):
        file = folder / str(digit) / f"{i:05}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), picture)


def compared(name: str, work: Path) -> dict[str, Any]:
    """What the command finds; goes on where it was stopped."""
    data, out = work / name, work / f"{name}-compared"
    if not data.exists():
        write_digits(data) if name == "digits" else write_mnist(data)
    call("compare", str(data), "--out", str(out), *OPTIONS[name], "--resume")
    found: dict[str, Any] = json.loads((out / "comparison.json").read_text("utf-8"))
    return found


def robustness(work: Path) -> list[str]:
    """How far the digits' networks hold, trained with and without changed pictures."""
    data, plain = work / "digits", work / "plain-compared"
    shared = ["--cnn", "8,16", "--dense", "512"]
    call("compare", str(data), "--out", str(plain), *shared, "--no-augment", "--resume")
    pairs = {"cnn": "cnn-8-16", "dense": "dense-512"}
    models = []
    for short, name in pairs.items():
        for kind, folder in (("", work / "digits-compared"), ("-plain", plain)):
            models.append(work / f"{short}{kind}")
            models[-1].unlink(missing_ok=True)
            models[-1].symlink_to(folder / name)
    first, *rest = map(str, models)
    beside = [word for other in rest for word in ("--beside", other)]
    card = work / "card"
    call("robustness", first, str(data), *beside, "--out", str(card), "--no-int8")
    found = json.loads((card / "robustness.json").read_text("utf-8"))
    curves = {
        kind: {name: [Point(**p) for p in points] for name, points in of.items()}
        for kind, of in found["curves"].items()
    }
    ROBUSTNESS.write_bytes(draw_bands(curves, False))
    header, rows = limits(curves)
    return [
        "## How far they hold", "",
        "The strongest disturbance at which no more than 5 % of the accuracy are lost; *plain* was",
        "trained with `--no-augment`, which is what augmentation buys. `edgecnn robustness "
        f"{' '.join(m.name if k == 0 else '--beside ' + m.name for k, m in enumerate(models))}`,",
        f"digits, {found['pictures']} test pictures.", "",
        "| " + " | ".join(header) + " |",
        "| --- | --- |" + " ---: |" * (len(header) - 2),
        *("| " + " | ".join(row) + " |" for row in rows), "",
        "![Accuracy against each disturbance](robustness.png)", "",
        *(f"* {claim}" for claim in found["independence"]), "",
    ]  # fmt: skip


def call(*arguments: str) -> None:
    """The command line in a process of its own."""
    subprocess.run([sys.executable, "-m", "edgecnn", *arguments], check=True)


def section(title: str, name: str, found: dict[str, Any]) -> list[str]:
    """A table and what it means."""
    rows = [Row(**row) for row in found["networks"]]
    budget = ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in found["budget"].items())
    return [
        f"## {title}", "",
        f"`edgecnn compare {name} {' '.join(OPTIONS[name])}`; all with {budget}; "
        f"{rows[0].test_pictures:,} test pictures.", "",
        "| " + " | ".join(HEADER) + " |",
        "| --- |" + " ---: |" * (len(HEADER) - 1),
        *("| " + " | ".join(cells(row)) + " |" for row in rows), "",
        *(f"* {verdict}" for verdict in found["verdicts"]), "",
    ]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "compare")
    work = parser.parse_args().work
    lines = [
        "# Convolutional beside dense networks", "",
        "Written by `make bench-compare`. Seconds are of a machine that did other things, too.", "",
        "![Accuracy against parameters on the digits](networks.png)", "",
    ]  # fmt: skip
    digits = compared("digits", work)
    rows = [Row(**row) for row in digits["networks"]]
    PICTURE.write_bytes(draw(rows, lambda row: row.parameters, "parameters", False))
    lines += section("scikit-learn's digits, 8×8 pixels", "digits", digits)
    lines += robustness(work)
    if MNIST.exists():
        lines += section("MNIST, 28×28 pixels", "mnist", compared("mnist", work))
    PAGE.write_text("\n".join(lines), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

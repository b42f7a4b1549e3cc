"""Tables of made-up reviews, whose words say what their label is."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

GOOD = ("superb", "moving", "witty", "fresh", "honest")
BAD = ("dull", "clumsy", "stale", "hollow", "loud")
OTHER = tuple(f"word{i}" for i in range(40))


def reviews(count: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Texts of eight words, two of which tell, and labels ``good`` and ``bad`` in turn."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for i in range(count):
        tell = rng.choice(GOOD if i % 2 else BAD, 2)
        words = [*rng.choice(OTHER, 6), *tell]
        texts.append(" ".join(rng.permutation(words)))
        labels.append("good" if i % 2 else "bad")
    return texts, labels


def write(path: Path, columns: dict[str, list[str]]) -> Path:
    """A ``.csv`` file."""
    with open(path, "w", newline="", encoding="utf-8") as f:
        rows = csv.writer(f)
        rows.writerow(columns)
        rows.writerows(zip(*columns.values(), strict=True))
    return path

"""Folders of small pictures for tests: each class a bar at another place and of another colour."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

COLOURS = ((40, 40, 220), (40, 200, 40), (220, 60, 40), (200, 200, 40))


def make_photos(
    root: Path,
    labels: Sequence[str] = ("ant", "bee", "cat"),
    each: int = 12,
    *,
    side: int = 12,
    grey: bool = False,
    suffix: str = ".png",
) -> Path:
    """``root/LABEL/00.png`` … with fixed noise; returns ``root``."""
    rng = np.random.default_rng(5)
    for i, label in enumerate(labels):
        (root / label).mkdir(parents=True)
        for k in range(each):
            picture = rng.integers(60, 110, (side, side, 3), np.uint8)
            at = (i + 1) * side // (len(labels) + 2)
            picture[:, at : at + side // 4] = COLOURS[i % len(COLOURS)]
            if grey:
                picture = np.ascontiguousarray(picture[..., i % 3])
            assert cv2.imwrite(str(root / label / f"{k:02}{suffix}"), picture)
    return root

"""The robustness card: how accuracy falls as pictures are disturbed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edgecnn.data.disturb import KINDS
from edgecnn.images import Image
from edgecnn.report import page, pictures, plots
from edgecnn.training.robustness import Curves, independence, tolerance, verdicts

SHOWN_LEVELS = (1, 3, 6)
"""Of each kind, which strengths are shown as pictures."""

SHOWN_SIDE = 160
"""Pixels of their longer side, at most."""


def write(path: Path, title: str, curves: Curves, facts: Mapping[str, str], shown: Image) -> None:
    """Write the page, whole or not at all.

    Args:
        facts: what was measured, on what.
        shown: a picture to show the disturbances on, ``(H, W, 3)`` uint8 BGR.

    Raises:
        StorageError: it could not be written.
    """
    names = list(next(iter(curves.values())))
    claims = [said for name in names if (said := independence(curves, name))]
    page.write(path, title, [
        page.Section("Is it independent of where, how large and how turned?",
                     "".join(map(page.paragraph, claims))),
        page.Section("Accuracy by strength", page.plot(
            lambda dark: draw(curves, dark), "One panel for each kind of disturbance",
            "Bands are 95 % intervals; all classifiers saw the same pictures.",
        )),
        page.Section("How far each holds", page.table(*limits(curves))
                     + "".join(map(page.paragraph, verdicts(curves)))),
        page.Section("What that looks like", page.gallery(examples(curves, shown))),
        page.Section("What was measured", page.table(("", ""), list(facts.items()))),
    ])  # fmt: skip


def draw(curves: Curves, dark: bool) -> bytes:
    """PNG: a panel for each kind."""
    panels = {
        f"{kind}, {KINDS[kind].unit}": {
            name: np.array([(k, p.accuracy, p.low, p.high) for k, p in enumerate(points)])
            for name, points in of.items()
        }
        for kind, of in curves.items()
    }
    ticks = {
        f"{kind}, {KINDS[kind].unit}": [f"{level:g}" for level in KINDS[kind].levels]
        for kind in curves
    }
    return plots.bands(panels, ticks, dark=dark)


def limits(curves: Curves) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows of the table: the last strength at which each classifier holds."""
    names = list(next(iter(curves.values())))
    rows = [
        (kind, KINDS[kind].unit, *(f"{tolerance(of[name]):g}" for name in names))
        for kind, of in curves.items()
    ]
    return ("disturbance", "unit", *names), rows


def examples(curves: Curves, shown: Image) -> Sequence[tuple[bytes, str, str]]:
    """The picture, disturbed."""
    import cv2

    smaller = min(1.0, SHOWN_SIDE / max(shown.shape[:2]))
    shown = np.asarray(
        cv2.resize(shown, None, fx=smaller, fy=smaller, interpolation=cv2.INTER_AREA), np.uint8
    )
    found = []
    for kind in curves:
        for k in SHOWN_LEVELS:
            level = KINDS[kind].levels[k]
            changed = KINDS[kind].change(shown, level, np.random.default_rng(0))
            png = pictures.picture(np.asarray(changed), order="BGR")
            found.append((png, kind, f"{level:g} {KINDS[kind].unit}"))
    return found

"""The page of a checked folder: what was found, with the pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edgecnn.data.check import KINDS, Finding
from edgecnn.errors import DataError
from edgecnn.images import read_image
from edgecnn.report import page, pictures

SHOWN = 24
"""Pictures of each kind at most; all stand in the JSON file."""

SIDE = 160
"""Pixels of their longer side, at most."""


def write(
    path: Path, root: Path, findings: Sequence[Finding], classes: Mapping[str, int],
    facts: Mapping[str, str], notes: Sequence[str],
) -> None:  # fmt: skip
    """Write the page, whole or not at all.

    Args:
        classes: pictures of each. ``facts``: of the whole folder. ``notes``: in words.

    Raises:
        StorageError: it could not be written.
    """
    by_kind = {kind: [f for f in findings if f.kind == kind] for kind in KINDS}
    head = {kind: f"{len(of):,}\n{KINDS[kind]}" for kind, of in by_kind.items() if of}
    summary = page.figures(head) if head else page.paragraph("Nothing was found.")
    sections = [
        page.Section("What was found", summary + "".join(map(page.paragraph, notes))),
        *(_section(kind, of, root) for kind, of in by_kind.items() if of),
        page.Section("Classes", page.table(
            ("class", "pictures"), [(name, f"{count:,}") for name, count in classes.items()]
        )),
        page.Section("The folder", page.table(("", ""), list(facts.items()))),
    ]  # fmt: skip
    page.write(path, f"{root.resolve().name}, checked", sections)


def _section(kind: str, of: Sequence[Finding], root: Path) -> page.Section:
    shown = []
    for finding in of[:SHOWN]:
        if finding.like:
            shown.append((_png(root / finding.like), finding.like, "stays"))
        shown.append((_png(root / finding.name), finding.name, finding.told))
    drawn = page.gallery([(png, strong, weak) for png, strong, weak in shown if png])
    lost = [(strong, weak) for png, strong, weak in shown if not png]
    table = page.table(("file", "why"), lost) if lost else ""
    more = page.paragraph(f"And {len(of) - SHOWN:,} more.") if len(of) > SHOWN else ""
    return page.Section(f"{kind}: {len(of):,} {KINDS[kind]}", drawn + table + more)


def _png(file: Path) -> bytes:
    """A small version, empty for what is no picture."""
    import cv2

    try:
        image = read_image(file)
    except (DataError, OSError):
        return b""
    smaller = min(1.0, SIDE / max(image.shape[:2]))
    size = max(1, round(image.shape[1] * smaller)), max(1, round(image.shape[0] * smaller))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return pictures.picture(small, order="BGR")

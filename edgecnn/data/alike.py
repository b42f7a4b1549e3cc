"""Pictures that stand in a folder more than once: the same file, the same pixels, or nearly so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from edgecnn.data.look import Seen

ALIKE = 0.97
"""Correlation of two thumbnails from which they count as one picture. Of 1,500 photos of scenes,
the next most alike others come to 0.95 at most; saved again as JPEG of quality 30, or at half the
size, all stay above 0.999, and 95 % of those made a fifth brighter above 0.98."""

LEAST_SIDE = 32
"""Pixels; smaller pictures, such as digits, look alike without being the same: of these only equal
pixels count."""

LEAST_CONTRAST = 8.0
"""Bytes; in flatter pictures a thumbnail is noise."""

BLOCK = 1024
"""Pictures that are compared with all others at a time."""


def groups(seen: Sequence[Seen]) -> tuple[list[list[Seen]], list[list[Seen]]]:
    """Pictures that are the same, and pictures that nearly are.

    Returns:
        Groups with equal files or pixels; groups of near-duplicates, each with one of every group
        of the former. Both with two members at least, in the order of ``seen``.
    """
    by_pixels: dict[str, list[Seen]] = defaultdict(list)
    for one in seen:
        if not one.fault:
            by_pixels[one.pixels_digest].append(one)
    same = [group for group in by_pixels.values() if len(group) > 1]
    near = _near([group[0] for group in by_pixels.values() if _can_be_compared(group[0])])
    return same, near


def _can_be_compared(one: Seen) -> bool:
    return min(one.size_wh) >= LEAST_SIDE and one.contrast >= LEAST_CONTRAST


def _near(seen: Sequence[Seen]) -> list[list[Seen]]:
    if len(seen) < 2:
        return []
    thumbs = np.stack([one.thumb for one in seen if one.thumb is not None])
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(thumbs), BLOCK):
        alike = thumbs[start : start + BLOCK] @ thumbs.T >= ALIKE
        rows, columns = np.nonzero(alike)
        pairs += [(start + i, j) for i, j in zip(rows.tolist(), columns.tolist(), strict=True)]
    return [[seen[i] for i in group] for group in _joined(len(seen), pairs) if len(group) > 1]


def _joined(count: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Groups of numbers that pairs connect, each in rising order."""
    first = list(range(count))

    def root(i: int) -> int:
        while first[i] != i:
            first[i] = first[first[i]]
            i = first[i]
        return i

    for i, j in pairs:
        a, b = sorted((root(i), root(j)))
        first[b] = a
    found: dict[int, list[int]] = defaultdict(list)
    for i in range(count):
        found[root(i)].append(i)
    return list(found.values())

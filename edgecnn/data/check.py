"""What is wrong with a folder of pictures, and which files one would put aside for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecnn.data import alike
from edgecnn.data.folders import label_of
from edgecnn.data.look import Seen
from edgecnn.faces.types import Detection
from edgecnn.images import Floats, Image, read_image

TINY = 16
"""Pixels of the shorter side below which hardly anything can be seen, if the others are larger."""

FAR_SMALLER = 4
"""A picture is tiny only if its side is so many times smaller than the middle one's: a folder of
small digits is not full of faults."""

BLURRED = 0.15
"""Share of the folder's middle sharpness below which a picture counts as blurred."""

FLAT = 4.0
"""Bytes of standard deviation below which a picture shows nothing."""

UNEVEN = 10
"""Times as many pictures of the largest class as of the smallest, from which that is said."""

CUT = 0.1
"""Share of a face's height that may lie outside the picture; boxes reach from forehead to chin."""

KINDS = {
    "broken": "no pictures",
    "tiny": "far smaller than the others",
    "flat": "of one brightness all over",
    "blurred": "far less sharp than the others",
    "duplicate": "the same picture again",
    "near-duplicate": "nearly the same picture again",
    "two classes": "the same picture in two classes",
    "label": "probably of another class",
    "no face": "without a face",
    "cut face": "a face cut by the picture's edge",
}
"""Kinds of findings, in the order of reports."""


@dataclass(frozen=True)
class Finding:
    """Something wrong with a picture.

    Attributes:
        kind: of :data:`KINDS`.
        name: the file one would put aside, ``class/file``.
        told: why, in words.
        like: the picture that it repeats, '' for none.
        parts: where it and that one stand in the split, ``("train", "test")``, where known and not
            the same: the test is then easier than it looks.
    """

    kind: str
    name: str
    told: str
    like: str = ""
    parts: tuple[str, str] | tuple[()] = ()


def by_themselves(seen: Sequence[Seen]) -> list[Finding]:
    """What is wrong with single files."""
    good = [one for one in seen if not one.fault]
    found = [Finding("broken", one.name, one.fault) for one in seen if one.fault]
    if not good:
        return found
    side = float(np.median([min(one.size_wh) for one in good]))
    sharp = float(np.median([one.sharpness for one in good]))
    for one in good:
        least = min(one.size_wh)
        if least < TINY and least * FAR_SMALLER <= side:
            told = f"{one.size_wh[0]}×{one.size_wh[1]} pixels, the others about {side:.0f}"
            found.append(Finding("tiny", one.name, told))
        elif one.contrast < FLAT:
            found.append(
                Finding("flat", one.name, f"brightness varies by {one.contrast:.1f} of 255")
            )
        elif one.sharpness < BLURRED * sharp:
            told = f"{one.sharpness / sharp:.0%} as sharp as the middle one"
            found.append(Finding("blurred", one.name, told))
    return found


def repeated(seen: Sequence[Seen], parts: Mapping[str, str]) -> list[Finding]:
    """Pictures that are there more than once; the first by name is kept.

    Args:
        parts: name to part of the split; names that are missing are not compared.
    """
    same, near = alike.groups(seen)
    found = []
    for kind, groups in (("duplicate", same), ("near-duplicate", near)):
        for group in groups:
            kept, *others = sorted(group, key=lambda one: one.name)
            of_two = len({one.label for one in group}) > 1
            for other in others:
                found.append(_repeats("two classes" if of_two else kind, kept, other, parts))
    return found


def _repeats(kind: str, kept: Seen, other: Seen, parts: Mapping[str, str]) -> Finding:
    mine, its = parts.get(other.name), parts.get(kept.name)
    crossed = (mine, its) if mine and its and mine != its else ()
    told = f"as {kept.name}"
    if kind == "two classes":
        told += ": one of the labels is wrong"
    if crossed:
        told += f"; one would be in {crossed[0]}, the other in {crossed[1]}"
    return Finding(kind, other.name, told, kept.name, crossed)


def balance(seen: Sequence[Seen]) -> tuple[dict[str, int], str]:
    """Pictures that can be read of each class, and what to say of it, '' where nothing."""
    counts = Counter({label_of(one.name): 0 for one in seen})
    counts.update(one.label for one in seen if not one.fault)
    ordered = dict(sorted(counts.items()))
    least, most = min(ordered, key=lambda k: ordered[k]), max(ordered, key=lambda k: ordered[k])
    if ordered[least] * UNEVEN > ordered[most]:
        return ordered, ""
    return ordered, (
        f"{most} has {ordered[most]:,} pictures, {least} {ordered[least]:,}: add some of {least}; "
        "until then its accuracy is uncertain"
    )


def statistics(seen: Sequence[Seen]) -> dict[str, str]:
    """Sizes, colours and sharpness of the whole folder, in words."""
    good = [one for one in seen if not one.fault]
    if not good:
        return {}
    widths, heights = np.array([one.size_wh for one in good]).T
    sizes = Counter(one.size_wh for one in good)
    (common, often), *_ = sizes.most_common(1)
    mean = np.mean([one.mean_rgb for one in good], axis=0)
    return {
        "pictures": f"{len(good):,}",
        "sizes": f"{widths.min()}×{heights.min()} to {widths.max()}×{heights.max()} pixels",
        "most common size": f"{common[0]}×{common[1]}, {often:,} pictures",
        "without colour": f"{sum(one.is_grey for one in good):,}",
        "mean red, green, blue": ", ".join(f"{v:.0f}" for v in mean),
        "contrast, middle": f"{np.median([one.contrast for one in good]):.0f} of 255",
    }


def without_face(
    root: Path, seen: Sequence[Seen], detect: Callable[[Image], Sequence[Detection]]
) -> list[Finding]:
    """Pictures in which no face is found, or in which the largest is cut by the edge.

    Args:
        detect: ``(H, W, 3)`` uint8 BGR to the faces in it, the largest anywhere.
    """
    found = []
    for one in seen:
        if one.fault:
            continue
        faces = detect(read_image(root / one.name))
        if not faces:
            found.append(Finding("no face", one.name, "no face was found"))
            continue
        left, top, right, bottom = max((f.box_xyxy for f in faces), key=_area)
        outside = max(-left, -top, right - one.size_wh[0], bottom - one.size_wh[1])
        share = float(outside) / float(bottom - top)
        if share > CUT:
            found.append(Finding("cut face", one.name, f"{share:.0%} of the face lie outside"))
    return found


def _area(box: Floats) -> float:
    left, top, right, bottom = (float(edge) for edge in box)
    return (right - left) * (bottom - top)

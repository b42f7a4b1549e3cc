"""How accuracy falls as pictures are disturbed: classifiers side by side on the same pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.disturb import KINDS, MOVES
from edgecnn.errors import DataError
from edgecnn.images import Floats, Image, Preprocess
from edgecnn.training.measures import interval

HELD = 0.05
"""Accuracy, 0…1, that may be lost where a network counts as holding."""


@dataclass(frozen=True)
class Subject:
    """A classifier that is looked at.

    Attributes:
        name: for tables.
        preprocess: from a picture to its input.
        predict: ``(N, H, W, C)`` uint8 to one array of scores, ``(N, classes)``.
        labels: the classes in the order of the scores.
    """

    name: str
    preprocess: Preprocess
    predict: Callable[[Image], list[Floats]]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Point:
    """Accuracy of one classifier at one strength, and its 95 % interval; 0…1."""

    level: float
    accuracy: float
    low: float
    high: float


Curves = dict[str, dict[str, list[Point]]]
"""By kind of disturbance, by name of the classifier."""


def check_labels(subjects: Sequence[Subject], targets: Sequence[str]) -> None:
    """Whether each classifier knows the pictures' classes.

    Raises:
        DataError: one of them does not.
    """
    for subject in subjects:
        if unknown := sorted(set(targets) - set(subject.labels)):
            raise DataError(
                f"expected pictures of {', '.join(subject.labels)}, which {subject.name} tells "
                f"apart. Received: {unknown[0]}: name the folder it was trained on, or one alike"
            )


def measure(
    subjects: Sequence[Subject], pictures: Sequence[Image], targets: Sequence[str],
    kinds: Iterable[str] = tuple(KINDS), *, seed: int = 0,
    progress: Callable[[str, int, int], None] = lambda step, done, of: None,
) -> Curves:  # fmt: skip
    """Disturb the pictures and ask each classifier; all see the same.

    Args:
        pictures: ``(H, W, 3)`` uint8 BGR, of any sizes. ``targets``: their classes.
        kinds: of :data:`edgecnn.data.disturb.KINDS`.
        progress: called with the kind, levels done and levels in all.
    """
    curves: Curves = {}
    # The first level of each kind changes nothing, so it is looked at once for all of them.
    untouched = {s.name: _point(_right(s, pictures, targets), len(targets)) for s in subjects}
    for name in kinds:
        kind = KINDS[name]
        curves[name] = {n: [replace(p, level=kind.levels[0])] for n, p in untouched.items()}
        for done, level in enumerate(kind.levels[1:], 2):
            changed = [kind.change(p, level, _rng(seed, i)) for i, p in enumerate(pictures)]
            for subject in subjects:
                point = _point(_right(subject, changed, targets), len(targets), level)
                curves[name][subject.name].append(point)
            progress(name, done, len(kind.levels))
    return curves


def tolerance(points: Sequence[Point]) -> float:
    """The last strength up to which no more than :data:`HELD` of the accuracy was lost."""
    least = points[0].accuracy - HELD
    held = points[0].level
    for point in points[1:]:
        if point.accuracy < least:
            break
        held = point.level
    return held


def verdicts(curves: Mapping[str, Mapping[str, Sequence[Point]]]) -> list[str]:
    """In words, for each kind: up to where each classifier holds, and what is left at the end."""
    said = []
    for name, of in curves.items():
        kind = KINDS[name]
        parts = []
        for subject, points in of.items():
            held, end = tolerance(points), points[-1]
            where = "throughout" if held == end.level else f"up to {held:g}"
            if held == points[0].level:
                where = "not even the weakest"
            parts.append(f"{subject} {where} ({end.accuracy:.0%} at {end.level:g})")
        said.append(f"{name}, {kind.unit}: {'; '.join(parts)}.")
    return said


def independence(curves: Mapping[str, Mapping[str, Sequence[Point]]], subject: str) -> str:
    """Whether a classifier is independent of shift, scale, rotation and shear, as is said of
    convolutional networks, in one sentence."""
    moves = [name for name in MOVES if name in curves]
    broken = [n for n in moves if tolerance(curves[n][subject]) != curves[n][subject][-1].level]
    if not moves:
        return ""
    if not broken:
        return f"{subject} keeps its accuracy under every {', '.join(moves)} that was tried."
    limits = ", ".join(
        f"{n} beyond {tolerance(curves[n][subject]):g} {KINDS[n].unit}" for n in broken
    )
    return (
        f"{subject} is not independent of these: it loses more than {100 * HELD:g} points of "
        f"accuracy under {limits}."
    )


def as_dict(curves: Curves) -> dict[str, Any]:
    """For JSON."""
    return {
        kind: {name: [asdict(p) for p in points] for name, points in of.items()}
        for kind, of in curves.items()
    }


def from_dict(found: Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]]) -> Curves:
    """What :func:`as_dict` made."""
    return {
        kind: {name: [Point(**p) for p in points] for name, points in of.items()}
        for kind, of in found.items()
    }


def _point(right: int, of: int, level: float = 0.0) -> Point:
    return Point(level, right / of, *interval(right, of))


def _right(subject: Subject, pictures: Sequence[Image], targets: Sequence[str]) -> int:
    pixels = np.stack([subject.preprocess(picture) for picture in pictures])
    answers: npt.NDArray[np.int64] = subject.predict(pixels)[0].argmax(axis=1)
    pairs = zip(answers, targets, strict=True)
    return sum(subject.labels[answer] == target for answer, target in pairs)


def _rng(seed: int, picture: int) -> np.random.Generator:
    """The same for all levels and kinds: a stronger shift goes the same way."""
    digest = hashlib.sha256(f"{seed} {picture}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))

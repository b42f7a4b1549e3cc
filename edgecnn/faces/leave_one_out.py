"""How each of a person's photos fares against the others, and what that says about the person.

The photo that is judged is nowhere in what it is judged by: not among the photos that its person
is known by, nor a near copy of it, nor in the fit of an adaptation (nested leave-one-out).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgecnn.faces.adapt import Adaptation
from edgecnn.faces.match import Index
from edgecnn.faces.redundant import choose, is_same_photo
from edgecnn.faces.types import Sample

FOLDS = 20
"""Fits of an adaptation at most: with more photos, several are left out of a fit together."""

FEW = 3
"""Photos below which a person is called weak: the mean of two says little about a third."""

WEAK = 0.8
"""Share of a person's photos that the others must recognise, else the person is called weak."""

Fit = Callable[[Sequence[Sample]], Adaptation | None]


@dataclass(frozen=True)
class Check:
    """How a photo fares against all the others.

    Attributes:
        name, source: of the photo.
        own: score to the person's other photos; None where there is no other.
        other: score to the nearest other person; None where there is none.
        nearest: who that is.
        answer: ``right``, ``wrong`` (another person's name would be given), ``unknown``, or
            ``alone`` (the person's only photo, near copies apart).
    """

    name: str
    source: str
    own: float | None
    other: float | None
    nearest: str | None
    answer: str


def index_of(samples: Sequence[Sample], adaptation: Adaptation | None = None) -> Index:
    """What photos are compared with once these are enrolled, the redundant ones dropped."""
    kept = [s for group in by_person(samples).values() for s in worth_keeping(group)]
    width = len(samples[0].embedding) if samples else 0
    matrix = np.array([s.embedding for s in kept], np.float32).reshape(len(kept), width)
    return Index([s.name for s in kept], matrix, adaptation=adaptation)


def by_person(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """The samples of each person, both in order of their first coming."""
    people: dict[str, list[Sample]] = {}
    for sample in samples:
        people.setdefault(sample.name, []).append(sample)
    return people


def worth_keeping(samples: Sequence[Sample]) -> list[Sample]:
    """One person's samples without those that :func:`edgecnn.faces.redundant.choose` drops."""
    verdicts = choose(np.array([s.embedding for s in samples]), [s.quality for s in samples])
    return [s for s, verdict in zip(samples, verdicts, strict=True) if verdict.kept]


def leave_one_out(
    samples: Sequence[Sample], threshold: float, fit: Fit | None = None
) -> list[Check]:
    """Compare each photo with the gallery as it would be without that photo.

    Args:
        samples: of everybody, near copies and other redundant ones included.
        threshold: score from which a name is given.
        fit: makes an adaptation from samples; it is never given the photo that is judged.
    """
    checks: dict[int, Check] = {}
    people = by_person(samples)
    for fold in _folds(samples) if fit else [list(range(len(samples)))]:
        left_out = set(fold)
        rest = [s for i, s in enumerate(samples) if i not in left_out]
        adaptation = fit(rest) if fit else None
        everybody = index_of(samples, adaptation)
        for i in fold:
            checks[i] = _check(samples[i], people[samples[i].name], everybody, threshold)
    return [checks[i] for i in range(len(samples))]


def _folds(samples: Sequence[Sample]) -> list[list[int]]:
    """Photo numbers by fold, each person's spread over as many folds as possible."""
    order = [i for g in by_person([*samples]).values() for i in _numbers(samples, g)]
    count = min(FOLDS, len(order))
    return [order[k::count] for k in range(count)]


def _numbers(samples: Sequence[Sample], group: Sequence[Sample]) -> list[int]:
    number = {id(s): i for i, s in enumerate(samples)}
    return [number[id(s)] for s in group]


def _check(sample: Sample, own: Sequence[Sample], everybody: Index, threshold: float) -> Check:
    others = [
        s for s in own if s is not sample and not is_same_photo(s.embedding, sample.embedding)
    ]
    mine = None
    if others:
        mine = float(index_of(others, everybody.adaptation).scores(sample.embedding)[0])
    scores = everybody.scores(sample.embedding)
    rivals = [
        (float(s), n) for s, n in zip(scores, everybody.people, strict=True) if n != sample.name
    ]
    other, nearest = max(rivals, default=(None, None), key=lambda r: r[0])
    if other is not None and other >= max(threshold, -1.0 if mine is None else mine):
        answer = "wrong"
    elif mine is None:
        answer = "alone"
    else:
        answer = "right" if mine >= threshold else "unknown"
    return Check(sample.name, sample.source, mine, other, nearest, answer)


def gain_without(samples: Sequence[Sample]) -> dict[str, float]:
    """How much more alike a person's other photos would be to each other without each one.

    Args:
        samples: of one person.

    Returns:
        Source to the mean change of the others' cosine when that photo is gone; above 0 it hurts.
        Empty below four photos, where the others are too few to tell.
    """
    if len(samples) < 4:
        return {}
    points = np.array([s.embedding for s in samples], np.float64)
    gram = points @ points.T
    numbers = range(len(samples))

    def cosine(i: int, among: list[int]) -> float:
        length = float(np.sqrt(gram[np.ix_(among, among)].sum()))
        return float(gram[i, among].sum()) / max(length, 1e-9)

    gains = {}
    for j in numbers:
        change = []
        for i in numbers:
            if i != j:
                others = [k for k in numbers if k not in (i, j)]
                change.append(cosine(i, others) - cosine(i, [*others, j]))
        gains[samples[j].source] = float(np.mean(change))
    return gains


def weak(checks: Sequence[Check]) -> dict[str, str]:
    """People whom the camera may not recognise, and why, by name."""
    found = {}
    for name in sorted({c.name for c in checks}):
        mine = [c for c in checks if c.name == name]
        right = sum(c.answer == "right" for c in mine)
        if len(mine) < FEW or right < WEAK * len(mine):
            found[name] = f"{right} of {len(mine)} photos recognised by the others"
    return found


def recognised(checks: Sequence[Check]) -> Mapping[str, int]:
    """How many photos had each answer."""
    answers = ("right", "wrong", "unknown", "alone")
    return {a: sum(c.answer == a for c in checks) for a in answers}

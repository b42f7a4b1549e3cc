"""Fit a last layer to the people of a gallery, and keep it only where it proves itself.

The map is the inverse square root of a covariance that is drawn towards the identity::

    matrix = ((1 - WITHIN - AMONG) I + WITHIN S + AMONG C) ** -1/2

``S`` is how the photos of one of the user's people differ from each other, ``C`` how impostors
differ, each scaled to the mean variance 1: directions in which photos of one person differ, or in
which strangers crowd, count less (linear discriminant analysis, with both covariances shrunk as by
Ledoit and Wolf, *J. Multivariate Analysis* 88, 2004).

A map makes cosines higher or lower altogether, so a threshold must move with it (``shift``). How
far is measured twice, and the mean of both is taken: with the half of the cohort that the map was
not fitted to, at the rate :data:`RATE`, which lets in a few strangers too many; and with the user's
own people, each group of them as strangers to the others and left out of the fit, as *this* camera
sees strangers, which lets in too few.

Measured on people of CelebA that trained nothing, 20 galleries of five people with six photos each,
named on their other photos, against strangers that the map was not fitted to: with the first
embedder that shipped, :func:`consider` kept seven of the 20; there 93.1 instead of 92.4 % were
named right, and 1.15 instead of 1.08 % of strangers named. With a public int8 MobileFaceNet, which
leaves little to gain, it kept two: 92.0 instead of 89.1 %, and 0.22 instead of 0.54 %. So expect
little. A map learned by gradient descent on the same data named two to ten times as many
strangers: it learns how research photos differ from the user's. ``edgecnn evaluate BUNDLE
--enrolment FACES`` measures it again for any bundle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import DataError
from edgecnn.faces.adapt import Adaptation
from edgecnn.faces.cohort import Cohort
from edgecnn.faces.leave_one_out import (
    Check,
    by_person,
    leave_one_out,
    recognised,
    worth_keeping,
)
from edgecnn.faces.match import Index
from edgecnn.faces.threshold import threshold_for
from edgecnn.faces.types import Sample
from edgecnn.images import Floats

WITHIN, AMONG = 0.1, 0.3
"""Shares of the two covariances. Of (0, 0.3), (0.1, 0.1), (0.1, 0.3), (0.2, 0.5), (0.3, 0.3) and
(0.5, 0.2), the third named most at the lowest rate of strangers that was looked at, 3 in 1,000:
86.4 instead of 85.2 % (first embedder, as above); the last three were worse than no map at 1 in
100."""

RATE = 0.01
"""Of strangers, at which thresholds with and without the map are compared: low enough to be about
the tail, high enough to be known from half a cohort."""

TAIL = 2.33
"""Standard deviations above the mean that 1 in 100 of a normal distribution reaches."""

GROUPS = 10
"""Groups of the user's people, at most, that are strangers in turn."""

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Trial:
    """What became of an adaptation.

    Attributes:
        adaptation: None where it was not kept.
        why: in one line.
        before, after: leave-one-out without and with it, the fit nested.
    """

    adaptation: Adaptation | None
    why: str
    before: list[Check]
    after: list[Check]


def consider(samples: Sequence[Sample], cohort: Cohort, threshold: float) -> Trial:
    """Fit an adaptation, and keep it where leave-one-out improves at the same rate of strangers.

    Args:
        samples: everybody's usable photos; at least two people, one of them with two photos.
        threshold: score from which a name is given.

    Raises:
        DataError: there are too few people, or the cohort has too few to measure by.
    """
    people = by_person(samples)
    if len(people) < 2 or max(map(len, people.values())) < 2:
        raise DataError(
            "expected two people at least, one with two photos, to adapt to. Received: "
            f"{len(people)} people with {len(samples)} photos: add photos, or leave out --adapt"
        )
    before = leave_one_out(samples, threshold)
    after = leave_one_out(samples, threshold, lambda rest: fit(rest, cohort))
    was, now = recognised(before), recognised(after)
    figures = (
        f"{was['right']} → {now['right']} of {len(samples)} photos recognised by the others, "
        f"{was['wrong']} → {now['wrong']} named wrongly"
    )
    if now["right"] <= was["right"] or now["wrong"] > was["wrong"]:
        return Trial(None, f"not kept, since it does not improve leave-one-out: {figures}",
                     before, after)  # fmt: skip
    facts: dict[str, Any] = {
        "people": len(people), "photos": len(samples), "impostors": len(cohort),
        "leave_one_out_before": dict(was), "leave_one_out_after": dict(now),
    }  # fmt: skip
    return Trial(replace(fit(samples, cohort), facts=facts), f"kept: {figures}", before, after)


def fit(
    samples: Sequence[Sample], cohort: Cohort, within: float = WITHIN, among: float = AMONG
) -> Adaptation:
    """The map for these people, with its shift.

    Args:
        within, among: shares of the two covariances; both 0 give the identity.

    Raises:
        DataError: half the cohort has too few people.
    """
    spread, rest = _halves(cohort)
    # Which photos are worth keeping does not depend on the map: told once, since it takes longest.
    people = {name: worth_keeping(group) for name, group in by_person(samples).items()}
    names = list(people)
    matrix = Adaptation(_matrix(samples, spread, within, among))
    shift = _needed(_index(people, names, matrix), rest) - _needed(_index(people, names), rest)
    seen: list[tuple[float, float]] = []
    for away in [names[k::GROUPS] for k in range(min(GROUPS, len(names)))]:
        home = [name for name in names if name not in away]
        if len(names) < 3:  # nobody would be left to be taken for
            break
        left = Adaptation(_matrix([s for s in samples if s.name in home], spread, within, among))
        plain, mapped = _index(people, home), _index(people, home, left)
        strangers = np.array([s.embedding for s in samples if s.name in away])
        seen += zip(_best(plain, strangers), _best(mapped, strangers), strict=True)
    if seen:
        tails = np.mean(seen, axis=0) + TAIL * np.std(seen, axis=0)
        shift = (shift + float(tails[1] - tails[0])) / 2
    return Adaptation(matrix.matrix, shift)


@lru_cache(maxsize=1)
def _halves(cohort: Cohort) -> tuple[Doubles, Cohort]:
    """How the people of one half differ, for the fit, and the other half, for the shift."""
    half = cohort.persons % 2 == 0
    rest = Cohort(
        cohort.embeddings[~half], cohort.persons[~half], cohort.groups[~half], cohort.sha256
    )
    return _covariance(cohort.embeddings[half]), rest


def _index(
    people: Mapping[str, Sequence[Sample]], names: Sequence[str], map_: Adaptation | None = None
) -> Index:
    kept = [s for name in names for s in people[name]]
    return Index([s.name for s in kept], np.array([s.embedding for s in kept]), adaptation=map_)


def _needed(index: Index, cohort: Cohort) -> float:
    best = cohort.scores(index).max(axis=1)
    return threshold_for(RATE, best, cohort.persons, cohort.groups, draws=0).value


def _best(index: Index, faces: Floats) -> list[float]:
    scores: list[float] = index.scores(faces).max(axis=1).tolist()
    return scores


def _matrix(
    samples: Sequence[Sample], among_strangers: Doubles, within: float, among: float
) -> Floats:
    side = len(among_strangers)
    scatter, count = np.zeros((side, side)), 0
    for group in by_person(samples).values():
        points = np.array([s.embedding for s in group], np.float64)
        points -= points.mean(axis=0)
        scatter += points.T @ points
        count += len(points) - 1
    if np.trace(scatter) < 1e-9 * max(count, 1):
        within, scatter = 0.0, np.eye(side)
    mixed = (1 - within - among) * np.eye(side)
    mixed += within * scatter * (side / np.trace(scatter)) + among * among_strangers
    values, vectors = np.linalg.eigh(mixed)
    return np.asarray((vectors / np.sqrt(np.maximum(values, 1e-6))) @ vectors.T, np.float32)


def _covariance(points: Floats) -> Doubles:
    """``(D, D)``, scaled to the mean variance 1."""
    centred = np.asarray(points - points.mean(axis=0), np.float64)
    covariance = centred.T @ centred
    return np.asarray(covariance * (len(covariance) / max(np.trace(covariance), 1e-12)))

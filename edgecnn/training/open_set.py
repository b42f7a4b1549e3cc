"""Will it name strangers? Some people are enrolled from a few photos, everybody else is a stranger.

Whoever has two faces or more is enrolled once, in one of several galleries, with their first faces;
their other faces must be named. All others, whether enrolled elsewhere or not, are strangers to
that gallery. So every pair of a face and an enrolled person is compared once, and what is counted
as a trial is one: a person before a gallery, all their faces together.

``FPIR`` is the share of strangers who are given any name, ``FNIR`` the share of the enrolled who
are not given their own (ISO/IEC 19795-1); every person weighs the same, however many faces they
have. Intervals are 90 %, by redrawing people (both the one before the camera and the one whose
name would be given; Owen, *The pigeonhole bootstrap*, Ann. Appl. Stat. 1, 2007), and for rates of
events at least as wide as Wilson's for as many independent trials.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import DataError
from edgecnn.faces.cohort import Cohort
from edgecnn.faces.match import Index
from edgecnn.faces.threshold import threshold_for
from edgecnn.images import Floats
from edgecnn.training.measures import interval
from edgecnn.training.strangers import Embedded, Ints, galleries, gallery_of, per_person

Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

FPIRS = (1e-2, 1e-3, 1e-4)
"""The rates of strangers named at which FNIR is given."""

FEWEST_EVENTS = 3
"""Strangers named that a rate must rest on: a rate of 1 in N needs 3 N trials."""

DRAWS = 200
"""Redrawings of the people behind an interval."""

SHOWN = 8
"""Pairs of people who are most easily confused."""


@dataclass(frozen=True, eq=False)
class Trials:
    """Every face of a stranger, or of an enrolled person that is not enrolled itself, compared.

    Attributes:
        enrolled: people at once.
        galleries: how many of them.
        persons: ``(N,)`` who is before the camera.
        rows: ``(N,)`` which face it is.
        mated: ``(N,)`` bool: the person is enrolled in this gallery.
        own: ``(N,)`` score to the person's own name; -1 for strangers.
        other: ``(N,)`` best score to another name.
        nearest: ``(N,)`` whose name that is.
        thresholds: ``(N,)`` the gallery's.
        weights: ``(N,)`` 1 over the faces that the person has before this gallery.
    """

    enrolled: int
    galleries: int
    persons: Ints
    rows: Ints
    mated: Bools
    own: Floats
    other: Floats
    nearest: Ints
    thresholds: Floats
    weights: Doubles

    def where(self, kept: Bools) -> Trials:
        """Some of them."""
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        return Trials(**{k: v[kept] if np.ndim(v) else v for k, v in columns.items()})

    @property
    def strangers(self) -> int:
        """Trials of strangers: people before galleries."""
        return round(float(self.weights[~self.mated].sum()))


def threshold_of(cohort: Cohort | None, index: Index, rate: float, otherwise: float) -> float:
    """The gallery's threshold by the cohort, or the bundle's where that has none."""
    if cohort is None:
        return otherwise
    best = cohort.scores(index).max(axis=1)
    return threshold_for(rate, best, cohort.persons, cohort.groups, draws=0).value


def trials(
    faces: Embedded, threshold: Callable[[Index], float], enrolled: int | None, *, fewest: int = 2
) -> Trials:
    """Compare everybody with every gallery.

    Args:
        threshold: of a gallery, :func:`threshold_of`.
        enrolled: people in a gallery; None for half of those who can be.
        fewest: faces that somebody must have to be enrolled; with 1, nobody need be left to be
            found again.

    Raises:
        DataError: too few people can be enrolled for two galleries.
    """
    people, counts = np.unique(faces.persons, return_counts=True)
    able = people[counts >= fewest]
    size = enrolled or len(able) // 2
    if not 1 <= size <= len(able) // 2:
        raise DataError(
            f"expected at least {2 * max(1, size)} people with {fewest} faces or more each, twice "
            f"as many as are enrolled at once. Received: {len(able)} of {len(people)} people: "
            "add faces, or enroll fewer people"
        )
    parts = []
    for gallery in galleries(able, size, np.random.default_rng(0)):
        index, used = gallery_of(faces, gallery, kept_back=1)
        names = np.sort(gallery)  # as the index sorts them
        rows = np.setdiff1d(np.arange(len(faces.persons)), used)
        persons = faces.persons[rows]
        scores = index.scores(faces.plain[rows])
        is_own = persons[:, None] == names[None]
        others = np.where(is_own, -1.0, scores)
        parts.append(
            (
                persons,
                rows,
                is_own.any(axis=1),
                np.where(is_own, scores, -1.0).max(axis=1),
                others.max(axis=1),
                names[others.argmax(axis=1)],
                np.full(len(rows), threshold(index)),
                per_person(persons),
            )
        )
    return Trials(size, len(parts), *(np.concatenate(c) for c in zip(*parts, strict=True)))


def fnir_at(found: Trials, fpir: float) -> dict[str, Any]:
    """FNIR where ``fpir`` of the strangers are named, or how many trials it would take to tell.

    The threshold is read off the strangers themselves, as the standard does: it says how well
    embeddings tell people apart, not how well a threshold was chosen.
    """
    needed = round(FEWEST_EVENTS / fpir)
    if found.strangers < needed:
        return {"fpir": fpir, "fnir": None, "trials": found.strangers, "trials_needed": needed}
    order = np.argsort(np.where(found.mated, np.inf, -found.other), kind="stable")
    order = order[: int((~found.mated).sum())]  # strangers, the most alike first
    value, threshold = _fnir(found, fpir, found.weights, order)
    drawn = [_fnir(found, fpir, w, order)[0] for w in _redrawn(found)]
    low, high = np.quantile(drawn, (0.05, 0.95))
    return {"fpir": fpir, "fnir": value, "low": float(low), "high": float(high),
            "threshold": threshold, "trials": found.strangers}  # fmt: skip


def _fnir(found: Trials, fpir: float, weights: Doubles, order: Ints) -> tuple[float, float]:
    passed = np.cumsum(weights[order])
    first = min(int(np.searchsorted(passed, fpir * passed[-1], "right")), len(order) - 1)
    threshold = float(np.nextafter(found.other[order[first]], np.float32(2)))
    return _missed(found, threshold, weights), threshold


def _missed(found: Trials, threshold: float | Floats, weights: Doubles) -> float:
    """The share of the enrolled who are not given their own name."""
    right = (found.own >= threshold) & (found.own > found.other)
    return float(np.average(~right[found.mated], weights=weights[found.mated]))


def det(found: Trials) -> tuple[Floats, Floats]:
    """The detection error trade-off: ``(K,)`` FPIR and FNIR over all thresholds, FPIR rising."""
    scores, w = found.other[~found.mated], found.weights[~found.mated]
    order = np.argsort(-scores, kind="stable")
    fpir = np.cumsum(w[order]) / w.sum()
    kept = np.unique(np.searchsorted(fpir, np.geomspace(fpir[0], 1, 200)))
    kept = kept[kept < len(order)]
    fnir = [_missed(found, float(scores[order][k]), found.weights) for k in kept]
    return fpir[kept].astype(np.float32), np.array(fnir, np.float32)


def at_thresholds(found: Trials) -> dict[str, Any]:
    """What happens at the galleries' own thresholds, with intervals."""
    misnamed = (found.other >= found.thresholds) & (found.other >= found.own) & found.mated
    enrolled = float(found.weights[found.mated].sum())
    return {
        "threshold": float(np.average(found.thresholds, weights=found.weights)),
        "strangers_named": named_of(found),
        "enrolled_misnamed": rate_of(misnamed, found.mated, found),
        "enrolled_missed": _missed(found, found.thresholds, found.weights),
        "enrolled_trials": round(enrolled),
    }


def rate_of(events: Bools, among: Bools, found: Trials) -> dict[str, float]:
    """A share of trials and its interval: ``rate``, ``low``, ``high``, ``trials``."""
    of = float(found.weights[among].sum())
    count = float(found.weights[events].sum())
    drawn = [float(w[events].sum() / w[among].sum()) for w in _redrawn(found)]
    low, high = (float(q) for q in np.quantile(drawn, (0.05, 0.95)))
    wilson = interval(round(count), max(1, round(of)), z=1.644854)
    return {"rate": count / max(of, 1e-9), "low": min(low, wilson[0]),
            "high": max(high, wilson[1]), "trials": round(of)}  # fmt: skip


def _redrawn(found: Trials) -> list[Doubles]:
    rng = np.random.default_rng(0)
    size = int(max(found.persons.max(), found.nearest.max())) + 1
    drawn = []
    for _ in range(DRAWS):
        person = rng.exponential(size=size)
        drawn.append(found.weights * person[found.persons] * person[found.nearest])
    return drawn


def confused(found: Trials) -> list[tuple[int, int, int, float, bool]]:
    """Who is most easily taken for whom: person, enrolled, the row of the face, score, named."""
    best: dict[tuple[int, int], tuple[int, float, bool]] = {}
    for i in np.argsort(-found.other, kind="stable")[: 50 * SHOWN]:
        pair = int(found.persons[i]), int(found.nearest[i])
        named = bool(found.other[i] >= max(found.thresholds[i], found.own[i]))
        best.setdefault(pair, (int(found.rows[i]), float(found.other[i]), named))
    return [(*pair, *what) for pair, what in list(best.items())[:SHOWN]]


def groups(
    faces: Embedded,
    found: Trials,
    members: Mapping[tuple[str, str], Ints],
    known: Bools,
    threshold: Callable[[Index], float],
    enrolled: int,
) -> list[dict[str, Any]]:
    """How often strangers of a group are named.

    Against the people enrolled in ``found``; and where the group is on its own, enrolled people and
    strangers both, which is harder. The latter only for faces whose person is known: of two others
    nobody can say that a name would be wrong.

    Args:
        found: of ``faces``, the unknown ones too.
        members: rows of ``faces`` by the set they are from and the name of the group.
        known: ``(N,)`` whether a face's person is known.
        enrolled: people of a group at once, with one face each; groups of fewer than three times as
            many people are not looked at on their own.
    """
    told = []
    for (source, name), rows in members.items():
        group = found.where(np.isin(found.rows, rows) & ~found.mated)
        if not len(group.rows):
            continue
        first = rows[np.unique(faces.persons[rows], return_index=True)[1]]
        part = faces[first]
        within = None
        if known[first].all() and len(first) >= 3 * enrolled:
            alone = trials(part, threshold, enrolled, fewest=1)
            within = named_of(alone)
        told.append(
            {
                "set": source,
                "group": name,
                "people": len(first),
                "against_the_enrolled": named_of(group),
                "within_the_group": within,
            }
        )
    return told


def named_of(found: Trials) -> dict[str, float]:
    """The share of strangers who are given a name at the galleries' thresholds."""
    return rate_of((found.other >= found.thresholds) & ~found.mated, ~found.mated, found)

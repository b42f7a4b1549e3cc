"""Which rule ends visits wrongly how often.

Made-up visits (:mod:`edgecnn.data.visits`) of enrolled people and of strangers are decided on by
the rules of :data:`RULES`, each told the same rate of strangers, with the same cohort and the same
galleries: the sequential test that the camera uses, one look at the first frame, a threshold for
each frame, and the majority of frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import DataError
from edgecnn.faces.cohort import Cohort
from edgecnn.faces.decide import TRIES, Bounds, Evidence, Rates
from edgecnn.faces.likelihood import Likelihood
from edgecnn.faces.match import Index
from edgecnn.faces.quality import LIVE
from edgecnn.images import Floats

Names = npt.NDArray[np.intp]
Answers = tuple[Names, Floats]
"""``(V, T)`` who is meant at each frame of each visit, as a number, and by how much the bound for a
name is passed there; below 0 nobody is named."""

GALLERIES = 12
"""Draws of who is enrolled. All others who could have been are left out of that draw."""

FEW = 4
"""Of these draws, those that the rule's assumptions are checked on."""

WINDOW = 5
"""Frames that the majority is sought in."""

DRAWS = 1000
"""Of people, with replacement, for the intervals (bootstrap; visits of one person are alike)."""


@dataclass(frozen=True, eq=False)
class Visits:
    """Embedded visits.

    Attributes:
        embeddings: ``(V, T, D)`` float32, rows of length 1.
        quality: ``(V, T)`` 0…1.
        people: who came, V names.
        gallery: name to ``(photos, D)`` of those who can be enrolled.
        near: ``(V,)`` bool: of a set of faces that the enrolled are from; where no stranger is, as
            in a set for each person, all of them count.
    """

    embeddings: Floats
    quality: Floats
    people: Sequence[str]
    gallery: Mapping[str, Floats]
    near: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Setting:
    """One gallery, and the visits to it.

    Attributes:
        embeddings: ``(V, T, D)``.
        scores: ``(V, T, P)`` of each frame alone.
        quality: ``(V, T)``.
        own: ``(V,)`` number of the visitor among those enrolled, -1 for a stranger.
        rows: ``(V,)`` which visits of :class:`Visits` these are.
    """

    index: Index
    embeddings: Floats
    scores: Floats
    quality: Floats
    own: Names
    rows: Names


def sequential(setting: Setting, cohort: Cohort, rates: Rates) -> Answers:
    """The camera's rule: :mod:`edgecnn.faces.decide`, a look at each frame that is worth one."""
    likelihood = _likelihood(setting, cohort)
    bounds = Bounds.of(likelihood, rates)
    names = np.zeros(setting.quality.shape, np.intp)
    margins = np.full(setting.quality.shape, -np.inf, np.float32)
    for v, t, evidence in _looks(setting, likelihood, bounds):
        names[v, t:] = best = int(evidence.ratios.argmax())
        margins[v, t:] = evidence.margin(best, bounds)
    return names, margins


def _likelihood(setting: Setting, cohort: Cohort) -> Likelihood:
    likelihood = Likelihood.from_cohort(setting.index, cohort)
    if likelihood is None:
        raise DataError(
            f"expected a cohort with people who have two faces each. Received: {len(cohort)} "
            f"faces of {cohort.people} people: convert the run of the embedder again"
        )
    return likelihood


def _looks(
    setting: Setting, likelihood: Likelihood, bounds: Bounds
) -> Iterator[tuple[int, int, Evidence]]:
    """Visit, frame, and what is known after it, of each frame that is worth a look."""
    for v, visit in enumerate(setting.embeddings):
        evidence = Evidence()
        for t, (embedding, quality) in enumerate(zip(visit, setting.quality[v], strict=True)):
            if quality >= LIVE:
                evidence.add(embedding, float(quality))
                evidence.judge(setting.index.scores(evidence.mean), likelihood, bounds)
                yield v, t, evidence


def each_frame(setting: Setting, cohort: Cohort, rates: Rates) -> Answers:
    """Every frame for itself, by the threshold for the rate."""
    threshold = cohort.threshold_for(rates.strangers, setting.index).value
    return setting.scores.argmax(axis=2), setting.scores.max(axis=2) - np.float32(threshold)


def first_frame(setting: Setting, cohort: Cohort, rates: Rates) -> Answers:
    """The first frame decides for the whole visit."""
    names, margins = each_frame(setting, cohort, rates)
    return np.broadcast_to(names[:, :1], names.shape), np.broadcast_to(margins[:, :1], names.shape)


def majority(setting: Setting, cohort: Cohort, rates: Rates) -> Answers:
    """Whoever has more than half of the last :data:`WINDOW` frames, once there are as many."""
    each, passed = each_frame(setting, cohort, rates)
    names, margins = np.zeros_like(each), np.full_like(passed, -np.inf)
    for t in range(WINDOW - 1, each.shape[1]):
        last = slice(t - WINDOW + 1, t + 1)
        # Whoever has more than half stands in the middle; the last vote needed is the weakest.
        names[:, t] = np.sort(each[:, last], axis=1)[:, WINDOW // 2]
        votes = np.where(each[:, last] == names[:, t, None], passed[:, last], -np.inf)
        margins[:, t] = np.sort(votes, axis=1)[:, -(WINDOW // 2 + 1)]
    return names, margins


RULES: dict[str, Callable[[Setting, Cohort, Rates], Answers]] = {
    "sequential": sequential,
    "first_frame": first_frame,
    "each_frame": each_frame,
    "majority": majority,
}


def compare(visits: Visits, cohort: Cohort, rates: Rates, enrolled: int) -> dict[str, Any]:
    """Each rule of :data:`RULES` on the same visits to :data:`GALLERIES` galleries.

    Args:
        enrolled: people in a gallery, at most half of those who can be.

    Returns:
        ``rules``: for each the following, shares with their 95 % interval.
        ``strangers_named``: of strangers' visits, those in which a name was shown at any time;
        ``near_strangers_named``: of those from the same set of faces as the enrolled;
        ``wrong_person`` and ``named_right``: of enrolled people's visits;
        ``named_right_at_rate``: the same, were the rule's bound moved until just as many near
        strangers are named as was asked for; ``frames_to_name``: median and 90th percentile, of
        visits that were named right.
        ``tries``: what the visits say of :data:`edgecnn.faces.decide.TRIES`. ``spread``: of
        strangers' scores, that of the mean of all looks over that of one look, which
        :mod:`edgecnn.faces.likelihood` takes to be 1. ``likeness``: mean cosine between two looks
        of a visit.
    """
    rng = np.random.default_rng(0)
    everybody = sorted(visits.gallery)
    size = max(1, min(enrolled, len(everybody) // 2))
    drawn = [rng.permutation(everybody)[:size].tolist() for _ in range(GALLERIES)]
    settings = [_setting(visits, people) for people in drawn]
    return {
        "visits": len(visits.people),
        "strangers": len(set(visits.people) - set(everybody)),
        "people": len(everybody),
        "enrolled": size,
        "galleries": GALLERIES,
        "frames": visits.quality.shape[1],
        "cohort_people": cohort.people,
        "rates": vars(rates),
        "rules": {
            name: _outcome([rule(s, cohort, rates) for s in settings], settings, visits, rates)
            for name, rule in RULES.items()
        },
        **_assumptions(settings[:FEW], cohort),
    }


def _setting(visits: Visits, people: Sequence[str]) -> Setting:
    chosen = sorted(people)
    index = Index(
        [p for p in chosen for _ in visits.gallery[p]],
        np.concatenate([visits.gallery[p] for p in chosen]),
    )
    number = {p: i for i, p in enumerate(index.people)}
    rows = np.array(
        [v for v, p in enumerate(visits.people) if p in number or p not in visits.gallery], np.intp
    )
    own = np.array([number.get(visits.people[v], -1) for v in rows], np.intp)
    embeddings = visits.embeddings[rows]
    return Setting(index, embeddings, index.scores(embeddings), visits.quality[rows], own, rows)


def _outcome(
    found: Sequence[Answers], settings: Sequence[Setting], visits: Visits, rates: Rates
) -> dict[str, Any]:
    own = np.concatenate([s.own for s in settings])
    rows = np.concatenate([s.rows for s in settings])
    names, margins = (np.concatenate(each) for each in zip(*found, strict=True))
    who = np.unique(np.array(visits.people)[rows], return_inverse=True)[1]
    stranger = own < 0
    near = stranger & visits.near[rows]
    near = near if near.any() else stranger
    is_own = names == own[:, None]
    wrong = ((margins >= 0) & ~is_own).any(axis=1)
    right = (margins >= 0) & is_own
    frames = right[~stranger].argmax(axis=1)[right[~stranger].any(axis=1)] + 1
    highest = np.sort(margins[near].max(axis=1))[::-1]
    bound = highest[min(int(rates.strangers * len(highest)), len(highest) - 1)]
    at_rate = ((margins > bound) & is_own).any(axis=1)
    return {
        "strangers_named": _share(wrong[stranger], who[stranger]),
        "near_strangers_named": _share(wrong[near], who[near]),
        "wrong_person": _share(wrong[~stranger], who[~stranger]),
        "named_right": _share(right.any(axis=1)[~stranger], who[~stranger]),
        "named_right_at_rate": _share(at_rate[~stranger], who[~stranger]),
        "frames_to_name": {
            "p50": float(np.median(frames)) if len(frames) else None,
            "p90": float(np.quantile(frames, 0.9)) if len(frames) else None,
        },
    }


def _share(hits: npt.NDArray[np.bool_], who: Names) -> dict[str, float]:
    """A share and its 95 % interval over redrawn people; with no hit, the rule of three for the
    upper end (3 / people: 95 % of the time, nothing is seen of what is rarer)."""
    if not len(hits):
        return {"share": float("nan"), "low": float("nan"), "high": float("nan"), "people": 0}
    _, number = np.unique(who, return_inverse=True)
    sums, counts = np.bincount(number, hits), np.bincount(number)
    weights = np.random.default_rng(0).multinomial(
        len(counts), np.full(len(counts), 1 / len(counts)), DRAWS
    )
    drawn = (weights @ sums) / (weights @ counts)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return {
        "share": float(hits.mean()),
        "low": float(low),
        "high": float(high) if hits.any() else min(1.0, 3 / len(counts)),
        "people": len(counts),
    }


def _assumptions(settings: Sequence[Setting], cohort: Cohort) -> dict[str, float]:
    """``tries``, ``spread`` and ``likeness`` of :func:`compare`; tries where one stranger in a
    hundred reaches the bound at one look, so that there is something to count."""
    first = ever = 0
    spreads, likeness = [], []
    for setting in settings:
        likelihood = _likelihood(setting, cohort)
        name = Bounds.of(likelihood, Rates(TRIES * 0.01 * len(likelihood))).name
        count, frames = setting.quality.shape
        reached = np.zeros((count, frames, len(likelihood)), np.bool_)
        means = setting.scores[:, 0].copy()
        for v, t, evidence in _looks(
            setting, likelihood, Bounds(np.inf, np.zeros(len(likelihood)))
        ):
            reached[v, t] = evidence.ratios >= name
            means[v] = setting.index.scores(evidence.mean)
        strange = setting.own < 0
        first += int(reached[strange, 0].sum())
        ever += int(reached[strange].any(axis=1).sum())
        spreads.append(means[strange].std() / setting.scores[strange, 0].std())
        lengths = np.square(np.linalg.norm(setting.embeddings.mean(axis=1), axis=1))
        likeness.append(float(np.mean((frames * lengths - 1) / (frames - 1))))
    return {
        "tries": ever / max(1, first),
        "spread": float(np.mean(spreads)),
        "likeness": float(np.mean(likeness)),
    }

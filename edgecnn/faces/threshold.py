"""The threshold at which one stranger in N is given a name, from the scores of impostors.

A stranger is given a name where the best cosine over the enrolled people reaches the threshold.
One in a thousand cannot be counted among the thousand or so people of a cohort, so the upper tail
of their best scores is taken to be that of a normal distribution: a line is laid through the
highest scores against the normal quantiles of their ranks (a Q-Q regression), and read off at the
rate. Every person counts as one stranger, however many faces of theirs there are.

Strangers who are like the enrolled people are taken for them far more often than others: with the
first embedder that shipped, CelebA's people are taken for CelebA's people 10 to 30 times as often
as All-Age-Faces' are. So the tail is fitted to everybody and to each group on its own, and the
highest threshold counts: the rate is meant for the group that comes nearest.

Measured with two embedders (that first one, LFW 94.6 %, and a public int8 MobileFaceNet, 99.2 %) on
543 people by whom nothing was chosen, 1, 5 and 20 of them enrolled, strangers of the same group
(``pytest -k stated_rates``): of 1 in 100 asked, 0.4 to 1.1 came; of 1 in 1,000, 0 to 1.4; of 1 in
10,000, 0 to 7.7, in 1,120 to 143,262 trials each. Before that was settled, a generalised Pareto
tail was less steady (at 1 in 10,000, 1.1 to 4.6 where this one had 2.0 to 2.7, everybody together),
and a normal distribution fitted to all scores too low by far (2 to 5 in 1,000 instead of 1).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from edgecnn.errors import DataError

Ints = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]

STRANGERS = 1 / 1000
"""The rate unless told otherwise."""

TAIL = 0.1
"""The share of the scores that the line is laid through."""

FEWEST_IN_TAIL = 30
"""Scores in the tail at least, where there are that many."""

FEWEST_PEOPLE = 100
"""Of a cohort, or of a group that has a say of its own: then ten are in the tail."""

FARTHEST = 10
"""The lowest rate is one in this many times as many strangers as there are in the cohort. So far,
with 1,089 people at 1 in 10,000, it was checked on people it was not fitted to."""

DRAWS = 200
"""Bayesian bootstrap draws of the people (Rubin, Ann. Statist. 9, 1981) behind the interval."""

_NORMAL = NormalDist()


@dataclass(frozen=True)
class Threshold:
    """A threshold for a stated rate.

    Attributes:
        value: cosine from which a face is given a name.
        rate: of strangers who get one, as it was asked for.
        low, high: the 90 % interval of the rate at ``value``, by the people it was fitted to.
        people: how many impostors it rests on.
        group: who came nearest; empty where that was everybody together.
    """

    value: float
    rate: float
    low: float
    high: float
    people: int
    group: str = ""

    @property
    def warning(self) -> str | None:
        """What should be told before anybody relies on it, in one line; None where nothing is."""
        if self.value > 1:
            return (
                f"at {one_in(self.rate)} strangers nobody would ever be named: ask for a higher "
                "rate, or enroll fewer people"
            )
        if self.people * self.rate < 1:
            return (
                f"{one_in(self.rate)} is extrapolated: the cohort has {self.people:,} people, so "
                f"the rate may be anything between {one_in(self.high)} and {one_in(self.low)}"
            )
        return None


def one_in(rate: float) -> str:
    """A rate for people to read.

    >>> one_in(0.001), one_in(0.25)
    ('1 in 1,000', '1 in 4')
    """
    return f"1 in {1 / rate:,.0f}" if rate > 0 else "none"


def threshold_for(
    rate: float, best_scores: npt.NDArray[np.floating], persons: Ints,
    groups: npt.NDArray[np.str_] | None = None, *, draws: int = DRAWS,
) -> Threshold:  # fmt: skip
    """The threshold that ``rate`` of the strangers reach.

    Args:
        rate: above 0 and below 1.
        best_scores: ``(N,)`` best cosine of each impostor's face over the enrolled people.
        persons: ``(N,)`` the same number for faces of the same impostor.
        groups: ``(N,)`` of whose kind each is; None where that is not known.
        draws: behind the interval; with 0 it is not a number, and half a second is saved.

    Raises:
        DataError: the rate is none, or cannot be known from so few people.
    """
    people = len(np.unique(persons))
    _check(rate, people)
    scores = np.asarray(best_scores, np.float64)
    found = [(_Tail(scores[part], persons[part]), name) for name, part in _parts(persons, groups)]
    value, tail, group = max(
        ((tail.threshold(rate), tail, group) for tail, group in found), key=lambda f: f[0]
    )
    low, high = tail.interval(rate, value, draws)
    return Threshold(value, rate, low, high, people, group)


def _check(rate: float, people: int) -> None:
    if not 0 < rate < 1:
        raise DataError(
            f"expected a rate of strangers between 0 and 1, such as 1/1000. Received: {rate:g}"
        )
    if people < FEWEST_PEOPLE:
        raise DataError(
            f"expected at least {FEWEST_PEOPLE} impostors to choose a threshold by. Received: "
            f"{people}: train the embedder with more people to hold out"
        )
    if rate * people * FARTHEST < 1 - 1e-9:  # 1 in just as many may round to less
        raise DataError(
            f"a rate of {one_in(rate)} strangers cannot be known from {people:,} impostors: "
            f"ask for {one_in(1 / (people * FARTHEST))} or more"
        )


def _parts(
    persons: Ints, groups: npt.NDArray[np.str_] | None
) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """Everybody, and each group that is large enough."""
    yield "", np.ones(len(persons), np.bool_)
    for name in [] if groups is None else np.unique(groups):
        part = groups == name
        if len(np.unique(persons[part])) >= FEWEST_PEOPLE and not part.all():
            yield str(name), part


class _Tail:
    """The upper tail of the best scores of some impostors, each person weighing the same."""

    def __init__(self, scores: Doubles, persons: Ints):
        order = np.argsort(-scores, kind="stable")
        self._scores = scores[order]
        _, number, faces = np.unique(persons, return_inverse=True, return_counts=True)
        self._person = number[order]
        self._weights = (1 / faces)[self._person]
        self._people = len(faces)

    def threshold(self, rate: float) -> float:
        """Where ``rate`` of the strangers are left."""
        if rate >= TAIL:  # there are enough to count
            passed = np.cumsum(self._weights) / self._weights.sum()
            return float(np.nextafter(self._scores[int(np.sum(passed <= rate))], np.inf))
        middle, spread = self._line(self._weights)
        return middle - spread * _NORMAL.inv_cdf(rate)

    def interval(self, rate: float, threshold: float, draws: int) -> tuple[float, float]:
        """The 5 % and 95 % quantiles, over redrawn people, of the rate at the threshold that was
        found for ``rate``."""
        rng = np.random.default_rng(0)
        rates = []
        for _ in range(draws):
            weights = self._weights * rng.exponential(size=self._people)[self._person]
            middle, spread = self._line(weights)
            rates.append(
                1 - _NORMAL.cdf((threshold - middle) / spread)
                if rate < TAIL
                else float(np.average(self._scores >= threshold, weights=weights))
            )
        low, high = np.quantile(rates or [np.nan], (0.05, 0.95))
        return float(low), float(high)

    def _line(self, weights: Doubles) -> tuple[float, float]:
        """Middle and spread of the normal distribution whose tail this is."""
        passed = np.cumsum(weights)
        rank = (passed - weights / 2) / passed[-1]
        count = max(int(np.searchsorted(rank, TAIL)), min(FEWEST_IN_TAIL, len(rank)))
        quantiles = np.array([-_NORMAL.inv_cdf(p) for p in rank[:count]])
        heavy = np.sqrt(weights[:count])
        design = np.stack([heavy, heavy * quantiles], axis=1)
        middle, spread = np.linalg.lstsq(design, heavy * self._scores[:count], rcond=None)[0]
        return float(middle), max(float(spread), 1e-6)

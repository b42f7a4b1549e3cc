"""Who a track is: a sequential test of each enrolled person against a stranger.

The looks at a face are added up, each in proportion to its quality, and fade, so that the last ones
weigh most. Their mean gives every person a score, and a log-likelihood ratio: the sum of what the
looks say, discounted as far as they are alike (:mod:`edgecnn.faces.likelihood`).

The test is Wald's (*Sequential analysis*, 1947) with several hypotheses (Armitage, JRSS B 12,
1950), *unknown* being one of them:

* a **name** is given once a person's ratio reaches the upper bound, and is larger than everybody
  else's by :data:`OTHERS`: two people who look alike are neither;
* the face is **unknown** once every person's ratio is at most their lower bound, and the qualities
  of the looks add up to :data:`ENOUGH`: a bad picture makes nobody more like others, but people
  less like themselves (:mod:`edgecnn.faces.quality`);
* in between nothing is decided, and the face has no name.

A name is taken back when its lead over a stranger or over somebody else is gone.

Wald's own bounds, the logarithms of the error rates, hold for any looks, but are far from reached
where looks have most in common. On the visits of ``edgecnn evaluate --visits``, galleries of five,
asked for 1 stranger in 100, they name 1 in 1,700 and 63 % of the enrolled, where the bounds used
here name 1 in 550 and 71 % (the first embedder that shipped; with a public int8 MobileFaceNet 1 in
1,700 and 93 %, 1 in 220 and 95 %). These are what the wanted share of strangers, and of enrolled
people, reach by their score distributions at one look, :data:`TRIES` times over for the looks that
follow.

Worked example, one person; own scores normal about 0.5, strangers' about 0, each with a spread of
0.1, so that a score ``s`` has the ratio ``50 (s - 0.25)`` at one look. One stranger in 1,000 may be
named in a visit, so one in 2,000 at one look: 3.29 spreads, 0.329, a ratio of 3.95. A look with a
score of 0.32 has the ratio 3.5, too little. A second look like it, with a cosine of 0.9 to the
first, makes a mean of length 0.975, whose score is 0.328 and whose ratio, own scores being expected
at ``0.5 / 0.975``, is 3.68: still too little. Were the cosine 0.5, the length would be 0.866, the
score 0.369, the ratio 4.66, and a name would be given.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from edgecnn.bundle import Bundle
from edgecnn.faces.embed import unit
from edgecnn.faces.likelihood import Doubles, Likelihood
from edgecnn.faces.threshold import STRANGERS
from edgecnn.images import Floats

FADE = 0.9
"""What is left of a look's weight at the next: about ten looks count. On the same visits, at equal
rates of strangers between 1 in 500 and 1 in 50, 1 to 4 points fewer of the enrolled were named
where all looks counted alike, and 0 to 1 with the public MobileFaceNet."""

ENOUGH = 0.5
"""Sum of the looks' qualities from which a face may be unknown: half a good look."""

OTHERS = 3.0
"""Log-likelihood by which a person must be ahead of everybody else enrolled: 20 times as likely. In
530 visits to galleries of 20, nobody was taken for somebody else (with 2, one visit was), and 2 to
6 points more were named than with a lead as large as the one over strangers."""

TRIES = 2.0
"""How many times as many strangers reach a bound at some look of a visit as do at the first: 1.8
with a public int8 MobileFaceNet, 1.9 to 2.4 with the first embedder that shipped, 1.6 with the one
that ships, in visits of 16 frames. ``edgecnn evaluate --visits`` measures it."""


HIGHEST = 200.0
"""A ratio that nobody has: twenty spreads between a person's scores and strangers'."""


@dataclass(frozen=True)
class Rates:
    """How often a visit may end wrongly, each above 0 and below 1.

    Attributes:
        strangers: of visits of strangers, how many get a name.
        missed: of visits of enrolled people, how many end as unknown.
    """

    strangers: float = STRANGERS
    missed: float = 1 / 20

    @classmethod
    def for_bundle(
        cls, bundle: Bundle, strangers: float | None = None, missed: float | None = None
    ) -> Rates:
        """What was asked for; else the rate that the bundle's threshold was chosen for."""
        point = bundle.manifest.operating_point
        asked = strangers or (point.strangers if point else None)
        return cls(asked or STRANGERS, missed or cls.missed)


@dataclass(frozen=True, eq=False)
class Bounds:
    """Where the test ends.

    Attributes:
        name: ratio from which a person is named.
        unknown: ``(P,)`` ratio up to which a face is not that person's; at most 0.
    """

    name: float
    unknown: Doubles

    @classmethod
    def of(cls, likelihood: Likelihood, rates: Rates) -> Bounds:
        """The bounds that keep to the rates with these people enrolled.

        A stranger is as likely to be taken for any of them, so the more people, the higher the
        upper bound; it is never below :attr:`Likelihood.floor`.
        """
        low, high = 0.0, HIGHEST
        for _ in range(40):
            middle = (low + high) / 2
            if TRIES * likelihood.strangers_at(middle).sum() > rates.strangers:
                low = middle
            else:
                high = middle
        lowest = NormalDist().inv_cdf(rates.missed / TRIES)
        unknown = likelihood.ratios(likelihood.own_mean + lowest * likelihood.own_spread)
        return cls(max(high, likelihood.floor), np.minimum(unknown, 0.0))


@dataclass
class Evidence:
    """What the looks of one track say.

    Attributes:
        named: the person the track is named after at present, as an index, or None.
        unknown: nobody enrolled is likely.
        ratios: ``(P,)`` log-likelihood ratio of each person against a stranger.
        weight: sum of the looks' qualities, faded.
    """

    named: int | None = None
    unknown: bool = False
    ratios: Doubles = field(default_factory=lambda: np.zeros(0))
    weight: float = 0.0
    _sum: Floats | None = None

    @property
    def mean(self) -> Floats:
        """Direction of the mean of all looks, ``(D,)`` of length 1; empty before the first."""
        return unit(np.zeros(0) if self._sum is None else self._sum)

    @property
    def length(self) -> float:
        """Of the mean of all looks, 0…1: below 1 as far as they differ."""
        if self._sum is None:
            return 1.0
        return min(1.0, float(np.linalg.norm(self._sum)) / self.weight)

    @property
    def decided(self) -> bool:
        """Whether the track is named or unknown."""
        return self.named is not None or self.unknown

    def add(self, embedding: Floats, quality: float = 1.0) -> None:
        """Take a look into account.

        Args:
            embedding: ``(D,)`` float32 of length 1.
            quality: above 0 and up to 1, how much the look counts.
        """
        weighted = np.float32(quality) * embedding
        self._sum = weighted if self._sum is None else np.float32(FADE) * self._sum + weighted
        self.weight = FADE * self.weight + quality

    def judge(
        self, scores: npt.NDArray[np.floating], likelihood: Likelihood, bounds: Bounds
    ) -> None:
        """Decide, or not yet.

        Args:
            scores: ``(P,)`` of :attr:`mean` to the enrolled people.
            likelihood, bounds: of these people.
        """
        self.ratios = likelihood.ratios(scores, self.length)
        if len(self.ratios):
            best = int(self.ratios.argmax())
            if self.margin(best, bounds) >= 0:
                self.named = best
            elif self.named is not None and self.lead(self.named) <= 0:
                self.named = None
        nobody = bool((self.ratios <= bounds.unknown).all())
        self.unknown = self.named is None and nobody and self.weight >= ENOUGH

    def margin(self, person: int, bounds: Bounds) -> float:
        """By how much the bound for a person's name is passed; below 0 it is not reached."""
        ratio = float(self.ratios[person])
        return min(ratio - bounds.name, ratio - self._best_other(person) - OTHERS)

    def lead(self, person: int) -> float:
        """By how much a person is likelier than a stranger and than everybody else."""
        return float(self.ratios[person]) - max(0.0, self._best_other(person))

    def _best_other(self, person: int) -> float:
        others = self.ratios.copy()
        others[person] = -np.inf
        return float(others.max())

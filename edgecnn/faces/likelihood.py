"""What the looks at a face say about who it is: scores as strangers have them, and as people do.

Two normal distributions of the score stand beside each enrolled person. *Strangers*: the scores of
the bundle's cohort to this very person, so that somebody whom many resemble needs more. *Own*: the
cosine ``c`` that two faces of one person have in the cohort, over the length ``l`` of the mean of
this person's embeddings, since for a face ``x`` and enrolled ``y``

    cos(x, mean(y)) = mean(cos(x, y)) / |mean(y)|

so that several photos of different kinds raise what is expected, and copies do not. Where a
person's own photos are less alike than the cohort's (``c`` from the gallery), less is expected.
Photos that are more alike than those prove nothing: they may be of one day.

The looks of one visit are no independent witnesses: pose, light and likeness stay what they are.
How much they share is seen in their embeddings. The mean of the looks, of length ``k``, is compared
like one face; a person's score is then expected at ``c / (k l)``, by the same formula, and
strangers' scores are spread as those of single faces are. With own scores about ``a`` and
strangers' about 0, both with variance ``v``, the log-likelihood ratio of a mean score ``s`` is

    (a / k) (s / k - a / 2k) / v = (sum of the n looks' own ratios) / (n k²)

and ``n k² = 1 + (n - 1) r`` with ``r`` the mean cosine between two looks: the design effect of a
clustered sample with that correlation (Kish, *Survey Sampling*, 1965). Looks that are copies add
nothing, whatever their number.

Without a cohort, the bundle's threshold stands in: strangers' scores are normal about 0 so that
the bundle's measured error rate of them reaches the threshold, own scores lie about the threshold,
spread alike, and nobody is named with less than one look at the threshold says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from edgecnn.faces.cohort import Cohort
from edgecnn.faces.match import Index
from edgecnn.images import Floats

TAIL = 1e-3
"""Where the strangers' spread is made to fit: this share of the cohort's scores lies above."""

FEWEST = 100
"""Faces of a group that are enough to judge strangers of its kind by."""

MODEL_ERROR = 1e-3
"""The bundle's error rate where none is known."""

Doubles = npt.NDArray[np.float64]
_NORMAL = NormalDist()


@dataclass(frozen=True, eq=False)
class Likelihood:
    """The score distributions of a gallery's people.

    Attributes:
        own_mean, own_spread: ``(P,)`` float64, of a person's own scores.
        stranger_mean, stranger_spread: ``(P,)``, of strangers' scores to that person.
        shift: what scores are lowered by after the comparison, see
            :class:`edgecnn.faces.adapt.Adaptation`.
        floor: ratio below which nobody is named, whatever the rates: without a cohort, that of
            one look at the threshold.
    """

    own_mean: Doubles
    own_spread: Doubles
    stranger_mean: Doubles
    stranger_spread: Doubles
    shift: float = 0.0
    floor: float = 0.0

    def __len__(self) -> int:
        return len(self.own_mean)

    @classmethod
    def from_cohort(cls, index: Index, cohort: Cohort) -> Likelihood | None:
        """What is expected of these people's and of strangers' scores.

        Returns:
            None where the cohort has nobody with two faces, or too few faces.
        """
        pairs = _same_person(index, cohort)
        if pairs is None or len(cohort) < FEWEST:
            return None
        likeness, spread = pairs
        people = len(index)
        own = np.full(people, likeness)
        several = index.counts > 1
        k, length = index.counts[several], index.lengths[several].astype(np.float64)
        own[several] = np.minimum(likeness, (k * length**2 - 1) / (k - 1))
        mean, stranger_spread = _strangers(index.scores(cohort.embeddings), cohort)
        shift = index.adaptation.shift if index.adaptation else 0.0
        return cls(
            # Whoever's photos have nothing in common is expected like a stranger, not unlike.
            np.maximum(own / np.maximum(index.lengths, 1e-6) - shift, mean + stranger_spread),
            np.full(people, spread),
            mean,
            stranger_spread,
            shift,
        )

    @classmethod
    def from_threshold(
        cls, people: int, threshold: float, error_rate: float = MODEL_ERROR
    ) -> Likelihood:
        """What a threshold says of scores, for ``people`` enrolled.

        Args:
            error_rate: share of strangers' scores that reach the threshold; 0 for unknown.
        """
        rate = min(max(error_rate, 1e-9), 0.4) if error_rate else MODEL_ERROR
        z = -_NORMAL.inv_cdf(rate)
        spread = np.full(people, threshold / z)
        return cls(np.full(people, threshold), spread, np.zeros(people), spread, floor=z**2 / 2)

    def ratios(self, scores: npt.NDArray[np.floating], length: float = 1.0) -> Doubles:
        """Log-likelihood ratio of each person against a stranger.

        Where the spreads differ, the ratio of two normal distributions turns back far out: a
        score far below all strangers would speak for the person. There it stays what it is at the
        turning point.

        Args:
            scores: ``(P,)`` of the mean of the looks.
            length: of that mean, 0…1.

        Returns:
            ``(P,)``; above 0 the person is more likely than a stranger.
        """
        v, w = self.own_spread**2, self.stranger_spread**2
        own, strangers = (
            np.minimum((mean + self.shift) / max(length, 1e-6), 1.0) - self.shift
            for mean in (self.own_mean, self.stranger_mean)
        )
        turn = (strangers * v - own * w) / np.where(v == w, 1.0, v - w)
        s = np.asarray(scores, np.float64)
        s = np.where(v > w, np.maximum(s, turn), np.where(v < w, np.minimum(s, turn), s))
        near = (s - strangers) ** 2 / w - (s - own) ** 2 / v
        return np.asarray(near / 2 + np.log(w / v) / 2, np.float64)

    def scores_at(self, ratio: float) -> Doubles:
        """The inverse of :meth:`ratios` for one look: ``(P,)``, infinite where no score has it."""
        v, w = self.own_spread**2, self.stranger_spread**2
        # d s² - 2 h s + c = 0, of whose roots the one with the rising ratio is wanted.
        d = 1 / w - 1 / v
        h = self.stranger_mean / w - self.own_mean / v
        c = self.stranger_mean**2 / w - self.own_mean**2 / v - 2 * ratio + np.log(w / v)
        inside = h**2 - d * c
        root = np.sqrt(np.maximum(inside, 0))
        with np.errstate(divide="ignore", invalid="ignore"):
            # The same root in two forms: each is exact where the other divides by nearly nothing.
            score = np.where(h < 0, c / (h - root), (h + root) / d)
        return np.where(inside < 0, np.where(d < 0, np.inf, -np.inf), score)

    def strangers_at(self, ratio: float) -> Doubles:
        """``(P,)`` share of strangers who have at least that ratio for the person at one look."""
        return _above((self.scores_at(ratio) - self.stranger_mean) / self.stranger_spread)


def _above(z: Doubles) -> Doubles:
    """Share of a standard normal distribution above ``z``."""
    return np.array([math.erfc(x / math.sqrt(2)) / 2 for x in z.tolist()])


def _same_person(index: Index, cohort: Cohort) -> tuple[float, float] | None:
    """Mean and spread of the cosine of two faces of one person, each person weighing the same.

    Of somebody's ``n`` faces, the ``n - 1`` pairs of neighbours stand for all.
    """
    faces = cohort.embeddings
    if index.adaptation:
        faces = index.adaptation(faces)
    order = np.argsort(cohort.persons, kind="stable")
    persons = cohort.persons[order]
    first = np.flatnonzero(persons[1:] == persons[:-1])
    if not len(first):
        return None
    cosines = np.einsum("ij,ij->i", faces[order[first]], faces[order[first + 1]])
    weights = 1 / np.bincount(persons[first])[persons[first]]
    mean = float(np.average(cosines, weights=weights))
    variance = float(np.average(np.square(cosines - mean), weights=weights))
    return mean, max(float(np.sqrt(variance)), 1e-3)


def _strangers(scores: Floats, cohort: Cohort) -> tuple[Doubles, Doubles]:
    """Mean and spread of strangers' scores ``(N, P)`` to each person: ``(P,)`` each.

    Of the group that comes nearest to the person, where groups are large enough: a mixture of
    several would have a spread of its own. The spread is raised until its tail fits: cosines of
    strangers are normal but for a tenth or so in the tail.
    """
    weights = 1 / np.bincount(cohort.persons)[cohort.persons]
    kinds = [cohort.groups == group for group in np.unique(cohort.groups)]
    kinds = [kind for kind in kinds if kind.sum() >= FEWEST] or [np.ones(len(scores), np.bool_)]
    found = []
    for kind in kinds:
        part, w = scores[kind], weights[kind]
        mean = np.average(part, axis=0, weights=w)
        spread = np.sqrt(np.average(np.square(part - mean), axis=0, weights=w))
        spread = np.maximum(spread, 1e-3)
        if part.size:
            limit = np.quantile((part - mean) / spread, 1 - TAIL)
            spread = spread * max(1.0, float(limit) / -_NORMAL.inv_cdf(TAIL))
        found.append((mean, spread))
    means, spreads = (np.array(each, np.float64) for each in zip(*found, strict=True))
    nearest = np.argmax(means - _NORMAL.inv_cdf(TAIL) * spreads, axis=0)
    columns = np.arange(scores.shape[1])
    return means[nearest, columns], spreads[nearest, columns]

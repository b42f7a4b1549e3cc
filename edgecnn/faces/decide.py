"""Who a track is: evidence summed over its frames, frames of *unknown* included.

Each frame votes on each enrolled person p. The vote is how far p's cosine lies above the best
other explanation, which is a stranger (the threshold) or another person, whichever is nearer::

    vote(p) = clip((score(p) - max(threshold, best score of the others)) / STEP, -1, 1)

With scores of persons and strangers spread alike, the log-likelihood ratio of two explanations
grows linearly with their difference; ``STEP`` is its scale, and the clip keeps one frame from
deciding alone for long. At most one person's vote is above 0: two people who look alike cancel
each other out. A vote counts in proportion to the face's quality: a blurred face that looks like
nobody says little. Evidence fades, so that the last frames weigh most::

    evidence(p) = clip(FADE * evidence(p) + quality * vote(p), LOWEST, HIGHEST)

The track takes the name of the person with the most evidence, once that reaches ``ENOUGH``, and
loses it when it is gone (not above ``GONE``). Worked example, one person, threshold 0.40: scores
of 0.46, 0.42, 0.30, 0.30 vote +0.6, +0.2, -1, -1; the evidence is 0.6 (named), 0.68, -0.456
(unknown), -1.365.

Bounds on both sides make the sum quick to notice a change, as in Page's cumulative sum test
(*Continuous inspection schemes*, Biometrika 1954): after any past, two frames of full likeness give
a name (-2, -0.6, 0.52) and three of none take it (3, 1.4, 0.12, -0.9).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edgecnn.images import Floats

STEP = 0.1
"""Cosine. The spread (standard deviation) of strangers' scores: 0.110 with a public int8
MobileFaceNet on 266 CelebA people; 1/√128 = 0.088 for random directions in 128 dimensions."""

ENOUGH = 0.5
"""Evidence for a name. A first frame alone gives it from ``threshold + 0.05`` on, where the false
accept rate is a third of that at the threshold (1.0 → 0.37 in 1,000, same measurement), since it
has to make up for the further frames that nobody has seen yet."""

FADE = 0.8
"""What is left of the evidence a frame later: five frames count."""

GONE = 0.1
"""Evidence at which a name is dropped. Above 0, so that a name does not last for ever on frames
that say nothing: from 3, sixteen of them."""

LOWEST, HIGHEST = -2.0, 3.0
"""Bounds of the evidence."""


def votes(scores: npt.NDArray[np.floating], threshold: float) -> Floats:
    """Each person's vote in one frame.

    Args:
        scores: ``(P,)`` cosines of a face to the enrolled people.
        threshold: cosine below which a face is unknown.

    Returns:
        ``(P,)`` float32, -1…1; at most one is above 0.
    """
    scores = np.asarray(scores, np.float32)
    rival = np.full_like(scores, threshold)
    if len(scores) > 1:
        second, first = np.sort(scores)[-2:]
        others = np.where(scores == first, second, first)
        rival = np.maximum(rival, others)
    return np.asarray(np.clip((scores - rival) / STEP, -1, 1), np.float32)


@dataclass
class Evidence:
    """What the frames of one track say.

    Attributes:
        sums: ``(P,)`` evidence for each enrolled person.
        named: the person the track is named after at present, as an index, or None.
    """

    sums: Floats = field(default_factory=lambda: np.zeros(0, np.float32))
    named: int | None = None

    def add(self, scores: npt.NDArray[np.floating], threshold: float, quality: float = 1.0) -> None:
        """Take a frame into account.

        Args:
            scores: ``(P,)`` as for :func:`votes`; another P than before starts anew.
            quality: 0…1, how much the frame counts.
        """
        if len(scores) != len(self.sums):
            self.sums, self.named = np.zeros(len(scores), np.float32), None
        self.sums = np.clip(
            np.float32(FADE) * self.sums + np.float32(quality) * votes(scores, threshold),
            LOWEST,
            HIGHEST,
        )
        if not len(self.sums):
            return
        leader = int(self.sums.argmax())
        if self.sums[leader] >= ENOUGH:
            self.named = leader
        elif self.named is not None and self.sums[self.named] <= GONE:
            self.named = None

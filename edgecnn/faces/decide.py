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
loses it when it is gone (not above ``GONE``). For the person it is named after, the threshold in
the vote is lower by ``SLACK``: a face that was recognised, and is still the same face (see
:meth:`edgecnn.faces.track.Track.is_alike`), may turn away without losing its name, but a face that
looks like a stranger's votes against it.

Worked example, one person, threshold 0.40: scores of 0.46, 0.42, 0.30, 0.10, 0.10 vote +0.6, and
from then on against 0.25, +1, +0.5, -1, -1; the evidence is 0.6 (named), 1.54, 1.886, 0.697, -0.372
(unknown).

Bounds on both sides make the sum quick to notice a change, as in Page's cumulative sum test
(*Continuous inspection schemes*, Biometrika 1954): after any past, three frames of full likeness
give a name (-2, -0.8, 0.28, 1.25) and three of none take it (3, 1.7, 0.53, -0.52).

Measured on CelebA photos with a public int8 MobileFaceNet: tracks of 15 photos of one person in
random order, 20 people enrolled with five photos each, threshold 0.45. In frames, against the
threshold alone: strangers named 0.64 % (1.25 %), the enrolled named right 97.7 % (91.6 %). Without
the slack 0.36 % and 96.4 %; as many strangers are named at some time, but for fewer frames.
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

FADE = 0.9
"""What is left of the evidence a frame later: about ten frames count."""

SLACK = 0.15
"""Cosine. The threshold is where 1 stranger in 1,000 comes; a score that strangers and the person
have equally often is far below: 0.22 where the threshold is 0.39, by the means and spreads of the
scores of strangers (0.01, 0.11) and of the same person (0.52, 0.19), measured as for ``STEP``."""

GONE = 0.1
"""Evidence at which a name is dropped. Above 0, so that a name does not last for ever on frames
that say nothing: from 3, 33 of them."""

LOWEST, HIGHEST = -2.0, 3.0
"""Bounds of the evidence."""


def votes(scores: npt.NDArray[np.floating], threshold: float | npt.NDArray[np.floating]) -> Floats:
    """Each person's vote in one frame.

    Args:
        scores: ``(P,)`` cosines of a face to the enrolled people.
        threshold: cosine below which a face is unknown; one for all, or ``(P,)``.

    Returns:
        ``(P,)`` float32, -1…1; at most one is above 0.
    """
    scores = np.asarray(scores, np.float32)
    rival = np.broadcast_to(np.asarray(threshold, np.float32), scores.shape)
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
        thresholds = np.full(len(scores), threshold, np.float32)
        if self.named is not None:
            thresholds[self.named] -= SLACK
        vote = votes(scores, thresholds)
        sums = np.clip(FADE * self.sums + quality * vote, LOWEST, HIGHEST)
        self.sums = np.asarray(sums, np.float32)
        if not len(self.sums):
            return
        leader = int(self.sums.argmax())
        if self.sums[leader] >= ENOUGH:
            self.named = leader
        elif self.named is not None and self.sums[self.named] <= GONE:
            self.named = None

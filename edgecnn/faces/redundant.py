"""Which of a person's embeddings to keep: enough to know them by, and none twice.

A person is compared by the mean of their embeddings (:mod:`edgecnn.faces.match`), so an embedding
is redundant where the mean does without it. First go near copies, such as the frames of a burst:
a burst pulls the mean towards one moment. Of the rest, one after the other is kept that brings the
mean of those kept nearest to the mean of all, until it is :data:`ENOUGH` like it, or there are
:data:`MOST`.

Measured on people of CelebA that trained nothing, 20 galleries of six people with twelve photos
each: how many of these are kept, and the share of their other photos that are named right at the
threshold that 1 in 100 strangers reaches, with the first embedder that shipped (LFW 94.6 %) and
with a public int8 MobileFaceNet (99.2 %):

==============================  ======  ======  ======  ======
kept                            first embedder  public one
------------------------------  --------------  --------------
all                             12.0    93.1 %  12.0    98.6 %
until 0.995 like the mean       10.9    93.0 %  9.5     98.5 %
**until 0.99**                  9.4     93.1 %  7.5     98.7 %
until 0.97                      5.9     92.7 %  4.1     98.6 %
until 0.95                      4.2     91.8 %  2.9     98.6 %
four by this rule               4       90.8 %  4       98.5 %
four at random                  4       88.3 %  4       98.1 %
ten by this rule                10      92.8 %  10      98.5 %
four photos, a burst of eight   12      76.7 %  12      97.3 %
the same by this rule           4.0     88.8 %  3.9     98.3 %
==============================  ======  ======  ======  ======

Of twenty photos each (ten people have as many) it keeps 11.8 and 8.8, and names 93.3 and 97.9 %
right; all twenty 93.6 and 98.3 %, the sixteen of the bound 93.2 and 98.2 %.

``edgecnn evaluate BUNDLE --enrolment FACES`` measures the table again for any bundle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgecnn.faces.embed import unit

SAME_PHOTO = 0.9
"""Cosine from which two embeddings are of one photo or of one moment. Copies that were saved as
JPEG of quality 30, at half the size, 4 % larger and 3° tilted, or a fifth darker have it in 91 to
100 in 100 (both embedders above), different photos of one person in 3 to 4 of 1,000 pairs, some of
which are copies. The same command measures both."""

ENOUGH = 0.99
"""Cosine of the mean of those kept to the mean of all from which further ones are redundant."""

MOST = 16
"""Embeddings a person: more than the rule keeps of most people's twenty photos, so that it rarely
decides. A gallery of a thousand people takes about 10 MB then, at 128 numbers each."""


@dataclass(frozen=True)
class Verdict:
    """What becomes of an embedding.

    Attributes:
        kept: whether it stays.
        like: the number of a better one that it is a near copy of; None where there is none.
        cosine: to that one; where there is none, of the mean of those kept to the mean of all.
    """

    kept: bool
    like: int | None
    cosine: float


def choose(
    embeddings: npt.NDArray[np.floating],
    quality: Sequence[float] = (),
    most: int = MOST,
    enough: float = ENOUGH,
) -> list[Verdict]:
    """Decide which of one person's embeddings to keep.

    Args:
        embeddings: ``(N, D)`` of length 1.
        quality: ``N`` values; of near copies the best is kept. Empty: the first.

    Returns:
        One for each, in order; at least one is kept where there is any.
    """
    points = np.asarray(embeddings, np.float32)
    order = np.argsort(-np.asarray(quality), kind="stable") if len(quality) else range(len(points))
    distinct: list[int] = []
    twins: dict[int, tuple[int, float]] = {}
    for i in map(int, order):
        cosines = points[distinct] @ points[i]
        nearest = int(cosines.argmax()) if distinct else -1
        if distinct and cosines[nearest] >= SAME_PHOTO:
            twins[i] = distinct[nearest], float(cosines[nearest])
        else:
            distinct.append(i)
    distinct.sort()
    kept, likeness = _towards_the_mean(points[distinct], most, enough)
    stays = {distinct[k] for k in kept}
    return [
        Verdict(i in stays, twins[i][0], twins[i][1])
        if i in twins
        else Verdict(i in stays, None, likeness)
        for i in range(len(points))
    ]


def _towards_the_mean(
    points: npt.NDArray[np.float32], most: int, enough: float
) -> tuple[list[int], float]:
    """Greedily, those whose mean is most like that of all, and how like it is."""
    if not len(points):
        return [], 1.0
    mean = unit(points.mean(axis=0))
    kept: list[int] = []
    total = np.zeros_like(mean)
    likeness = -1.0
    while len(kept) < min(most, len(points)) and likeness < enough:
        cosines = unit(points + total) @ mean
        cosines[kept] = -np.inf
        kept.append(int(cosines.argmax()))
        total = total + points[kept[-1]]
        likeness = float(unit(total) @ mean)
    return kept, likeness


def is_same_photo(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating]) -> bool:
    """Whether two embeddings ``(D,)`` of length 1 are of one photo, or of one moment."""
    return len(a) == len(b) and bool(float(np.dot(a, b)) >= SAME_PHOTO)

"""What a network answers to held-out samples, one by one, so that two networks can be compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgecnn.images import Floats

Draw = Callable[[int], bytes]
"""Index of a sample to a PNG of it."""


@dataclass(frozen=True, eq=False)
class Vectors:
    """Embeddings, to be compared direction by direction.

    Attributes:
        names: of the M pictures.
        values: ``(M, D)`` float32 of unit length.
        draw: one of the pictures.
    """

    names: Sequence[str]
    values: Floats
    draw: Draw


@dataclass(frozen=True, eq=False)
class Answers:
    """N answers, in an order that does not depend on the network.

    Attributes:
        figures: what the task's ``score`` returns; the first is the headline, higher is better.
        names: the samples: files, or the two files of a pair.
        groups: the classes, or the people, that each sample belongs to; none where the task has
            neither.
        said: the answer in words; equal words are equal answers.
        notes: how sure, in words, for people to read.
        faults: ``(N,)`` how much is wrong with each, 0 where it is right.
        draw: a sample, with the answer in the picture where it has a place.
        sureness: ``(K,)`` 0…1, how sure each thing that was said is, and
        hits: ``(K,)`` whether it holds. Both None where the answers come without probabilities.
        vectors: the embeddings that the answers rest on, if any.
        legend: what is drawn in the pictures, if anything is.
        sensitive: names and groups are of people, and stay on this machine.
    """

    figures: dict[str, float]
    names: Sequence[str]
    groups: Sequence[tuple[str, ...]]
    said: Sequence[str]
    notes: Sequence[str]
    faults: npt.NDArray[np.int64]
    draw: Draw
    sureness: Floats | None = None
    hits: npt.NDArray[np.bool_] | None = None
    vectors: Vectors | None = None
    legend: str = ""
    sensitive: bool = False

    def __len__(self) -> int:
        return len(self.names)

"""Augmented, class-balanced batches of pictures, the same again after an interruption."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.augment import Augment
from edgecnn.errors import needs
from edgecnn.images import Floats, Image, to_network

with needs("train", "keras", "tensorflow"):
    import keras

Labels = npt.NDArray[np.int64]

LEAST_BATCHES = 20
"""Batches an epoch at least, so that a few photos get enough steps between two measurements."""


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Augmented batches; what a batch holds depends on seed, epoch and its number alone.

    ``batches[i]`` is ``(B, H, W, C)`` float32 and one-hot targets ``(B, classes)`` float32. With
    ``balance`` every class comes equally often, however few pictures it has.

    Args:
        pixels: ``(N, H, W, C)`` uint8, in memory or on a disk. ``targets``: ``(N,)`` class numbers.
        rows: which of these take part; all unless told.
        share: of several workers, which this is and how many there are: each has its own part of
            every batch, and together they have the batch that one would have.

    Attributes:
        epoch: set before each epoch, so that a resumed one sees what it would have seen.
    """

    def __init__(
        self, pixels: Image, targets: Labels, classes: int, settings: Mapping[str, Any],
        rows: Labels | None = None, share: tuple[int, int] = (0, 1),
    ):  # fmt: skip
        super().__init__()
        self._pixels, self._targets = pixels, targets
        self._one_hot = np.eye(classes, dtype=np.float32)
        self._seed, self._size = settings["seed"], settings["batch_size"]
        self._places = np.array_split(np.arange(self._size), share[1])[share[0]]
        self._augment = Augment(mirror=settings["mirror"]) if settings["augment"] else None
        self._rows = np.arange(len(targets)) if rows is None else rows
        self._groups = (
            [self._rows[targets[self._rows] == c] for c in range(classes)]
            if settings["balance"]
            else [self._rows]
        )
        self._drawn: tuple[int, Labels] | None = None
        self.epoch = 0

    def __len__(self) -> int:
        return max(LEAST_BATCHES, -(-len(self._rows) // int(self._size)))

    def __getitem__(self, index: int) -> tuple[Floats, Floats]:
        rows = self._order()[index * self._size + self._places]
        pictures = self._pixels[rows]
        if self._augment:
            # Each has a generator of its own, so that no worker draws for another's pictures.
            pictures = np.stack(
                [
                    self._augment(
                        p, np.random.default_rng([self._seed, self.epoch, index, place, 1])
                    )
                    for place, p in zip(self._places, pictures, strict=True)
                ]
            )
        return to_network(pictures), self._one_hot[self._targets[rows]]

    def _order(self) -> Labels:
        """Row numbers of all batches of the epoch: each group in turn, itself reshuffled."""
        if self._drawn is None or self._drawn[0] != self.epoch:
            rng = np.random.default_rng([self._seed, self.epoch])
            each = math.ceil(len(self) * self._size / len(self._groups))
            drawn = [
                np.concatenate([rng.permutation(g) for _ in range(math.ceil(each / len(g)))])[:each]
                for g in self._groups
            ]
            self._drawn = self.epoch, rng.permutation(np.concatenate(drawn))
        return self._drawn[1]

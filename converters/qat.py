"""Quantisation-aware fine-tuning: the network learns to say the same with rounded numbers.

No labels are needed, so images, embedders and detectors are tuned alike: the network that rounds
(:mod:`converters.fake_quantise`) learns to give on training pictures what the float network gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from converters import fake_quantise, graph
from edgecnn.errors import ConversionError, needs
from edgecnn.images import Floats, Image, to_network

with needs("train", "keras", "tensorflow"):
    import keras

EPOCHS = 6
STEPS = 64
"""Batches an epoch at least, so that a few pictures get enough of them."""
BATCH = 32
LEARNING_RATE = 1e-3
"""The first; it falls to 0 by a cosine."""

PICTURES = 1024
"""Training pictures at most; what the float network says of each is kept in memory."""


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Pictures and what the float network gives for them, in another order each epoch."""

    def __init__(self, pixels: Image, targets: Sequence[Floats], seed: int):
        super().__init__()
        self._pixels, self._targets = pixels, targets
        self._rng = np.random.default_rng(seed)
        self.on_epoch_begin()

    def __len__(self) -> int:
        return max(STEPS, -(-len(self._pixels) // BATCH))

    def __getitem__(self, index: int) -> tuple[Floats, Any]:
        rows = self._rows[index * BATCH : (index + 1) * BATCH]
        wanted = tuple(target[rows] for target in self._targets)
        return to_network(self._pixels[rows]), wanted if len(wanted) > 1 else wanted[0]

    def on_epoch_begin(self) -> None:
        """Draw a new order; few pictures come several times."""
        count, times = len(self._pixels), -(-len(self) * BATCH // len(self._pixels))
        self._rows = np.concatenate([self._rng.permutation(count) for _ in range(times)])


def tune(network: Any, teacher: Any, pixels: Image, calibration: Image, seed: int = 0) -> Any:
    """The network with weights that bear rounding.

    The ranges are measured anew after each epoch, as the converter will find them.

    Args:
        network: from :func:`converters.graph.fold`; it is changed.
        teacher: the float network as it was trained.
        pixels: ``(N, H, W, C)`` uint8, training pictures.
        calibration: ``(M, H, W, C)`` uint8, what the converter calibrates on.

    Raises:
        ConversionError: the loss became no number.
    """
    targets = graph.outputs_of(teacher, pixels)
    twin = fake_quantise.rounding_twin(network, calibration)
    batches = Batches(pixels, targets, seed)
    schedule = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, EPOCHS * len(batches))
    twin.compile(
        keras.optimizers.Adam(schedule),
        [likeness(float(target.var())) for target in targets],
    )
    for _ in range(EPOCHS):
        losses = twin.fit(batches, verbose=0, shuffle=False).history["loss"]
        if not np.isfinite(losses[-1]):
            raise ConversionError(f"the loss became {losses[-1]} in fine-tuning")
        fake_quantise.take_weights(network, twin)
        fake_quantise.set_ranges(network, twin, calibration)
    return network


def likeness(variance: float) -> Any:
    """A loss: the squared difference to the float network, as a share of its outputs' variance."""

    def loss(wanted: Any, given: Any) -> Any:
        return keras.ops.mean(keras.ops.square(wanted - given)) / (variance + 1e-12)

    return loss

"""The network that a convolutional one has to beat: every pixel to every unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgecnn.errors import DataError, needs

with needs("train", "keras", "tensorflow"):
    from keras import Input, Model, layers

CHANNELS = (64,)


def dense(
    input_shape: tuple[int, int, int], classes: int, *, channels: Sequence[int] | None = None
) -> Any:
    """Hidden layers with batch normalisation and ReLU6, then logits.

    Args:
        input_shape: height, width, channels.
        classes: number of logits.
        channels: units of each hidden layer; :data:`CHANNELS` where None.

    Input shape: ``(B, H, W, C)`` float32 in the range of :func:`edgecnn.images.to_network`.
    Output shape: ``(B, classes)`` logits.

    Raises:
        DataError: ``channels`` is empty or has a number below 1.
    """
    widths = tuple(CHANNELS if channels is None else channels)
    if not widths or min(widths) < 1:
        raise DataError(f"expected unit counts above 0. Received: {list(widths)}")
    inputs = Input(input_shape, name="pixels")  # (B, H, W, C)
    x = layers.Flatten(name="flat")(inputs)  # (B, H * W * C)
    for i, units in enumerate(widths, 1):
        x = layers.Dense(units, use_bias=False, kernel_initializer="he_normal", name=f"hidden{i}")(
            x
        )
        x = layers.BatchNormalization(momentum=0.9, name=f"hidden{i}_bn")(x)
        x = layers.ReLU(6.0, name=f"hidden{i}_relu6")(x)  # (B, units)
    return Model(inputs, layers.Dense(classes, name="logits")(x), name="dense")

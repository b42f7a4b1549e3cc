"""The network for small boards: 5 to 9 weight layers, a thousand to a few hundred thousand
parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgecnn.errors import DataError, needs

with needs("train", "keras", "tensorflow"):
    from keras import Input, Model, layers

    from edgecnn.networks.layers import BatchNormalization

CHANNELS = (16, 32, 64)


def compact(
    input_shape: tuple[int, int, int], classes: int, *, channels: Sequence[int] | None = None
) -> Any:
    """Two 3×3 convolutions a stage with batch normalisation and ReLU6, then the mean and logits.

    Args:
        input_shape: height, width, channels.
        classes: number of logits.
        channels: filters of each stage, two to four stages; :data:`CHANNELS` where None.

    Input shape: ``(B, H, W, C)`` float32 in the range of :func:`edgecnn.images.to_network`.
    Output shape: ``(B, classes)`` logits.

    Raises:
        DataError: the picture is under 8 pixels on a side, or ``channels`` is not as above.
    """
    widths = tuple(CHANNELS if channels is None else channels)
    if not 2 <= len(widths) <= 4 or min(widths) < 1:
        raise DataError(f"expected two to four channel counts above 0. Received: {list(widths)}")
    if min(input_shape[:2]) < 8:
        raise DataError(f"expected an input of 8×8 pixels at least. Received: {input_shape}")
    x = inputs = Input(input_shape, name="pixels")  # (B, H, W, C)
    strides = _strides(min(input_shape[:2]), len(widths))
    for i, stride in enumerate(strides):
        name = f"stage{i // 2 + 1}_conv{i % 2 + 1}"
        x = layers.Conv2D(
            widths[i // 2], 3, strides=stride, padding="same", use_bias=False,
            kernel_initializer="he_normal", name=name,
        )(x)  # fmt: skip
        # 0.9, not Keras' 0.99: a small folder gives too few steps for the slower mean to settle.
        x = BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
        x = layers.ReLU(6.0, name=f"{name}_relu6")(x)  # (B, H / 2^k, W / 2^k, width)
    x = layers.GlobalAveragePooling2D(name="mean")(x)  # (B, widths[-1])
    return Model(inputs, layers.Dense(classes, name="logits")(x), name="compact")


def _strides(side: int, stages: int) -> list[int]:
    """The stride of each convolution: halve until a map of 4…7 pixels is left, late rather than
    early where the picture is small."""
    halvings = max(0, (side // 4).bit_length() - 1)
    first_of_stage = [2 * i for i in reversed(range(stages))]
    second_of_stage = [2 * i + 1 for i in range(stages)]
    halved = [*first_of_stage, *second_of_stage][:halvings]
    return [2 if i in halved else 1 for i in range(2 * stages)]

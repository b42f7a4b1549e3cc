"""The network for small boards: 5 to 10 weight layers, a few hundred to a few hundred thousand
parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgecnn.errors import DataError, needs
from edgecnn.networks.stages import check_side, halvings, spread, widths_of

with needs("train", "keras", "tensorflow"):
    from keras import Input, Model, layers

    from edgecnn.networks.layers import BatchNormalization

CHANNELS = (16, 32, 64)


def compact(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    channels: Sequence[int] | None = None,
    depth: int | None = None,
    width: float | None = None,
) -> Any:
    """Stages of 3×3 convolutions with batch normalisation and ReLU6, then the mean and logits.

    Args:
        input_shape: height, width, channels.
        classes: number of logits.
        channels: filters of each stage, two to four stages; :data:`CHANNELS` where None.
        depth: weight layers, the logits' included, 5 to 10; two convolutions a stage where None.
        width: factor on ``channels``; 1 where None.

    Input shape: ``(B, H, W, C)`` float32 in the range of :func:`edgecnn.images.to_network`.
    Output shape: ``(B, classes)`` logits.

    Raises:
        DataError: the picture is under 8 pixels on a side, or an option is not as above.
    """
    widths = widths_of(CHANNELS if channels is None else channels, 1.0 if width is None else width)
    side = check_side(input_shape)
    if depth is not None and not 5 <= depth <= 10:
        raise DataError(f"expected a depth of 5 to 10 layers. Received: {depth}")
    convolutions = spread(2 * len(widths) if depth is None else depth - 1, len(widths))
    halved = _halved(halvings(side), convolutions)
    x = inputs = Input(input_shape, name="pixels")  # (B, H, W, C)
    for stage, (count, filters) in enumerate(zip(convolutions, widths, strict=True), 1):
        for number in range(1, count + 1):
            name = f"stage{stage}_conv{number}"
            x = layers.Conv2D(
                filters, 3, strides=2 if (stage, number) in halved else 1, padding="same",
                use_bias=False, kernel_initializer="he_normal", name=name,
            )(x)  # fmt: skip
            # 0.9, not Keras' 0.99: a small folder gives too few steps for a slower mean.
            x = BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
            x = layers.ReLU(6.0, name=f"{name}_relu6")(x)  # (B, H / 2^k, W / 2^k, filters)
    x = layers.GlobalAveragePooling2D(name="mean")(x)  # (B, widths[-1])
    return Model(inputs, layers.Dense(classes, name="logits")(x), name="compact")


def _halved(count: int, convolutions: Sequence[int]) -> list[tuple[int, int]]:
    """Stage and number of the convolutions that halve the picture: each stage's first, late rather
    than early where the picture is small; then the second ones, from the front."""
    firsts = [(stage, 1) for stage in range(len(convolutions), 0, -1)]
    seconds = [(stage, 2) for stage, many in enumerate(convolutions, 1) if many > 1]
    return [*firsts, *seconds][:count]

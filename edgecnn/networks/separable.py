"""A network of 8 to 100 weight layers whose convolutions are split: each channel by itself, then
across channels. Nine times less to multiply than a 3×3 convolution, nearly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgecnn.errors import needs
from edgecnn.networks.stages import blocks_of, check_side, strides, widths_of

with needs("train", "keras", "tensorflow"):
    from keras import Input, Model, layers

    from edgecnn.networks.layers import BatchNormalization

CHANNELS = (32, 64, 128)
DEPTH = 30


def separable(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    channels: Sequence[int] | None = None,
    depth: int | None = None,
    width: float | None = None,
) -> Any:
    """A 3×3 convolution, stages of separable blocks, then the mean and logits.

    A block is a 3×3 depthwise and a 1×1 convolution (Howard et al. 2017, "MobileNets"); where map
    and width stay, what came in is added, and the block begins as nothing added, as in
    :mod:`edgecnn.networks.residual`.

    Args:
        input_shape: height, width, channels.
        classes: number of logits.
        channels: filters of each stage, two to four stages; :data:`CHANNELS` where None.
        depth: weight layers, even; :data:`DEPTH` where None.
        width: factor on ``channels``; 1 where None.

    Input shape: ``(B, H, W, C)`` float32 in the range of :func:`edgecnn.images.to_network`.
    Output shape: ``(B, classes)`` logits.

    Raises:
        DataError: the picture is under 8 pixels on a side, or an option is not as above.
    """
    widths = widths_of(CHANNELS if channels is None else channels, 1.0 if width is None else width)
    blocks = blocks_of(DEPTH if depth is None else depth, len(widths))
    stem, *halved = strides(check_side(input_shape), len(widths))
    x = inputs = Input(input_shape, name="pixels")  # (B, H, W, C)
    x = layers.Conv2D(
        widths[0], 3, strides=stem, padding="same", use_bias=False,
        kernel_initializer="he_normal", name="stem",
    )(x)  # fmt: skip
    x = layers.ReLU(6.0, name="stem_relu6")(_normalised(x, "stem"))
    for stage, (count, filters, stride) in enumerate(zip(blocks, widths, halved, strict=True), 1):
        for block in range(1, count + 1):
            x = _block(x, filters, stride if block == 1 else 1, f"stage{stage}_block{block}")
    x = layers.GlobalAveragePooling2D(name="mean")(x)  # (B, widths[-1])
    return Model(inputs, layers.Dense(classes, name="logits")(x), name="separable")


def _block(x: Any, filters: int, stride: int, name: str) -> Any:
    stays = stride == 1 and x.shape[-1] == filters
    y = layers.DepthwiseConv2D(
        3, strides=stride, padding="same", use_bias=False,
        depthwise_initializer="he_normal", name=f"{name}_depthwise",
    )(x)  # fmt: skip
    y = layers.ReLU(6.0, name=f"{name}_relu6")(_normalised(y, f"{name}_depthwise"))
    y = layers.Conv2D(
        filters, 1, use_bias=False, kernel_initializer="he_normal", name=f"{name}_pointwise"
    )(y)
    y = _normalised(y, f"{name}_pointwise", "zeros" if stays else "ones")
    if stays:
        y = layers.Add(name=f"{name}_add")([x, y])
    return layers.ReLU(6.0, name=f"{name}_out")(y)  # (B, H / stride, W / stride, filters)


def _normalised(x: Any, name: str, scale: str = "ones") -> Any:
    return BatchNormalization(momentum=0.9, gamma_initializer=scale, name=f"{name}_bn")(x)

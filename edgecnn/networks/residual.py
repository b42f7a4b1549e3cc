"""A residual network of 8 to 100 weight layers: deep, and still to be trained from scratch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgecnn.errors import needs
from edgecnn.networks.stages import blocks_of, check_side, strides, widths_of

with needs("train", "keras", "tensorflow"):
    from keras import Input, Model, layers

    from edgecnn.networks.layers import BatchNormalization

CHANNELS = (16, 32, 64)
"""Of the CIFAR networks in He et al. 2015, "Deep Residual Learning", section 4.2."""

DEPTH = 32


def residual(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    channels: Sequence[int] | None = None,
    depth: int | None = None,
    width: float | None = None,
) -> Any:
    """A 3×3 convolution, stages of blocks of two, then the mean and logits.

    A block adds what it computes to what came in. It begins as nothing added (the second
    normalisation's scale is 0), so that a network of 100 layers learns from the first step. Where
    the map or the width changes, a 1×1 convolution brings what came in to the new shape; these are
    not counted in ``depth``, as in He et al. 2015.

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
    x = _convolution(x, widths[0], 3, stem, "stem")
    x = layers.ReLU(6.0, name="stem_relu6")(x)
    for stage, (count, filters, stride) in enumerate(zip(blocks, widths, halved, strict=True), 1):
        for block in range(1, count + 1):
            x = _block(x, filters, stride if block == 1 else 1, f"stage{stage}_block{block}")
    x = layers.GlobalAveragePooling2D(name="mean")(x)  # (B, widths[-1])
    return Model(inputs, layers.Dense(classes, name="logits")(x), name="residual")


def _block(x: Any, filters: int, stride: int, name: str) -> Any:
    y = _convolution(x, filters, 3, stride, f"{name}_conv1")
    y = layers.ReLU(6.0, name=f"{name}_relu6")(y)
    y = _convolution(y, filters, 3, 1, f"{name}_conv2", scale="zeros")
    if stride != 1 or x.shape[-1] != filters:
        x = _convolution(x, filters, 1, stride, f"{name}_shortcut")
    return layers.ReLU(6.0, name=f"{name}_out")(layers.Add(name=f"{name}_add")([x, y]))


def _convolution(
    x: Any, filters: int, side: int, stride: int, name: str, scale: str = "ones"
) -> Any:
    x = layers.Conv2D(
        filters, side, strides=stride, padding="same", use_bias=False,
        kernel_initializer="he_normal", name=name,
    )(x)  # fmt: skip
    return BatchNormalization(momentum=0.9, gamma_initializer=scale, name=f"{name}_bn")(x)

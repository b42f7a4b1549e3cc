"""A network of 8 to 100 weight layers whose convolutions are split: each channel by itself, then
across channels. Nine times less to multiply than a 3×3 convolution, nearly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgecnn.errors import needs

with needs("train", "keras", "tensorflow"):
    from keras import layers

    from edgecnn.networks.deep import convolution, deep, normalised

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
    return deep(
        "separable",
        _block,
        input_shape,
        classes,
        CHANNELS if channels is None else channels,
        DEPTH if depth is None else depth,
        1.0 if width is None else width,
    )


def _block(x: Any, filters: int, stride: int, name: str) -> Any:
    stays = stride == 1 and x.shape[-1] == filters
    y = layers.DepthwiseConv2D(
        3, strides=stride, padding="same", use_bias=False,
        depthwise_initializer="he_normal", name=f"{name}_depthwise",
    )(x)  # fmt: skip
    y = layers.ReLU(6.0, name=f"{name}_relu6")(normalised(y, f"{name}_depthwise"))
    y = convolution(y, filters, 1, 1, f"{name}_pointwise", "zeros" if stays else "ones")
    if stays:
        y = layers.Add(name=f"{name}_add")([x, y])
    return layers.ReLU(6.0, name=f"{name}_out")(y)  # (B, H / stride, W / stride, filters)

"""A residual network of 8 to 100 weight layers: deep, and still to be trained from scratch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgecnn.errors import needs

with needs("train", "keras", "tensorflow"):
    from keras import layers

    from edgecnn.networks.deep import convolution, deep

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
    return deep(
        "residual",
        _block,
        input_shape,
        classes,
        CHANNELS if channels is None else channels,
        DEPTH if depth is None else depth,
        1.0 if width is None else width,
    )


def _block(x: Any, filters: int, stride: int, name: str) -> Any:
    y = convolution(x, filters, 3, stride, f"{name}_conv1")
    y = layers.ReLU(6.0, name=f"{name}_relu6")(y)
    y = convolution(y, filters, 3, 1, f"{name}_conv2", scale="zeros")
    if stride != 1 or x.shape[-1] != filters:
        x = convolution(x, filters, 1, stride, f"{name}_shortcut")
    return layers.ReLU(6.0, name=f"{name}_out")(layers.Add(name=f"{name}_add")([x, y]))

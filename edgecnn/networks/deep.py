"""What the deep classifiers share: all of them but their block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from edgecnn.errors import needs
from edgecnn.networks.stages import blocks_of, check_side, strides, widths_of

with needs("train", "keras", "tensorflow"):
    from keras import Input, Model, layers

    from edgecnn.networks.layers import BatchNormalization

Block = Callable[[Any, int, int, str], Any]
"""Takes a map, filters, stride and name; gives the next map."""


def deep(
    name: str,
    block: Block,
    input_shape: tuple[int, int, int],
    classes: int,
    channels: Sequence[int],
    depth: int,
    width: float,
) -> Any:
    """A 3×3 convolution, stages of blocks, then the mean and logits.

    Args:
        name: of the network.
        block: has two weight layers.
        channels: filters of each stage, two to four stages. ``width``: factor on them.
        depth: weight layers, even.

    Raises:
        DataError: the picture is under 8 pixels on a side, or an option is not as above.
    """
    widths = widths_of(channels, width)
    blocks = blocks_of(depth, len(widths))
    stem, *halved = strides(check_side(input_shape), len(widths))
    x = inputs = Input(input_shape, name="pixels")  # (B, H, W, C)
    x = layers.ReLU(6.0, name="stem_relu6")(convolution(x, widths[0], 3, stem, "stem"))
    for stage, (count, filters, stride) in enumerate(zip(blocks, widths, halved, strict=True), 1):
        for number in range(1, count + 1):
            x = block(x, filters, stride if number == 1 else 1, f"stage{stage}_block{number}")
    x = layers.GlobalAveragePooling2D(name="mean")(x)  # (B, widths[-1])
    return Model(inputs, layers.Dense(classes, name="logits")(x), name=name)


def convolution(
    x: Any, filters: int, side: int, stride: int, name: str, scale: str = "ones"
) -> Any:
    """A convolution and its normalisation, whose scale begins as ``scale``."""
    x = layers.Conv2D(
        filters, side, strides=stride, padding="same", use_bias=False,
        kernel_initializer="he_normal", name=name,
    )(x)  # fmt: skip
    return normalised(x, name, scale)


def normalised(x: Any, name: str, scale: str = "ones") -> Any:
    """The normalisation behind the layer ``name``."""
    return BatchNormalization(momentum=0.9, gamma_initializer=scale, name=f"{name}_bn")(x)

"""A MobileFaceNet-class network: an aligned face in, an embedding out.

After Chen et al., *MobileFaceNets* (2018, arXiv 1804.07573), table 1: inverted residuals, then a
global depthwise convolution in place of average pooling. ReLU6 stands in for PReLU, which costs
more on a CPU and quantises worse. Every layer maps to the Edge TPU.
"""

from __future__ import annotations

from typing import Any

from edgecnn.errors import DataError, needs

with needs("train", "keras", "tensorflow"):
    import keras
    from keras import layers

    from edgecnn.networks.layers import BatchNormalization

STAGES = ((64, 128, 3), (128, 256, 6), (128, 256, 2))
"""Channels, expanded channels and residual blocks of each stage; a stage halves the picture.
Channels are table 1's, so that a MobileFaceNet can teach stage by stage. The first stage has a
block less than there: its large picture makes it the dearest, and it has least to lose."""

NANO: dict[str, Any] = {
    "stem": 16,
    "first_expansion": 32,
    "stages": ((32, 64, 3), (64, 128, 5), (64, 128, 2)),
    "head": 192,
}
"""Options of the small one: half the channels, and in int8 less than 400,000 bytes, for which there
are fewer channels before the embedding and a block less in the second stage."""


def embedder(
    size_wh: tuple[int, int] = (112, 112),
    *,
    dimension: int = 128,
    stem: int = 32,
    first_expansion: int = 64,
    stages: tuple[tuple[int, int, int], ...] = STAGES,
    head: int = 512,
) -> Any:
    """Build the network.

    Input shape:
        ``(batch, height, width, 3)``, RGB, range of :func:`edgecnn.images.to_network`.

    Output shape:
        ``(batch, dimension)``: the raw embedding; its length carries no meaning.

    The outputs of the stages are the outputs of the layers ``stage1``, ``stage2``, ...

    Args:
        stem: channels of the first convolution.
        first_expansion: expanded channels of the block that enters the first stage; it works at
            half the input's size, where channels cost most.
        stages: channels, expanded channels, residual blocks; one entry a stage.
        head: channels before the global depthwise convolution.
    """
    if size_wh[0] % 16 or size_wh[1] % 16:
        raise DataError(f"expected a width and height in steps of 16. Received: {size_wh}")
    inputs = keras.Input((size_wh[1], size_wh[0], 3), name="face")
    x = _conv(inputs, stem, 3, strides=2, name="stem")
    x = _depthwise(x, name="stem_depthwise")
    expanded = first_expansion
    for i, (channels, wide, blocks) in enumerate(stages, start=1):
        # The entry of a stage expands wider, since it cannot fall back on a shortcut.
        x = _bottleneck(x, channels, expanded, strides=2, name=f"stage{i}_entry")
        for k in range(1, blocks + 1):
            name = f"stage{i}" if k == blocks else f"stage{i}_add{k}"
            y = _bottleneck(x, channels, wide, strides=1, name=f"stage{i}_block{k}")
            x = layers.Add(name=name)([x, y])
        expanded = 2 * wide
    x = _conv(x, head, 1, name="head")
    x = layers.DepthwiseConv2D((x.shape[1], x.shape[2]), use_bias=False, name="global_depthwise")(x)
    x = BatchNormalization(name="global_depthwise_norm")(x)
    x = layers.Conv2D(dimension, 1, use_bias=False, name="embedding")(x)
    x = BatchNormalization(name="embedding_norm")(x)
    return keras.Model(inputs, layers.Flatten(name="flatten")(x), name="embedder")


def _conv(x: Any, channels: int, kernel: int, strides: int = 1, *, name: str) -> Any:
    x = layers.Conv2D(
        channels, kernel, strides, padding="same", use_bias=False, name=f"{name}_conv"
    )(x)
    x = BatchNormalization(name=f"{name}_norm")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)


def _depthwise(x: Any, strides: int = 1, *, name: str) -> Any:
    x = layers.DepthwiseConv2D(3, strides, padding="same", use_bias=False, name=f"{name}_conv")(x)
    x = BatchNormalization(name=f"{name}_norm")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)


def _bottleneck(x: Any, channels: int, expanded: int, *, strides: int, name: str) -> Any:
    x = _conv(x, expanded, 1, name=f"{name}_expand")
    x = _depthwise(x, strides, name=f"{name}_depthwise")
    x = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_project")(x)
    return BatchNormalization(name=f"{name}_project_norm")(x)

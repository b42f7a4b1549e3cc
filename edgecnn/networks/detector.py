"""The face detector's network: one shot, no anchors, three strides, three heads a stride.

A stem, depthwise-separable residual blocks, and one top-down step that hands the wide view of
stride 16 to the small faces of stride 8. What the nine outputs mean stands in
:mod:`edgecnn.faces.detect`. Box and landmark heads end in ReLU6, so that their int8 scale is
6/255 whatever the calibration pictures were: a wild value on some background cannot widen it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgecnn.errors import DataError, needs

with needs("train", "keras", "tensorflow"):
    import keras
    from keras import layers

    from edgecnn.networks.layers import BatchNormalization, Enlarge

STRIDES = (8, 16, 32)
PRIOR_LOGIT = -4.6
"""Score logit of an untrained network, sigmoid 0.01: otherwise the many cells without a face
swamp the first steps (Lin et al. 2017, Focal Loss, §3.3)."""


def detector(
    size_wh: Sequence[int] = (320, 256),
    channels: Sequence[int] = (16, 32, 64, 96, 128),
    depths: Sequence[int] = (0, 3, 3, 2),
    head: int = 64,
    towers: int = 1,
) -> Any:
    """Build the detector, untrained.

    Layers have short names, since a converted file carries the names of all that it fused.

    Args:
        size_wh: width and height of the input; multiples of 32, so that every
            stride pads alike and the weights fit every other such size.
        channels: of the stem (stride 2) and of the stages at strides 4, 8, 16 and 32.
        depths: residual blocks after the first of each stage.
        head: channels of the three feature maps that the heads read.
        towers: 1: all heads of a stride read one feature map; 2: scores read their own (Ge et al.
            2021, YOLOX, §2.1: what a thing is and where it is ask for different features).

    Input shape:
        ``(batch, height, width, 3)``, RGB, in the range of :func:`edgecnn.images.to_network`.

    Output shape:
        Nine tensors ``(batch, ceil(height / stride), ceil(width / stride), C)``: for strides 8,
        16 and 32 in turn score (C = 1, sigmoid), box (C = 4) and landmarks (C = 10, both 0…6).

    Raises:
        DataError: the size does not halve five times, or a stage is missing.
    """
    width, height = size_wh
    if width % 32 or height % 32 or (len(channels), len(depths)) != (5, 4) or towers not in (1, 2):
        raise DataError(
            "expected sides that are multiples of 32, 5 channels, 4 depths and 1 or 2 towers. "
            f"Received: size_wh={tuple(size_wh)}, channels={tuple(channels)}, "
            f"depths={tuple(depths)}, towers={towers}"
        )
    inputs = keras.Input((height, width, 3), name="pixels")
    x = _conv(inputs, channels[0], 3, "stem", strides=2)  # (B, H/2, W/2, C0)
    stages = []
    for k, (width_k, depth) in enumerate(zip(channels[1:], depths, strict=True)):
        x = _separable(x, width_k, f"s{4 << k}_0", strides=2)
        for i in range(1, depth + 1):
            x = layers.Add(name=f"s{4 << k}_{i}a")([x, _separable(x, width_k, f"s{4 << k}_{i}")])
        stages.append(x)
    fine, middle, coarse = (
        _conv(x, head, 1, f"l{s}") for s, x in zip(STRIDES, stages[1:], strict=True)
    )
    wide = Enlarge(name="u8")([middle, fine])
    fine = layers.Add(name="m8")([fine, wide])
    outputs = []
    for stride, x in zip(STRIDES, (fine, middle, coarse), strict=True):
        what = _separable(x, head, f"h{stride}")
        where = what if towers == 1 else _separable(x, head, f"g{stride}")
        outputs += _heads(what, where, stride)
    return keras.Model(inputs, outputs, name="d")


def _heads(what: Any, where: Any, stride: int) -> list[Any]:
    logit = layers.Conv2D(
        1, 1, name=f"logit{stride}", bias_initializer=keras.initializers.Constant(PRIOR_LOGIT)
    )(what)
    found = [layers.Activation("sigmoid", name=f"score{stride}")(logit)]
    for name, width in (("box", 4), ("landmarks", 10)):
        # Small weights around 3, the middle of ReLU6: no cell begins where the gradient is 0.
        raw = layers.Conv2D(
            width,
            1,
            name=f"{name[0]}{stride}x",
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            bias_initializer=keras.initializers.Constant(3.0),
        )(where)
        found.append(layers.ReLU(6.0, name=f"{name}{stride}")(raw))
    return found


def _conv(x: Any, width: int, kernel: int, name: str, strides: int = 1) -> Any:
    x = layers.Conv2D(
        width, kernel, strides=strides, padding="same", use_bias=False, name=f"{name}c"
    )(x)
    x = BatchNormalization(name=f"{name}n")(x)
    return layers.ReLU(6.0, name=f"{name}r")(x)


def _separable(x: Any, width: int, name: str, strides: int = 1) -> Any:
    x = layers.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False, name=f"{name}d")(
        x
    )
    x = BatchNormalization(name=f"{name}e")(x)
    return _conv(x, width, 1, name)

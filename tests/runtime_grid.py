"""Small networks, one a kind of layer, as int8 files: what run times are compared by.

Those of our networks that ship trained are compared as they ship; the others are here too.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from converter_tools import SMALL, pixels_of

from converters import int8
from edgecnn import networks
from edgecnn.images import Image

SHAPE = (12, 12, 4)
"""Of the picture that each small network takes."""

OURS = ("compact", "text", "dense")
"""Networks of ours of which no file ships."""


def grid() -> dict[str, Callable[[Any], Any]]:
    """Name to what stands between picture and output."""
    from keras import layers

    from edgecnn.networks.layers import BatchNormalization, Enlarge

    def conv(filters: int = 4, kernel: int = 3, **options: Any) -> Any:
        return layers.Conv2D(filters, kernel, **{"padding": "same", **options})

    return {
        "Conv2D": conv(8),
        "Conv2D-1x1": conv(8, 1),
        "Conv2D-valid": conv(8, padding="valid"),
        "Conv2D-strided": conv(8, strides=2),
        "Conv2D-dilated": conv(8, dilation_rate=2),
        "DepthwiseConv2D": layers.DepthwiseConv2D(3, padding="same"),
        "DepthwiseConv2D-strided": layers.DepthwiseConv2D(3, strides=2, padding="same"),
        "DepthwiseConv2D-global": layers.DepthwiseConv2D(SHAPE[:2]),
        "SeparableConv2D": layers.SeparableConv2D(8, 3),
        "BatchNormalization": BatchNormalization(),
        "BatchNormalization-folded": lambda x: BatchNormalization()(conv(use_bias=False)(x)),
        "ReLU": layers.ReLU(),
        "ReLU-6": layers.ReLU(6.0),
        "ReLU-fused": lambda x: layers.ReLU()(conv()(x)),
        "ReLU-6-fused": lambda x: layers.ReLU(6.0)(conv()(x)),
        "Add": lambda x: layers.Add()([x, conv()(x)]),
        "Concatenate": lambda x: layers.Concatenate()([x, conv()(x)]),
        "Enlarge": lambda x: Enlarge()([layers.MaxPooling2D()(x), x]),
        "ZeroPadding2D": lambda x: conv(padding="valid")(layers.ZeroPadding2D(2)(x)),
        "MaxPooling2D": layers.MaxPooling2D(),
        "AveragePooling2D": layers.AveragePooling2D(2),
        "GlobalMaxPooling2D": layers.GlobalMaxPooling2D(),
        "GlobalAveragePooling2D": layers.GlobalAveragePooling2D(),
        "Flatten-Dense": lambda x: layers.Dense(6)(layers.Flatten()(x)),
        "Reshape-Dense": lambda x: layers.Dense(6)(layers.Reshape((-1,))(x)),
        "Dense-hidden": lambda x: layers.Dense(6, activation="relu6")(layers.Flatten()(x)),
        "Activation-sigmoid": lambda x: layers.Activation("sigmoid")(conv()(x)),
        "Activation-softmax": lambda x: layers.Softmax()(layers.Dense(6)(layers.Flatten()(x))),
    }


def build(name: str) -> Any:
    """A network of the grid, or one of ours in small, with weights as a training leaves them: no
    bias is 0, no variance 1. Biases are above 0, so that no ReLU is dead."""
    import keras

    keras.utils.set_random_seed(7)
    if name in OURS:
        network = networks.build(name, **SMALL[name])
    else:
        picture = keras.Input(SHAPE)
        network = keras.Model(picture, grid()[name](picture))
    rng = np.random.default_rng(7)
    for weight in network.weights:
        if "variance" in weight.path:
            weight.assign(rng.uniform(0.5, 2.0, weight.shape))
        elif len(weight.shape) == 1:
            weight.assign(weight + rng.uniform(0, 0.3, weight.shape))
    return network


def names() -> list[str]:
    """Of all networks that :func:`build` makes."""
    return [*grid(), *OURS]


def pictures(network: Any, count: int, seed: int) -> Image:
    """Noise for a network's input, ``(count, H, W, C)`` uint8."""
    return pixels_of(network.input.shape[1:], count, seed)


def write(folder: Path, name: str, one_scale: bool = True) -> Path:
    """``NAME.tflite`` with its inputs beside it, see :mod:`runtime_answers`.

    Args:
        one_scale: what our converter sees to: dense weights have one scale. False leaves it to
            TensorFlow.
    """
    network, file = build(name), folder / f"{name}.tflite"
    network.save(folder / "network.keras")
    np.save(folder / "calibration.npy", pictures(network, 32, seed=1))
    switch = int8.ONE_SCALE_PER_DENSE
    try:
        if not one_scale:
            int8.ONE_SCALE_PER_DENSE = "leave it to TensorFlow"
        # In this process: a child would load TensorFlow for each.
        int8.as_child(str(folder / "network.keras"), str(folder / "calibration.npy"), str(file))
    finally:
        int8.ONE_SCALE_PER_DENSE = switch
    np.savez(file.with_suffix(".npz"), input0=pictures(network, 32, seed=2)[:, None])
    return file

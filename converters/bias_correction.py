"""Bias correction: what rounding shifts on average, taken off the biases.

After Nagel et al. 2019 (arXiv 1906.04721), §4.2 and appendix D: rounded weights and values shift
the mean of a layer's output, in each channel by another amount, for all pictures alike. The mean
is measured in float and rounded on calibration pictures, before the ReLU, and the difference goes
into the bias. Layers are corrected in order, each with those before it corrected already.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from converters import fake_quantise, graph
from edgecnn.errors import needs
from edgecnn.images import Floats, Image

with needs("train", "keras", "tensorflow"):
    import keras

COUNT = 128
"""Pictures to measure means by; they are all held in memory, layer by layer."""


def correct(network: Any, pixels: Image) -> Any:
    """The network with corrected biases.

    Args:
        network: from :func:`converters.graph.fold`; it is changed.
        pixels: ``(N, H, W, C)`` uint8, calibration pictures.
    """
    twin = fake_quantise.rounding_twin(network, pixels)
    inputs = [graph.tensor(pixels[:COUNT])]
    wanted: dict[str, Floats] = {}

    def measure(operation: Any, *args: Any, **kwargs: Any) -> Any:
        outputs = operation(*args, **kwargs)
        if graph.is_weighted(operation):
            wanted[f"{operation.name}_w"] = means(outputs)
        return outputs

    def shift(operation: Any, *args: Any, **kwargs: Any) -> Any:
        outputs = operation(*args, **kwargs)
        if isinstance(operation, fake_quantise.RoundWeights):
            change = wanted[operation.name] - means(outputs)
            operation.layer.bias.assign_add(change)
            outputs = outputs + change
        return outputs

    graph.walk(network, inputs, measure)
    graph.walk(twin, inputs, shift)
    fake_quantise.take_weights(network, twin)
    return network


def means(outputs: Any) -> Floats:
    """``(C,)`` the mean of each channel."""
    axes = tuple(range(len(outputs.shape) - 1))
    return np.asarray(keras.ops.mean(outputs, axis=axes), np.float32)

"""A float Keras network out of a full int8 file of ours, where the trained one is not at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from converters import flatbuffer

FUSED = {0: None, 1: "relu", 3: "relu6"}
"""``ActivationFunctionType`` of TFLite's schema."""


def rebuilt(path: Path) -> Any:
    """The network in ``path``, with its weights as real numbers: convolutions, addition, sigmoid,
    nearest up-sampling and flattening."""
    import keras

    from edgecnn.networks.layers import Enlarge

    graph = flatbuffer.read(path)
    picture = keras.Input(graph.input().shape[1:])
    known: dict[int, Any] = {graph.inputs[0]: picture}
    weights = []
    for operation in graph.operations:
        x, into = known[operation.inputs[0]], graph.tensors[operation.inputs[0]].shape
        out = graph.tensors[operation.outputs[0]].shape
        fused = FUSED[operation.options.get("fused_activation_function", 0)]
        kind = operation.kind
        if kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            kernel, bias = (_real(graph, i) for i in operation.inputs[1:])
            size, words = kernel.shape[1:3], {"activation": fused}
            if size != (1, 1) and out[1] == into[1] - size[0] + 1:
                words["padding"] = "valid"
            else:
                words |= {"padding": "same", "strides": -(-into[1] // out[1])}
            if kind == "CONV_2D":
                x = keras.layers.Conv2D(out[3], size, **words)(x)
                weights += [kernel.transpose(1, 2, 3, 0), bias]
            else:
                x = keras.layers.DepthwiseConv2D(size, **words)(x)
                weights += [kernel.transpose(1, 2, 3, 0), bias]
        elif kind == "ADD":
            x = keras.layers.Add()([x, known[operation.inputs[1]]])
            assert fused is None
        elif kind == "LOGISTIC":
            x = keras.layers.Activation("sigmoid")(x)
        elif kind == "RESIZE_NEAREST_NEIGHBOR":
            like = next(y for y in known.values() if y.shape[1:3] == out[1:3])
            x = Enlarge()([x, like])
        elif kind == "RESHAPE":
            x = keras.layers.Flatten()(x)
        else:
            assert kind == "QUANTIZE", kind
        known[operation.outputs[0]] = x
    network = keras.Model(picture, [known[i] for i in graph.outputs])
    # Layers stand in Keras by their depth, in the file as they are computed.
    order = {id(w): k for k, w in enumerate(network.weights)}
    made = [w for layer in _in_order(known) for w in layer.weights]
    assert len(made) == len(weights) == len(order)
    for variable, value in zip(made, weights, strict=True):
        variable.assign(value)
    return network


def _in_order(known: dict[int, Any]) -> list[Any]:
    """The layers that made the tensors, each once."""
    layers = [x._keras_history.operation for x in known.values()]
    return list(dict.fromkeys(layers))


def _real(graph: flatbuffer.Graph, index: int) -> Any:
    """A stored tensor as real numbers; scales are one, or one a channel of the axis they fit."""
    tensor = graph.tensors[index]
    stored = np.frombuffer(tensor.stored, tensor.dtype).reshape(tensor.shape)
    scales = np.array(tensor.scales)
    axis = 3 if len(tensor.shape) == 4 and tensor.shape[0] == 1 and len(scales) > 1 else 0
    shape = [1] * stored.ndim
    shape[axis] = len(scales)
    return (stored * scales.reshape(shape)).astype(np.float32)

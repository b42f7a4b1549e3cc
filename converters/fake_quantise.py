"""A float network that rounds as its int8 file will: to measure by, and to train on.

What is rounded follows TensorFlow's 8-bit quantisation specification, as the converter applies it
here: weights symmetric in -127…127, with a scale for each channel of a convolution and one for all
of a dense layer; what each operation computes, after a ReLU that is fused into it, in -128…127 by
one scale and zero point, from the least and largest value that calibration saw. Biases have 32
bits and are left as they are. The gradient goes straight through the rounding, and is 0 where a
value was cut off (Jacob et al. 2018, arXiv 1712.05877, §3; Bengio et al. 2013, arXiv 1308.3432).

``keras.ops`` only, so it learns under any Keras back end.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from converters import graph
from edgecnn.errors import needs
from edgecnn.images import Image

with needs("train", "keras", "tensorflow"):
    import keras
    from keras import layers, ops

COPIES = (
    layers.Flatten, layers.Reshape, layers.ZeroPadding2D, layers.Cropping2D, layers.MaxPooling2D,
    layers.UpSampling2D, layers.Identity, layers.Permute,
)  # fmt: skip
"""Layers that hand on values as they come, which are rounded already."""

FIXED = {
    "sigmoid": (0.0, 255 / 256),
    "softmax": (0.0, 255 / 256),
    "tanh": (-1.0, 127 / 128),
}
"""Ranges that TFLite fixes to the function's, whatever was seen."""


@keras.saving.register_keras_serializable("edgecnn")
class RoundActivations(layers.Layer):  # type: ignore[misc]
    """Values as int8 can say them, between ``low`` and ``high``.

    Attributes:
        low, high: scalar variables that do not learn; 0 always lies between them.

    Input shape:
        any

    Output shape:
        as the input
    """

    def build(self, input_shape: Any) -> None:
        """Two variables."""
        self.low, self.high = (
            self.add_weight(shape=(), initializer="zeros", trainable=False, name=name)
            for name in ("low", "high")
        )

    def set_range(self, low: float, high: float) -> None:
        """Hold ``low`` to ``high``, moved so that 0 is one of the 256 steps."""
        low, high = min(low, 0.0), max(high, 0.0)
        scale = (high - low) / 255 or 1.0
        zero = round(-low / scale)
        self.low.assign(-zero * scale)
        self.high.assign((255 - zero) * scale)

    def call(self, inputs: Any) -> Any:
        """Cut off, and round to the nearest step."""
        low, high = map(ops.convert_to_tensor, (self.low, self.high))
        scale = ops.maximum((high - low) / 255, 1e-30)
        cut = ops.clip(inputs, low, high)
        return straight_through(cut, ops.round(cut / scale) * scale)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """As the input."""
        return input_shape


@keras.saving.register_keras_serializable("edgecnn")
class RoundWeights(layers.Wrapper):  # type: ignore[misc]
    """A layer of :data:`converters.graph.WEIGHTED` whose kernel is as int8 can say it.

    Input shape:
        the layer's

    Output shape:
        the layer's
    """

    def call(self, inputs: Any) -> Any:
        """The layer's own computation with a rounded kernel in its place."""
        values = [
            rounded_kernel(self.layer) if v is self.layer.kernel else v
            for v in self.layer.trainable_variables
        ]
        return self.layer.stateless_call(values, [], inputs)[0]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The layer's."""
        return self.layer.compute_output_shape(input_shape)


def straight_through(exact: Any, rounded: Any) -> Any:
    """The value of ``rounded`` with the gradient of ``exact``."""
    return exact + ops.stop_gradient(rounded - exact)


def rounded_kernel(layer: Any) -> Any:
    """A layer's kernel on its int8 steps, with the gradient of the kernel itself."""
    kernel = ops.convert_to_tensor(layer.kernel)
    if isinstance(layer, layers.Dense):
        largest = ops.max(ops.abs(kernel))
    else:
        others = [a for a in range(4) if a not in graph.channel_axis(layer)]
        largest = ops.max(ops.abs(kernel), axis=others, keepdims=True)
    scale = ops.maximum(ops.stop_gradient(largest) / 127, 1e-30)
    return straight_through(kernel, ops.round(kernel / scale) * scale)


def rounding_twin(network: Any, pixels: Image) -> Any:
    """The network as its int8 file computes, with the same weights and layers of the same name.

    Args:
        network: from :func:`converters.graph.fold`.
        pixels: ``(N, H, W, C)`` uint8, calibration pictures.
    """
    fused = _fused(network)

    def make(operation: Any) -> list[Any]:
        layer = graph.copy_of(operation)
        if graph.is_weighted(operation):
            layer = RoundWeights(layer, name=f"{operation.name}_w")
        if isinstance(operation, COPIES) or operation.name in fused:
            return [layer]
        return [layer, RoundActivations(name=f"{operation.name}_a")]

    twin = graph.rebuilt(network, make)
    give_weights(network, twin)
    set_ranges(network, twin, pixels)
    return twin


def give_weights(network: Any, twin: Any) -> None:
    """Copy the weights of a network to its twin."""
    for layer in network.layers:
        if graph.is_weighted(layer):
            twin.get_layer(f"{layer.name}_w").layer.set_weights(layer.get_weights())
        elif layer.weights:
            twin.get_layer(layer.name).set_weights(layer.get_weights())


def take_weights(network: Any, twin: Any) -> None:
    """Copy what the twin has learnt back."""
    for layer in network.layers:
        if graph.is_weighted(layer):
            layer.set_weights(twin.get_layer(f"{layer.name}_w").layer.get_weights())
        elif layer.weights:
            layer.set_weights(twin.get_layer(layer.name).get_weights())


def set_ranges(network: Any, twin: Any, pixels: Image) -> None:
    """Give the twin the ranges that the converter would find by these pictures."""
    seen = graph.extremes(network, pixels)
    kinds = {node.operation.name: _function(node.operation) for node in graph.nodes(network)}
    for layer in twin.layers:
        if isinstance(layer, RoundActivations):
            name = layer.name.removesuffix("_a")
            low, high = seen[name]
            layer.set_range(*FIXED.get(kinds[name], (float(low.min()), float(high.max()))))


def _fused(network: Any) -> set[str]:
    """Names of the layers whose output a fused ReLU alone reads, so that it is never rounded."""
    calls = graph.nodes(network)
    uses = Counter(id(x) for node in calls for x in node.input_tensors)
    uses.update(id(x) for x in network.outputs)
    maker = {id(x): node.operation for node in calls for x in node.outputs}
    found = set()
    for node in calls:
        if graph.relu_end(node.operation) is None or len(node.input_tensors) != 1:
            continue
        (x,) = node.input_tensors
        if uses[id(x)] == 1 and id(x) in maker:
            found.add(maker[id(x)].name)
    return found


def _function(operation: Any) -> str:
    if isinstance(operation, layers.Activation):
        return str(getattr(operation.activation, "__name__", ""))
    return "softmax" if isinstance(operation, layers.Softmax) else ""

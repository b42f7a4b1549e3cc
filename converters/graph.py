"""A Keras network operation by operation: to run it, to look inside, to build it anew.

One walk serves all: given pictures it computes them, given a ``keras.Input`` it builds a network.
Everything here runs under any Keras back end.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgecnn.errors import needs
from edgecnn.images import Floats, Image, to_network

with needs("train", "keras", "tensorflow"):
    import keras
    from keras import layers

    import edgecnn.networks.layers  # noqa: F401  # makes our layers known

WEIGHTED = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)
"""What the cures know the weights of. Other layers stay as they are."""

NORMS = (layers.BatchNormalization,)
IDLE = (layers.Dropout, layers.SpatialDropout2D, layers.GaussianNoise)
"""Layers that do something in training alone."""

BATCH = 32

Extremes = dict[str, tuple[Floats, Floats]]
"""Name of an operation to the least and largest value of each channel of its output, ``(C,)``."""


def is_weighted(operation: Any) -> bool:
    """A layer of :data:`WEIGHTED` itself: a class derived from one may compute anything."""
    return type(operation) in WEIGHTED


def nodes(network: Any) -> list[Any]:
    """The calls of a functional or sequential network, each after those it depends on: Keras's
    own nodes, with ``operation``, ``arguments``, ``input_tensors`` and ``outputs``."""
    if not hasattr(network, "_nodes_by_depth"):  # a Sequential keeps its graph to itself
        network = network._functional
    by_depth = network._nodes_by_depth
    calls = [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]
    return [node for node in calls if not node.is_input]


def walk(
    network: Any,
    values: Sequence[Any],
    call: Callable[..., Any] = lambda operation, *args, **kwargs: operation(*args, **kwargs),
) -> list[Any]:
    """Go through a network; values that nothing needs any more are let go.

    Args:
        values: of its inputs: tensors, or ``keras.Input`` to build another network.
        call: makes the outputs of an operation from its arguments.

    Returns:
        The values of its outputs.
    """
    calls = nodes(network)
    known = {id(x): value for x, value in zip(network.inputs, values, strict=True)}
    waiting = Counter(id(x) for node in calls for x in node.input_tensors)
    waiting.update(id(x) for x in network.outputs)
    for node in calls:
        args, kwargs = node.arguments.fill_in(known)
        outputs = keras.tree.flatten(call(node.operation, *args, **kwargs))
        known.update(zip(map(id, node.outputs), outputs, strict=True))
        for x in node.input_tensors:
            waiting[id(x)] -= 1
            if not waiting[id(x)]:
                known.pop(id(x), None)
    return [known[id(x)] for x in network.outputs]


def copy_of(operation: Any, **changes: Any) -> Any:
    """The same layer again, without its weights."""
    return type(operation).from_config({**operation.get_config(), **changes})


def rebuilt(network: Any, make: Callable[[Any], list[Any]]) -> Any:
    """Another network from other operations.

    Args:
        make: what stands in an operation's place, one after the other; nothing hands on what it
            is given. An operation that is called twice is made once.
    """
    made: dict[int, list[Any]] = {}

    def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
        if id(operation) not in made:
            made[id(operation)] = make(operation)
        if not made[id(operation)]:
            return args[0]
        first, *others = made[id(operation)]
        outputs = first(*args, **kwargs)
        for other in others:
            outputs = other(outputs)
        return outputs

    inputs = [keras.Input(x.shape[1:], dtype=x.dtype, name=x.name) for x in network.inputs]
    return keras.Model(_one(inputs), _one(walk(network, inputs, call)), name=network.name)


def fold(network: Any) -> Any:
    """The same function with batch normalisation in the weights, as the converter folds it.

    Every layer of :data:`WEIGHTED` comes out with a bias and no activation; an activation it had
    follows as a layer of its own. Layers for training alone are left out. A normalisation whose
    input is no such layer, or is needed elsewhere too, stays.
    """
    calls = nodes(network)
    uses = Counter(id(x) for node in calls for x in node.input_tensors)
    uses.update(id(x) for x in network.outputs)
    times = Counter(id(node.operation) for node in calls)
    maker = {id(x): node for node in calls for x in node.outputs}
    into: dict[int, Any] = {}  # normalisation -> the layer that takes it in
    for node in calls:
        source = maker.get(id(node.input_tensors[0])) if node.input_tensors else None
        if isinstance(node.operation, NORMS) and source and is_weighted(source.operation):
            linear = source.operation.activation is keras.activations.linear
            pair = (node.operation, source.operation)
            if linear and uses[id(node.input_tensors[0])] == 1 and _all_once(times, pair):
                into[id(node.operation)] = source.operation

    def make(operation: Any) -> list[Any]:
        if id(operation) in into or isinstance(operation, IDLE):
            return []
        if not is_weighted(operation):
            return [copy_of(operation)]
        layer = copy_of(operation, use_bias=True, activation="linear")
        if operation.activation is keras.activations.linear:
            return [layer]
        name = f"{operation.name}_activation"
        return [layer, layers.Activation(operation.activation, name=name)]

    folded = rebuilt(network, make)
    for operation in {id(node.operation): node.operation for node in calls}.values():
        if id(operation) in into:
            _take_in(folded.get_layer(into[id(operation)].name), operation)
        elif getattr(operation, "weights", None):
            folded.get_layer(operation.name).set_weights(_weights(operation))
    return folded


def extremes(network: Any, pixels: Image) -> Extremes:
    """The least and largest values of each channel that come out of every operation.

    Args:
        pixels: ``(N, H, W, C)`` uint8, N 1 at least.
    """
    found: Extremes = {}

    def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
        outputs = operation(*args, **kwargs)
        if not isinstance(outputs, list | tuple):
            flat = keras.ops.reshape(outputs, (-1, outputs.shape[-1]))
            low, high = (np.asarray(f(flat, axis=0)) for f in (keras.ops.min, keras.ops.max))
            if operation.name in found:
                low = np.minimum(low, found[operation.name][0])
                high = np.maximum(high, found[operation.name][1])
            found[operation.name] = low, high
        return outputs

    for start in range(0, len(pixels), BATCH):
        walk(network, [tensor(pixels[start : start + BATCH])], call)
    return found


def outputs_of(network: Any, pixels: Image) -> list[Floats]:
    """What a network computes, one array an output; nothing is compiled for it.

    Args:
        pixels: ``(N, H, W, C)`` uint8, N 1 at least.
    """
    starts = range(0, len(pixels), BATCH)
    parts = [keras.tree.flatten(network(tensor(pixels[i : i + BATCH]))) for i in starts]
    return [np.concatenate([np.asarray(p) for p in some]) for some in zip(*parts, strict=True)]


def relu_end(operation: Any) -> float | None:
    """Where a ReLU ends: infinity, or 6 for ReLU6; None where an operation is neither."""
    if isinstance(operation, layers.ReLU) and not operation.threshold + operation.negative_slope:
        return {None: math.inf, 6.0: 6.0}.get(operation.max_value)
    if isinstance(operation, layers.Activation):
        ends = {keras.activations.relu: math.inf, keras.activations.relu6: 6.0}
        return ends.get(operation.activation)
    return None


def tensor(pixels: Image) -> Any:
    """Bytes as the network's input, in the back end's own kind of array."""
    return keras.ops.convert_to_tensor(to_network(pixels))


def channel_axis(layer: Any) -> tuple[int, ...]:
    """The axes of a layer's kernel that make up the channels of its output."""
    return (2, 3) if isinstance(layer, layers.DepthwiseConv2D) else (layer.kernel.ndim - 1,)


def _one(values: list[Any]) -> Any:
    """A list of one as Keras has it: as that one."""
    return values[0] if len(values) == 1 else values


def _all_once(times: Counter[int], operations: tuple[Any, ...]) -> bool:
    return all(times[id(operation)] == 1 for operation in operations)


def _weights(operation: Any) -> list[Any]:
    """With a bias of zero where a layer of :data:`WEIGHTED` has none."""
    weights = list(operation.get_weights())
    if is_weighted(operation) and not operation.use_bias:
        axes = channel_axis(operation)
        weights.append(np.zeros(np.prod([weights[0].shape[a] for a in axes]), np.float32))
    return weights


def _take_in(layer: Any, norm: Any) -> None:
    """Fold a batch normalisation into the weights before it (Jacob et al. 2018, arXiv 1712.05877,
    equation 14)."""
    kernel, bias = layer.get_weights()
    scale = np.asarray(1 / np.sqrt(np.asarray(norm.moving_variance) + norm.epsilon))
    if norm.scale:
        scale = scale * np.asarray(norm.gamma)
    shift = np.asarray(norm.beta) if norm.center else 0.0
    bias = (bias - np.asarray(norm.moving_mean)) * scale + shift
    shape = [kernel.shape[a] for a in channel_axis(layer)]
    layer.set_weights([kernel * scale.reshape(shape), bias])

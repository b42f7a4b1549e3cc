"""Which tensors of a float and of an int8 ``.tflite`` file stand for the same, and their names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from converters.activations import COPIES
from converters.cut import Network
from edgecnn.errors import ConversionError

WEIGHING = re.compile(r"(convolution|depthwise|conv2d_transpose|MatMul)\d*$")
"""How the part of a tensor's name ends that is of the layer which holds the weights."""

REQUANTISING = {"QUANTIZE", "DEQUANTIZE"}


def matched(before: Network, after: Network) -> dict[int, int]:
    """The int8 file's tensors, in its order, and for each the one of the float file.

    An output has its name from the operation that makes it uint8 in the end: what that is given is
    meant. Where the converter joined layers in one file only, what both compute is left.

    Raises:
        ConversionError: inputs or outputs differ, or fewer than half of the layers are in both.
    """
    named = {after.graph.tensors[t].name: t for t in after.makers}
    real = [t for t in before.makers if _is_layer(before, t)]
    pairs = {}
    for tensor in real:
        if before.graph.tensors[tensor].name in named:
            pairs[_source(after, named[before.graph.tensors[tensor].name])] = tensor
    found = {i: pairs[i] for i in after.makers if i in pairs}
    while odd := _odd(before, after, found):
        found = {i: f for i, f in found.items() if i not in odd}
    if _shapes(before) != _shapes(after) or 2 * len(found) < len(real) or not found:
        raise ConversionError(
            "expected the float and the int8 file of one network. Received: files with other "
            f"layers, inputs or outputs ({len(found)} of {len(real)} layers in common): convert "
            "both from the same network"
        )
    return found


def fused(name: str) -> tuple[str, ...]:
    """The Keras layers in a tensor's name, such as ``stem_relu`` and ``stem_conv`` of
    ``embedder_1/stem_relu_1/Relu6;embedder_1/stem_conv_1/convolution``."""
    parts = [part.split("/") for part in name.split(";")]
    return tuple(dict.fromkeys(p[1].removesuffix("_1") for p in parts if len(p) > 2))


def called(name: str, weights: str = "") -> str:
    """What to call a layer: as the Keras layer that holds its weights, else as the first of those
    fused, else ``output N``.

    Args:
        name: of the tensor that it computes, in the float file.
        weights: of its weights.
    """
    for part in f"{name};{weights}".split(";"):
        if WEIGHING.search(part) and (layers := fused(part)):
            return layers[0]
    outputs = re.fullmatch(r"StatefulPartitionedCall(?:_\d+)?:(\d+)", name)
    return (*fused(name), f"output {outputs[1]}" if outputs else name)[0]


def _shapes(network: Network) -> dict[str, tuple[int, ...]]:
    """Of the input, and of each output by its name."""
    tensors, graph = network.graph.tensors, network.graph
    shapes = {tensors[t].name: tensors[t].shape for t in graph.outputs}
    return {**shapes, "": graph.input().shape}


def _is_layer(network: Network, tensor: int) -> bool:
    """Whether a tensor is what a layer computes, in real numbers."""
    kind = network.graph.operations[network.makers[tensor]].kind
    return kind not in COPIES and network.graph.tensors[tensor].dtype == "float32"


def _source(network: Network, tensor: int) -> int:
    """What a tensor was before it was put into other integers, or out of them."""
    while (k := network.makers.get(tensor)) is not None:
        operation = network.graph.operations[k]
        if operation.kind not in REQUANTISING:
            break
        tensor = operation.inputs[0]
    return tensor


def _odd(before: Network, after: Network, pairs: Mapping[int, int]) -> set[int]:
    """Tensors of the int8 file that it needs for a layer which float computes from others."""
    twins = {f: i for i, f in pairs.items()}
    for i, f in pairs.items():
        mine = after.ends([i], pairs) & set(pairs)
        others = {twins[t] for t in before.ends([f], twins) if t in twins}
        if mine != others:
            return mine ^ others
    return set()

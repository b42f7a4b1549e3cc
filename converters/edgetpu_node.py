"""An operation with its tensors around it, as the rules of the Edge TPU ask about it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from converters.flatbuffer import Graph, Operation, TensorFacts

RANK = 3
"""An Edge TPU works on the innermost three dimensions; those before must be 1."""

WEIGHTS = {
    "CONV_2D": (1, 2),
    "DEPTHWISE_CONV_2D": (1, 2),
    "FULLY_CONNECTED": (1, 2),
    "TRANSPOSE_CONV": (1, 3),
    "PRELU": (1,),
}
"""Inputs that hold what was trained: weights, biases, slopes. Source: TensorFlow Lite's kernels."""

SHAPES = {
    "EXPAND_DIMS": (1,),
    "MEAN": (1,),
    "PAD": (1,),
    "REDUCE_MAX": (1,),
    "REDUCE_MIN": (1,),
    "RESHAPE": (1,),
    "RESIZE_BILINEAR": (1,),
    "RESIZE_NEAREST_NEIGHBOR": (1,),
    "SLICE": (1, 2),
    "SPLIT": (0,),
    "STRIDED_SLICE": (1, 2, 3),
    "SUM": (1,),
    "TILE": (1,),
    "TRANSPOSE": (1,),
    "TRANSPOSE_CONV": (0,),
}
"""Inputs that say a shape, axes or places. Source: TensorFlow Lite's kernels."""

SIZING = ("PAD", "RESHAPE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "TILE", "TRANSPOSE_CONV")
"""Those of :data:`SHAPES` on which the size of the output hangs."""


@dataclass(frozen=True)
class Node:
    """One operation of a graph; the questions are those that rules ask."""

    graph: Graph
    operation: Operation

    @property
    def kind(self) -> str:
        """``CONV_2D`` and its like, or a custom operation's own name."""
        return self.operation.kind

    @property
    def options(self) -> Mapping[str, int]:
        """The operation's settings; see :data:`converters.flatbuffer.OPTIONS`."""
        return self.operation.options

    @property
    def output(self) -> TensorFacts:
        """The first output."""
        return self.graph.tensors[self.operation.outputs[0]]

    def input(self, place: int) -> TensorFacts | None:
        """The input at ``place``; None where the operation has none there."""
        inputs = self.operation.inputs
        if place >= len(inputs) or inputs[place] < 0:
            return None
        return self.graph.tensors[inputs[place]]

    def inputs(self) -> list[TensorFacts]:
        """All inputs that are there."""
        return [self.graph.tensors[i] for i in self.operation.inputs if i >= 0]

    def activations(self) -> list[TensorFacts]:
        """What flows through it: neither constants nor the state that an LSTM keeps."""
        outputs = [self.graph.tensors[i] for i in self.operation.outputs]
        return [t for t in (*self.inputs(), *outputs) if not t.constant_bytes and not t.variable]

    def varies(self, table: Mapping[str, tuple[int, ...]]) -> bool:
        """Whether an input at one of the places in ``table`` is no constant."""
        there = [self.input(place) for place in table.get(self.kind, ())]
        return any(t is not None and is_computed(t) for t in there)

    def integers(self) -> tuple[int, ...]:
        """The constant that says a shape, axes, paddings or multiples; ``()`` where none does."""
        (place, *_) = SHAPES[self.kind]
        tensor = self.input(place)
        return tensor.integers if tensor else ()

    def picture(self) -> TensorFacts:
        """The first input that flows, or else the output."""
        flowing = [t for t in self.inputs() if not t.constant_bytes and not t.variable]
        return flowing[0] if flowing else self.output

    def axes(self) -> set[int]:
        """The axes that a reduction, a split or an expansion works along, counted from 0."""
        rank = len(self.picture().shape)
        return {a % rank for a in self.integers()} if rank else set()


def is_computed(tensor: TensorFacts) -> bool:
    """Whether a tensor has no stored values; an empty one needs none."""
    return not tensor.constant_bytes and math.prod(tensor.shape) != 0


def leading(tensor: TensorFacts, innermost: int) -> int:
    """The product of all dimensions before the ``innermost`` ones."""
    return math.prod(tensor.shape[: max(0, len(tensor.shape) - innermost)])


def is_zero(tensor: TensorFacts) -> bool:
    """Whether each stored byte stands for 0.0."""
    zero = (tensor.zero_points or (0,))[0] % 256
    return set(tensor.stored) <= {zero}


def is_custom(node: Node) -> bool:
    """Whether it is no builtin operation."""
    return node.operation.code == 32  # BuiltinOperator.CUSTOM


def is_grouped(node: Node) -> bool:
    """Whether its weights are for fewer channels than come in."""
    weights = node.input(1)
    return weights is not None and weights.shape[-1:] != node.picture().shape[-1:]


def is_float(dtype: str) -> bool:
    """Whether numpy's name is that of a float."""
    return dtype.startswith("float")


def is_fused(node: Node) -> bool:
    """Whether an activation is fused into it."""
    return node.options.get("fused_activation_function", 0) != 0


def is_padding(node: Node) -> bool:
    """Whether constants in a concatenation, if any, are one block of zeros beside one input."""
    constants = [t for t in node.inputs() if not is_computed(t)]
    return not constants or (len(node.inputs()) == 2 and all(is_zero(t) for t in constants))


def over_channels(node: Node) -> bool:
    """Whether it reduces along the innermost axis."""
    return len(node.picture().shape) - 1 in node.axes()


def over_batch(node: Node) -> bool:
    """Whether something happens along a first of several dimensions that is no 1."""
    if node.kind == "PAD":
        return len(node.picture().shape) > RANK and any(node.integers()[:2])
    if node.kind == "PACK":
        return node.options.get("axis", 0) % max(1, len(node.output.shape)) == 0
    along = node.kind in ("MEAN", "REDUCE_MAX", "REDUCE_MIN", "SPLIT", "SUM")
    return along and len(node.picture().shape) > 1 and 0 in node.axes()


def is_plain_slice(node: Node) -> bool:
    """Whether it takes each item between two places, and adds no axis."""
    steps = node.input(3)
    masks = node.options.get("ellipsis_mask", 0) | node.options.get("new_axis_mask", 0)
    return masks == 0 and steps is not None and set(steps.integers) <= {1}


def is_broadcast(node: Node) -> bool:
    """Whether only dimensions of 1 are repeated."""
    shape, times = node.picture().shape, node.integers()
    return all(size == 1 or n == 1 for size, n in zip(shape, times, strict=False))


def slopes_vary(node: Node) -> bool:
    """Whether its slopes differ from place to place, not from channel to channel alone."""
    slopes = node.input(1)
    return slopes is not None and leading(slopes, 1) > 1


def moves_channels(node: Node) -> bool:
    """Whether the innermost axis becomes another."""
    order = node.integers()
    return bool(order) and order[-1] != len(order) - 1

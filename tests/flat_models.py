"""Tiny ``.tflite`` files written by hand, for what no converter would make for us.

A network is a list of operations on named tensors; what no operation makes is a constant, if it is
given values, or else an input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np

from converters.flatbuffer import schema

S = schema()

DTYPES = {"int8": 9, "uint8": 3, "int16": 7, "int32": 2, "float32": 0}
"""Numpy's names to those of ``TensorType``."""


@dataclass
class T:
    """A tensor; ``values`` make it a constant."""

    shape: Sequence[int]
    dtype: str = "int8"
    values: Any = None
    scales: Sequence[float] = (0.5,)
    zero_point: int = 0
    variable: bool = False
    signature: Sequence[int] | None = None
    outside: bool = False


@dataclass
class Op:
    """An operation: kind, names of what goes in ('' for nothing) and comes out, options by name."""

    kind: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    version: int = 1
    options: dict[str, int] = field(default_factory=dict)
    code: int | None = None


OUTSIDE = 4096
"""Where values behind the tables begin."""

OPTIONS = {
    "AVERAGE_POOL_2D": "Pool2D", "CONCATENATION": "Concatenation", "CONV_2D": "Conv2D",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2D", "FULLY_CONNECTED": "FullyConnected",
    "MAX_POOL_2D": "Pool2D", "PACK": "Pack", "STRIDED_SLICE": "StridedSlice",
    "TRANSPOSE_CONV": "TransposeConv",
}  # fmt: skip


def write(path: Path, tensors: dict[str, T], operations: Sequence[Op], subgraphs: int = 1) -> Path:
    """Write a file; its outputs are those of the last operation."""
    model = S.ModelT()
    model.version, model.description = 3, "by hand"
    model.buffers = [S.BufferT()]
    names = list(tensors)
    graph = S.SubGraphT()
    graph.tensors = [_tensor(model, name, tensor) for name, tensor in tensors.items()]
    model.operatorCodes, graph.operators = [], []
    for op in operations:
        graph.operators.append(_operator(model, op, names))
    made = {name for op in operations for name in op.outputs}
    free = [n for n, t in tensors.items() if n not in made and t.values is None and not t.variable]
    graph.inputs = [names.index(n) for n in free if not tensors[n].outside]
    graph.outputs = [names.index(n) for n in operations[-1].outputs]
    model.subgraphs = [graph] * subgraphs
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    content = bytes(builder.Output())
    behind = sum(int(np.prod(t.shape)) for t in tensors.values() if t.outside)
    assert not behind or len(content) < OUTSIDE
    path.write_bytes(content.ljust(OUTSIDE + behind, b"\0") if behind else content)
    return path


def _tensor(model: Any, name: str, facts: T) -> Any:
    tensor, buffer = S.TensorT(), S.BufferT()
    tensor.name, tensor.shape, tensor.type = name, list(facts.shape), DTYPES[facts.dtype]
    tensor.isVariable = facts.variable
    if facts.signature:
        tensor.shapeSignature = list(facts.signature)
    if facts.dtype in ("int8", "uint8", "int16"):
        q = tensor.quantization = S.QuantizationParametersT()
        q.scale, q.zeroPoint = list(facts.scales), [facts.zero_point] * len(facts.scales)
    tensor.buffer = 0
    if facts.values is not None:
        stored = np.broadcast_to(np.asarray(facts.values, facts.dtype), facts.shape)
        buffer.data = np.frombuffer(stored.tobytes(), np.uint8)
    if facts.outside:
        buffer.offset, buffer.size = OUTSIDE, int(np.prod(facts.shape))
    if facts.values is not None or facts.outside:
        tensor.buffer = len(model.buffers)
        model.buffers.append(buffer)
    return tensor


def _operator(model: Any, op: Op, names: list[str]) -> Any:
    code, operator = S.OperatorCodeT(), S.OperatorT()
    builtin = getattr(S.BuiltinOperator, op.kind, None) if op.code is None else op.code
    if builtin is None:
        builtin, code.customCode = S.BuiltinOperator.CUSTOM, op.kind
    code.builtinCode, code.deprecatedBuiltinCode = builtin, min(builtin, 127)
    code.version = op.version
    operator.opcodeIndex = len(model.operatorCodes)
    model.operatorCodes.append(code)
    operator.inputs = [names.index(n) if n else -1 for n in op.inputs]
    operator.outputs = [names.index(n) for n in op.outputs]
    if op.options:
        name = f"{OPTIONS[op.kind]}Options"
        operator.builtinOptionsType = getattr(S.BuiltinOptions, name)
        operator.builtinOptions = getattr(S, f"{name}T")()
        for option, value in op.options.items():
            assert hasattr(operator.builtinOptions, option)
            setattr(operator.builtinOptions, option, value)
    return operator


def chain(path: Path, kinds: Sequence[str], shape: Sequence[int] = (1, 4, 4, 8)) -> Path:
    """Operations with one input and one output of one shape, in a row, all int8."""
    tensors = {f"t{i}": T(shape) for i in range(len(kinds) + 1)}
    return write(path, tensors, [Op(k, [f"t{i}"], [f"t{i + 1}"]) for i, k in enumerate(kinds)])

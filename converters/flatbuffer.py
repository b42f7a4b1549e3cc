"""What stands in a ``.tflite`` file: tensors, operations, bytes, multiply-accumulates.

Reads the FlatBuffer with the schema that the run time brings along, so that a board without
TensorFlow can look into a model too. Nothing is executed.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.errors import MissingExtra, ModelError
from edgecnn.report.layers import Layer
from edgecnn.runtime import intact

MAX_ITEMS = 100_000
"""More tensors or operations than any network here could have: the file is damaged."""

_SIZES = {"float32": 4, "float16": 2, "int32": 4, "uint8": 1, "int64": 8, "int8": 1, "int16": 2,
          "bool": 1}  # fmt: skip


@dataclass(frozen=True)
class TensorFacts:
    """A tensor of the graph.

    Attributes:
        shape: with the leading batch dimension.
        dynamic: the file leaves a dimension open (``-1`` in its shape signature).
        dtype: as numpy names it.
        scales, zero_points: one each where quantised per tensor, one a channel where per channel,
            empty where not quantised.
        constant_bytes: size of its stored values; 0 for an activation.
        variable: it keeps its value from run to run (the state of an LSTM).
        outside: its values stand behind the FlatBuffer, as only run times from 2024 on read them.
        stored: its values as bytes of the file, empty for an activation and where ``outside``.
    """

    name: str
    shape: tuple[int, ...]
    dynamic: bool
    dtype: str
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    constant_bytes: int
    variable: bool = False
    outside: bool = False
    stored: bytes = field(default=b"", repr=False)

    @property
    def integers(self) -> tuple[int, ...]:
        """The values of a stored ``int32`` or ``int64``: a shape, axes, paddings; else nothing."""
        if self.dtype not in ("int32", "int64"):
            return ()
        return tuple(int(n) for n in np.frombuffer(self.stored, f"<i{_SIZES[self.dtype]}"))

    @property
    def bytes(self) -> int:
        """What the tensor takes in memory."""
        return math.prod(self.shape) * _SIZES.get(self.dtype, 1)


@dataclass(frozen=True)
class Operation:
    """An operation of the graph.

    Attributes:
        kind: ``CONV_2D`` and its like; a custom operation's own name.
        version: of the operation, which decides whether an older run time knows it.
        inputs, outputs: indices into :attr:`Graph.tensors`; -1 for an input left out.
        params: trained numbers it holds, biases included.
        param_bytes: what these take in the file.
        macs: multiply-accumulates of one run (convolutions and dense layers; else 0).
        code: number of the builtin operation, 32 for a custom one.
        options: what is in :data:`OPTIONS`, by name; 0 where the file leaves it out.
    """

    kind: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    params: int
    param_bytes: int
    macs: int
    code: int = 0
    options: Mapping[str, int] = field(default_factory=dict)


OPTIONS = (
    "Axis", "BeginMask", "DilationHFactor", "DilationWFactor", "EllipsisMask", "EndMask",
    "FusedActivationFunction", "KeepNumDims", "NewAxisMask", "ShrinkAxisMask", "TimeMajor",
    "WeightsFormat",
)  # fmt: skip
"""Settings of operations that are read, as the schema names them; ``fused_activation_function`` and
the like in :attr:`Operation.options`."""


@dataclass(frozen=True)
class Graph:
    """A model file's first subgraph, and how many subgraphs and bytes there are."""

    tensors: tuple[TensorFacts, ...]
    operations: tuple[Operation, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    subgraphs: int
    file_bytes: int

    def input(self) -> TensorFacts:
        """The first input's tensor."""
        return self.tensors[self.inputs[0]]


def schema() -> Any:
    """The generated FlatBuffer schema of ai-edge-litert, or else of TensorFlow.

    Raises:
        MissingExtra: neither is installed (tflite-runtime brings none).
    """
    try:
        from ai_edge_litert import schema_py_generated
    except ModuleNotFoundError as e:
        if (e.name or "").partition(".")[0] != "ai_edge_litert":
            raise
        try:
            from tensorflow.lite.python import schema_py_generated
        except ModuleNotFoundError as e:
            if (e.name or "").partition(".")[0] != "tensorflow":
                raise
            raise MissingExtra(
                "looking into a .tflite file needs its schema: pip install ai-edge-litert",
                name="ai_edge_litert",
            ) from e
    return schema_py_generated


def read(path: str | Path) -> Graph:
    """The graph of a ``.tflite`` file.

    Raises:
        ModelError: the file cannot be read, is no TFLite model, damaged or cut off.
        MissingExtra: the schema is not installed.
    """
    content = intact.read(path)
    generated = schema()
    try:
        return _graph(generated, content)
    except (struct.error, LookupError, ValueError, TypeError, AttributeError) as e:
        if isinstance(e, ModelError):
            raise
        raise ModelError(
            f"{path} is damaged or cut off ({len(content)} bytes): convert it again"
        ) from e


def _graph(generated: Any, content: bytes) -> Graph:
    model = generated.Model.GetRootAs(content, 0)
    subgraph = model.Subgraphs(0)
    dtypes = _names(generated.TensorType)
    kinds = _names(generated.BuiltinOperator)
    tensors = tuple(
        _tensor(model, subgraph.Tensors(i), dtypes) for i in range(_count(subgraph.TensorsLength()))
    )
    return Graph(
        tensors=tensors,
        operations=tuple(
            _operation(generated, model, subgraph.Operators(i), tensors, kinds)
            for i in range(_count(subgraph.OperatorsLength()))
        ),
        inputs=tuple(subgraph.Inputs(i) for i in range(_count(subgraph.InputsLength()))),
        outputs=tuple(subgraph.Outputs(i) for i in range(_count(subgraph.OutputsLength()))),
        subgraphs=_count(model.SubgraphsLength()),
        file_bytes=len(content),
    )


def _count(length: int) -> int:
    if length > MAX_ITEMS:
        raise ValueError(length)
    return length


def _names(enumeration: Any) -> dict[int, str]:
    return {v: k for k, v in vars(enumeration).items() if isinstance(v, int)}


def _tensor(model: Any, tensor: Any, dtypes: dict[int, str]) -> TensorFacts:
    q = tensor.Quantization()
    buffer = model.Buffers(tensor.Buffer())
    # 0 and 1 are no places behind the file: TensorFlow's schema.fbs, table Buffer.
    outside = getattr(buffer, "Offset", int)() > 1
    return TensorFacts(
        name=(tensor.Name() or b"").decode("utf-8", "replace"),
        shape=tuple(tensor.Shape(i) for i in range(_count(tensor.ShapeLength()))),
        dynamic=any(
            tensor.ShapeSignature(i) < 0 for i in range(_count(tensor.ShapeSignatureLength()))
        ),
        dtype=dtypes[tensor.Type()].lower(),
        scales=tuple(q.Scale(i) for i in range(_count(q.ScaleLength()))) if q else (),
        zero_points=tuple(q.ZeroPoint(i) for i in range(_count(q.ZeroPointLength()))) if q else (),
        constant_bytes=buffer.Size() if outside else buffer.DataLength(),
        variable=bool(tensor.IsVariable()),
        outside=outside,
        stored=buffer.DataAsNumpy().tobytes() if buffer.DataLength() else b"",
    )


def _operation(
    generated: Any,
    model: Any,
    operator: Any,
    tensors: tuple[TensorFacts, ...],
    kinds: dict[int, str],
) -> Operation:
    code = model.OperatorCodes(operator.OpcodeIndex())
    # Files older than 2020 have the kind in the deprecated field alone.
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    kind = kinds.get(number, f"BUILTIN_{number}")  # newer than this schema
    if kind == "CUSTOM":
        kind = (code.CustomCode() or b"CUSTOM").decode("utf-8", "replace")
    inputs = tuple(operator.Inputs(i) for i in range(_count(operator.InputsLength())))
    outputs = tuple(operator.Outputs(i) for i in range(_count(operator.OutputsLength())))
    held = [
        tensors[i]
        for place, i in enumerate(inputs)
        if i >= 0 and tensors[i].constant_bytes and _is_trained(kind, place, tensors[i])
    ]
    return Operation(
        kind=kind,
        version=code.Version(),
        inputs=inputs,
        outputs=outputs,
        params=sum(math.prod(t.shape) for t in held),
        param_bytes=sum(t.constant_bytes for t in held),
        macs=_macs(kind, [tensors[i] for i in inputs if i >= 0], tensors[outputs[0]]),
        code=number,
        options=_options(generated, operator),
    )


def _options(generated: Any, operator: Any) -> dict[str, int]:
    """The settings that an operation has out of :data:`OPTIONS`."""
    table = operator.BuiltinOptions()
    kind = _names(generated.BuiltinOptions).get(operator.BuiltinOptionsType(), "NONE")
    if table is None or kind == "NONE":
        return {}
    options = getattr(generated, kind)()
    options.Init(table.Bytes, table.Pos)
    known = [name for name in OPTIONS if hasattr(options, name)]
    return {re.sub(r"(?<!^)(?=[A-Z])", "_", n).lower(): int(getattr(options, n)()) for n in known}


_BIAS = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3}


def _is_trained(kind: str, place: int, tensor: TensorFacts) -> bool:
    """Integers are shapes, axes and paddings, except where a quantised bias stands."""
    return tensor.dtype not in ("int32", "int64") or place == _BIAS.get(kind)


def _macs(kind: str, inputs: list[TensorFacts], output: TensorFacts) -> int:
    if kind in ("CONV_2D", "FULLY_CONNECTED"):  # weights (out, ..., in)
        return math.prod(output.shape) * math.prod(inputs[1].shape[1:])
    if kind == "DEPTHWISE_CONV_2D":  # weights (1, h, w, out)
        return math.prod(output.shape) * math.prod(inputs[1].shape[1:3])
    if kind == "TRANSPOSE_CONV":  # inputs: shape, weights (out, h, w, in), picture
        return math.prod(inputs[2].shape) * math.prod(inputs[1].shape[:3])
    return 0


def layers(graph: Graph) -> list[Layer]:
    """The operations as rows of :mod:`edgecnn.report.layers`, named after what they compute."""
    rows = []
    for operation in graph.operations:
        output = graph.tensors[operation.outputs[0]]
        is_float = output.dtype.startswith("float")
        rows.append(
            Layer(
                name=output.name,
                type=operation.kind,
                output_shape=output.shape[1:],
                parameters=operation.params,
                macs=operation.macs,
                bytes=operation.param_bytes,
                int8_bytes=None if is_float else operation.param_bytes,
            )
        )
    return rows

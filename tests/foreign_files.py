"""Classifiers as others make them: the tiny model with facts of its own, packed anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from flatbuffers import Builder

from converters.flatbuffer import schema

HERE = Path(__file__).parent
TINY, TINY_FLOAT = HERE / "tiny.tflite", HERE / "tiny-float.tflite"


def changed(path: Path, *edits: Callable[[Any], None]) -> Path:
    """Write the tiny model to ``path``, changed by functions of a ``ModelT``."""
    generated = schema()
    model = generated.ModelT.InitFromObj(generated.Model.GetRootAs(TINY.read_bytes()))
    for edit in edits:
        edit(model)
    builder = Builder(8192)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(builder.Output())
    return path


def quantised(which: str, dtype: str, scale: float, zero_point: int) -> Callable[[Any], None]:
    """An edit: type, scale and zero point of the ``inputs`` or ``outputs``."""

    def edit(model: Any) -> None:
        graph = model.subgraphs[0]
        tensor = graph.tensors[getattr(graph, which)[0]]
        tensor.type = getattr(schema().TensorType, dtype)
        tensor.quantization.scale = np.array([scale], np.float32)
        tensor.quantization.zeroPoint = np.array([zero_point], np.int64)

    return edit


def with_softmax(model: Any) -> None:
    """An edit: the graph ends in a softmax."""
    generated, graph = schema(), model.subgraphs[0]
    code = generated.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = generated.BuiltinOperator.SOFTMAX
    code.version = 1
    model.operatorCodes.append(code)
    tensor = generated.TensorT()
    tensor.name, tensor.type = b"probabilities", generated.TensorType.UINT8
    tensor.shape, tensor.buffer = np.array([1, 3], np.int32), 0
    tensor.quantization = generated.QuantizationParametersT()
    tensor.quantization.scale = np.array([1 / 256], np.float32)
    tensor.quantization.zeroPoint = np.array([0], np.int64)
    graph.tensors.append(tensor)
    operator = generated.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs = np.array(graph.outputs, np.int32)
    operator.outputs = np.array([len(graph.tensors) - 1], np.int32)
    operator.builtinOptionsType = generated.BuiltinOptions.SoftmaxOptions
    operator.builtinOptions = generated.SoftmaxOptionsT()
    operator.builtinOptions.beta = 1.0
    graph.operators.append(operator)
    graph.outputs = operator.outputs
    model.signatureDefs = []


def with_custom(name: str) -> Callable[[Any], None]:
    """An edit: the reshape is a custom operation."""

    def edit(model: Any) -> None:
        generated = schema()
        for code in model.operatorCodes:
            if code.builtinCode == generated.BuiltinOperator.RESHAPE:
                code.builtinCode = code.deprecatedBuiltinCode = generated.BuiltinOperator.CUSTOM
                code.customCode = name.encode()

    return edit


def with_two(which: str) -> Callable[[Any], None]:
    """An edit: the graph has two ``inputs`` or ``outputs``."""

    def edit(model: Any) -> None:
        graph = model.subgraphs[0]
        other = {"inputs": 0, "outputs": len(graph.tensors) - 1}[which]
        setattr(graph, which, np.array([*getattr(graph, which), other], np.int32))
        model.signatureDefs = []

    return edit

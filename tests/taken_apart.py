"""A ``.tflite`` file so that one sees what each of its operations does.

:func:`chained` makes every result an output. :func:`apart` also feeds every operation from inputs
of the file, so that all run times can be given the very same ones and no difference travels on.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import flatbuffers

from converters.flatbuffer import schema

S = schema()


def chained(model: Path, out: Path) -> None:
    """Write ``model`` with the result of each operation as an output, in the file's order."""
    _write(_results_out(_read(model)), out)


def apart(model: Path, out: Path) -> list[tuple[int, int]]:
    """The same, with each operation on inputs of its own.

    Returns:
        Where each input's values come from: number of the operation that makes them in ``model``,
        -1 for the model's own input; and number of the operation that takes them.
    """
    whole = _results_out(_read(model))
    (graph,) = whole.subgraphs
    (picture,) = graph.inputs
    makers = {int(t): k for k, op in enumerate(graph.operators) for t in op.outputs}
    makers[int(picture)] = -1
    inputs: list[int] = []
    sources = []
    for k, op in enumerate(graph.operators):
        op.inputs = [int(tensor) for tensor in op.inputs]
        for i, tensor in enumerate(op.inputs):
            if tensor in makers:
                op.inputs[i] = len(graph.tensors)
                inputs.append(op.inputs[i])
                graph.tensors.append(copy.copy(graph.tensors[tensor]))
                sources.append((makers[tensor], k))
    graph.inputs = inputs
    _write(whole, out)
    return sources


def _read(path: Path) -> Any:
    return S.ModelT.InitFromObj(S.Model.GetRootAs(path.read_bytes()))


def _results_out(model: Any) -> Any:
    (graph,) = model.subgraphs
    for op in graph.operators:
        (_,) = op.outputs  # nothing that we offer has two
    graph.outputs = [op.outputs[0] for op in graph.operators]
    model.signatureDefs, model.metadata = [], []  # they speak of the old inputs and outputs
    return model


def _write(model: Any, path: Path) -> None:
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))

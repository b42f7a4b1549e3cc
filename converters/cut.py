"""Parts of a ``.tflite`` network as models of their own, run on what one gives them.

A part is cut out by its ends: the tensors that it computes and those that it is given. The run
time then computes it with its own kernels, so that nothing of them has to be known here.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from converters import flatbuffer
from converters.flatbuffer import TensorFacts
from edgecnn.errors import ModelError
from edgecnn.images import Floats
from edgecnn.runtime.interpreter import Tensor, default_threads, runtime_module


class Network:
    """A ``.tflite`` file of one subgraph.

    Attributes:
        graph: what stands in it.
        makers: which operation computes a tensor.

    Raises:
        ModelError: it is damaged, or has several subgraphs.
        MissingExtra: the schema is not installed.
    """

    def __init__(self, path: str | Path):
        self.graph = flatbuffer.read(path)
        if self.graph.subgraphs != 1:
            raise ModelError(
                f"expected a network of one subgraph. {path} has {self.graph.subgraphs}: leave "
                "loops and conditions out of it"
            )
        self.makers = {t: k for k, o in enumerate(self.graph.operations) for t in o.outputs}
        self._schema = flatbuffer.schema()
        self._model = self._schema.ModelT.InitFromPackedBuf(Path(path).read_bytes(), 0)

    def part(
        self,
        outputs: Sequence[int],
        given: Collection[int],
        constants: Mapping[int, npt.NDArray[Any]] | None = None,
    ) -> Part:
        """What computes ``outputs`` from tensors out of ``given`` and of the network's input.

        Args:
            outputs: tensors that operations compute.
            given: where to stop, though not at ``outputs``; the part's inputs are those that were
                reached.
            constants: other values for stored tensors.
        """
        kept, inputs = self._behind(outputs, given)
        used = {t for k in kept for t in self._operation(k) if t >= 0} | {*inputs, *outputs}
        places = {tensor: place for place, tensor in enumerate(sorted(used))}
        content = self._packed(kept, inputs, outputs, places, constants or {})
        tensors = {t: described(self.graph.tensors[t]) for t in (*inputs, *outputs)}
        return Part(content, inputs, outputs, places, tensors)

    def _operation(self, index: int) -> tuple[int, ...]:
        operation = self.graph.operations[index]
        return (*operation.inputs, *operation.outputs)

    def ends(self, outputs: Sequence[int], given: Collection[int]) -> set[int]:
        """The inputs that :meth:`part` would have."""
        return set(self._behind(outputs, given)[1])

    def _behind(
        self, outputs: Sequence[int], given: Collection[int]
    ) -> tuple[list[int], list[int]]:
        """Operations and given tensors that ``outputs`` depend on, in the file's order."""
        known = {*given, *self.graph.inputs} - {*outputs}
        operations, reached, open_ends = set[int](), set[int](), list(outputs)
        while open_ends:
            tensor = open_ends.pop()
            if tensor in known:
                reached.add(tensor)
            elif (maker := self.makers.get(tensor)) is not None and maker not in operations:
                operations.add(maker)
                open_ends += self.graph.operations[maker].inputs
        return sorted(operations), sorted(reached)

    def _packed(
        self,
        operations: Sequence[int],
        inputs: Sequence[int],
        outputs: Sequence[int],
        places: Mapping[int, int],
        constants: Mapping[int, npt.NDArray[Any]],
    ) -> bytes:
        """A file of these operations and the tensors in ``places``, and nothing else."""
        import flatbuffers

        whole = self._model.subgraphs[0]
        model, subgraph = copy.copy(self._model), copy.copy(whole)
        model.subgraphs, model.buffers = [subgraph], [self._schema.BufferT()]
        # They name tensors by their place in the whole network.
        model.signatureDefs, model.metadata, model.metadataBuffer = None, None, None
        subgraph.tensors, subgraph.operators = [], []
        for tensor in places:
            kept = copy.copy(whole.tensors[tensor])
            buffer = copy.copy(self._model.buffers[kept.buffer])
            if tensor in constants:
                buffer.data = np.ascontiguousarray(constants[tensor]).view(np.uint8).ravel()
            kept.buffer = len(model.buffers)
            model.buffers.append(buffer)
            subgraph.tensors.append(kept)
        for k in operations:
            operator = copy.copy(whole.operators[k])
            operator.inputs = [places.get(t, -1) for t in operator.inputs]
            operator.outputs = [places[t] for t in operator.outputs]
            subgraph.operators.append(operator)
        subgraph.inputs = [places[t] for t in inputs]
        subgraph.outputs = [places[t] for t in outputs]
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


class Part:
    """A part as a function; see :meth:`Network.part`.

    Attributes:
        inputs, outputs: places in the tensors of the whole network's graph.
    """

    def __init__(
        self,
        content: bytes,
        inputs: Sequence[int],
        outputs: Sequence[int],
        places: Mapping[int, int],
        tensors: Mapping[int, Tensor],
    ):
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)
        self._places, self._tensors = places, tensors
        self._content = content  # the interpreter reads weights from it
        self._interpreter = runtime_module().Interpreter(
            model_content=content, num_threads=default_threads()
        )
        self._interpreter.allocate_tensors()

    def __call__(self, given: Mapping[int, Floats]) -> dict[int, Floats]:
        """Run once for each picture.

        Args:
            given: real numbers ``(N, ...)`` for each of the inputs, N pictures; more are ignored.
                They are quantised where the file has integers.

        Returns:
            Real numbers ``(N, ...)``, ``float32``, for each of the outputs.
        """
        counts = {len(given[i]) for i in self.inputs}
        runs = [self._run({i: given[i][n : n + 1] for i in self.inputs}) for n in range(*counts)]
        return {i: np.concatenate([run[i] for run in runs]) for i in self.outputs}

    def _run(self, given: Mapping[int, Floats]) -> dict[int, Floats]:
        for i in self.inputs:
            self._interpreter.set_tensor(self._places[i], self._tensors[i].quantise(given[i]))
        self._interpreter.invoke()
        return {
            i: self._tensors[i].dequantise(self._interpreter.get_tensor(self._places[i]))
            for i in self.outputs
        }


def described(tensor: TensorFacts) -> Tensor:
    """A tensor with one scale, or none, as the run time's :class:`Tensor`."""
    scale, zero_point = (*tensor.scales, 0.0)[0], (*tensor.zero_points, 0)[0]
    return Tensor(tensor.name, tensor.shape, tensor.dtype, scale, zero_point)

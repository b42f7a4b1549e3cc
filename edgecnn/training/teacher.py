"""An embedding network in ONNX that teaches: its embeddings, and what its stages hand on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgecnn.errors import ModelError, needs
from edgecnn.images import Floats, Image

BATCH = 64
"""Faces that the teacher is shown at a time."""


class Teacher:
    """A teacher for aligned faces.

    Expected of the file: one input ``(N, 3, H, W)``, RGB, 0…255; one output ``(N, D)``.

    Attributes:
        dimension: D.
        has_stages: whether it has a stage for every shape that was asked for.

    Args:
        stage_shapes: ``(height, width, channels)`` of the stages wanted. A teacher's stage is
            the last residual sum (``Add``) of that shape.
        threads: processors to use, 0 for all there are.

    Raises:
        ModelError: the file cannot be read or has another input or output.
    """

    def __init__(self, path: str | Path, stage_shapes: list[tuple[int, int, int]], threads: int):
        with needs("train", "onnx", "onnxruntime"):
            import onnx
            import onnxruntime
        try:
            model = onnx.shape_inference.infer_shapes(onnx.load(path))
        except Exception as e:  # protobuf's and onnx's own errors share no base class
            first_line = (str(e).splitlines() or ["not ONNX"])[0]
            raise ModelError(f"{path} is not an ONNX network that can be read: {first_line}") from e
        graph = model.graph
        wanted = {f"{h}x{w}x{c}": "" for h, w, c in stage_shapes}
        sums = {n.output[0] for n in graph.node if n.op_type == "Add"}
        for value in graph.value_info:
            dims = [d.dim_value for d in value.type.tensor_type.shape.dim]
            if value.name in sums and len(dims) == 4:
                key = f"{dims[2]}x{dims[3]}x{dims[1]}"
                if key in wanted:
                    wanted[key] = value.name
        self.has_stages = bool(stage_shapes) and all(wanted.values())
        self._outputs = [graph.output[0].name]
        if self.has_stages:
            names = [wanted[f"{h}x{w}x{c}"] for h, w, c in stage_shapes]
            self._outputs += names
            graph.output.extend(v for name in names for v in graph.value_info if v.name == name)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Threads that wait by spinning would take the processors from the student.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        inputs = self._session.get_inputs()
        shape = self._session.get_outputs()[0].shape
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or len(shape) != 2:
            raise ModelError(
                f"expected a teacher with input (N, 3, H, W) and output (N, D). {path} has "
                f"inputs {[i.shape for i in inputs]} and output {shape}"
            )
        self._input = inputs[0].name
        self.dimension = int(shape[1])

    def __call__(self, pixels: Image, stages: bool = False) -> tuple[Floats, list[Floats]]:
        """Embeddings, and the stages' outputs where asked for.

        Args:
            pixels: ``(N, H, W, 3)`` uint8 RGB.

        Returns:
            ``(N, D)`` of unit length, and one ``(N, h, w, c)`` for each stage.
        """
        names = self._outputs if stages else self._outputs[:1]
        parts = [self._run(names, pixels[i : i + BATCH]) for i in range(0, len(pixels), BATCH)]
        out = [np.concatenate(part) for part in zip(*parts, strict=True)]
        features = [np.ascontiguousarray(x.transpose(0, 2, 3, 1)) for x in out[1:]]
        return out[0] / np.linalg.norm(out[0], axis=1, keepdims=True), features

    def hints(self, pixels: Image, asked: int) -> tuple[list[Floats], Floats]:
        """The stages' outputs for the first ``asked`` faces of a batch, zeros for the others, and
        how much each face counts, 1 in the mean.

        Args:
            pixels: ``(N, H, W, 3)`` uint8 RGB.

        Returns:
            One ``(N, h, w, c)`` for each stage, and ``(N,)``.
        """
        _, some = self(pixels[:asked], stages=True)
        rest = len(pixels) - len(some[0])
        count = np.zeros(len(pixels), np.float32)
        count[: len(some[0])] = len(pixels) / len(some[0])
        return [np.pad(x, ((0, rest), (0, 0), (0, 0), (0, 0))) for x in some], count

    def _run(self, names: list[str], pixels: Image) -> list[Floats]:
        planes = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32)
        outputs: list[Floats] = self._session.run(names, {self._input: planes})
        return outputs

"""An embedding network in ONNX that teaches: its embeddings, and what its stages hand on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.data import aligned
from edgecnn.errors import ModelError, needs
from edgecnn.faces.embed import unit
from edgecnn.images import Floats, Image, Preprocess
from edgecnn.storage import whole_file

if TYPE_CHECKING:
    from edgecnn.training.fit import Progress

BATCH = 64
"""Faces that the teacher is shown at a time."""


class Teacher:
    """A teacher for aligned faces.

    Expected of the file: one input ``(N, 3, H, W)``, RGB, 0…255; one output ``(N, D)``; N is open,
    or 1.

    Attributes:
        dimension: D.
        size_wh: W and H; None where they are open.
        has_stages: whether it has a stage for every shape that was asked for, and takes the
            student's faces as they are.

    Args:
        stage_shapes: ``(height, width, channels)`` of the stages wanted. A teacher's stage is
            the last residual sum (``Add``) of that height and width; where it has more channels,
            :meth:`narrow` comes before the first question.
        threads: processors to use, 0 for all there are.
        size_wh: of the student's faces; None: no matter.

    Raises:
        ModelError: the file cannot be read or has another input or output.
    """

    def __init__(
        self, path: str | Path, stage_shapes: list[tuple[int, int, int]], threads: int,
        size_wh: tuple[int, int] | None = None,
    ):  # fmt: skip
        with needs("train", "onnx", "onnxruntime"):
            import onnx
            import onnxruntime
        try:
            model = onnx.shape_inference.infer_shapes(onnx.load(path))
        except Exception as e:  # protobuf's and onnx's own errors share no base class
            first_line = (str(e).splitlines() or ["not ONNX"])[0]
            raise ModelError(f"{path} is not an ONNX network that can be read: {first_line}") from e
        graph = model.graph
        shapes = {
            value.name: tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
            for value in graph.value_info
        }
        sums = [
            (n.output[0], shapes.get(n.output[0], ())) for n in graph.node if n.op_type == "Add"
        ]
        ends = {shape[2:]: (name, shape[1]) for name, shape in sums if len(shape) == 4}
        found = [ends.get((h, w), ("", 0)) for h, w, _ in stage_shapes]
        self._channels = [c for *_, c in stage_shapes]
        self.has_stages = bool(found) and all(
            has >= c for (_, has), c in zip(found, self._channels, strict=True)
        )
        self._bases: list[Floats | None] = [None] * len(found)
        self._outputs = [graph.output[0].name]
        if self.has_stages:
            names = [name for name, _ in found]
            self._outputs += names
            graph.output.extend(v for name in names for v in graph.value_info if v.name == name)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Threads that wait by spinning would take the processors from the student.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        inputs = self._session.get_inputs()
        taken, given = inputs[0].shape, self._session.get_outputs()[0].shape
        # What is open stands in a shape as a name, or as None.
        fixed = taken[0] if isinstance(taken[0], int) else None
        shaped = len(taken) == 4 and len(given) == 2 and isinstance(given[1], int)
        if len(inputs) != 1 or not shaped or fixed not in (None, 1):
            raise ModelError(
                f"expected a teacher with input (N, 3, H, W) and output (N, D), N open or 1. "
                f"{path} has inputs {[i.shape for i in inputs]} and output {given}"
            )
        self._input, self._batch = inputs[0].name, fixed or BATCH
        self.dimension = int(given[1])
        h, w = taken[2:]
        self.size_wh = (w, h) if isinstance(w, int) and isinstance(h, int) else None
        if size_wh is not None and self.size_wh not in (None, size_wh):
            self.has_stages = False

    def __call__(self, pixels: Image, stages: bool = False) -> tuple[Floats, list[Floats]]:
        """Embeddings, and the stages' outputs where asked for.

        Args:
            pixels: ``(N, H, W, 3)`` uint8 RGB.

        Returns:
            ``(N, D)`` of unit length, and one ``(N, h, w, c)`` for each stage.
        """
        names, n = self._outputs if stages else self._outputs[:1], self._batch
        parts = [self._run(names, some) for some in np.split(pixels, range(n, len(pixels), n))]
        out = [np.concatenate(part) for part in zip(*parts, strict=True)]
        features = [np.ascontiguousarray(x.transpose(0, 2, 3, 1)) for x in out[1:]]
        for i, base in enumerate(self._bases if stages else ()):
            features[i] = features[i] if base is None else features[i] @ base
        return unit(out[0]), features

    def narrow(self, pixels: Image) -> None:
        """Stages with more channels than wanted hand on as many principal components of them from
        now on, as they are on some faces: ``(N, H, W, 3)`` uint8 RGB."""
        self._bases = [None] * len(self._channels)
        for i, x in enumerate(self(pixels, stages=True)[1]):
            if (c := self._channels[i]) < x.shape[-1]:
                rows = x.reshape(-1, x.shape[-1])
                _, vectors = np.linalg.eigh(rows.T @ rows)  # in ascending order
                base = vectors[:, : -c - 1 : -1]
                # A component's sign is anybody's: its largest number is above 0.
                self._bases[i] = base * np.sign(base[np.abs(base).argmax(axis=0), range(c)])

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

    def faces(self, data: str | Path, faces: aligned.AlignedFaces) -> Image:
        """The pixels of faces of ``data`` at the size that the teacher takes, ``(N, H, W, 3)``
        uint8 RGB: read again where that is another than theirs, so that no detail is lost."""
        height, width = faces.pixels.shape[1:3]
        if self.size_wh in (None, (width, height)):
            return faces.pixels
        people = dict.fromkeys(faces.files, "")
        return aligned.load(data, people, Preprocess(self.size_wh, "RGB", "stretch")).pixels


def kept_answers(
    path: Path, teacher: str | Path, data: str | Path, faces: aligned.AlignedFaces,
    progress: Progress | None,
) -> Floats:  # fmt: skip
    """What a teacher says of each face of ``data`` and its mirror image together, ``(N, D)``.

    Asked once and kept in ``path``.
    """
    if path.exists():
        kept: Floats = np.load(path, allow_pickle=False)
        return kept
    asked = Teacher(teacher, [], threads=0)  # the student waits: every core is free
    pixels = asked.faces(data, faces)
    said = np.empty((len(pixels), asked.dimension), np.float32)
    step = 256
    for i in range(0, len(pixels), step):
        some = pixels[i : i + step]
        said[i : i + step] = asked(some)[0] + asked(some[:, :, ::-1])[0]
        if progress:
            progress("teacher", min(i + step, len(pixels)), len(pixels), {})
    said = unit(said)
    with whole_file(path) as draft, open(draft, "wb") as f:
        np.save(f, said)
    return said

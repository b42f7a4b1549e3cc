"""An aligned face in, a point on the unit sphere out; faces of one person lie close together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgecnn.bundle import Bundle, ModelEntry
from edgecnn.errors import ModelError
from edgecnn.images import Floats, Image
from edgecnn.runtime.interpreter import Model


def unit(vectors: npt.NDArray[np.floating]) -> Floats:
    """``(..., D)`` scaled to length 1 along the last axis, float32; a zero vector stays zero."""
    vectors = np.asarray(vectors, np.float32)
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, np.finfo(np.float32).tiny), np.float32)


def fingerprint(bundle: Bundle) -> str:
    """SHA-256 of a bundle's embedder: embeddings of two embedders cannot be compared."""
    return bundle.manifest.files[bundle.entry("embedder").file]


class Embedder:
    """The embedder of a bundle.

    Attributes:
        dimension: length of an embedding.
        mirror: also embed the mirrored face and add both, before scaling to length 1. Twice the
            time for less noise: used for enrolment and for measuring.

    Raises:
        ModelError: the model does not have one output ``(1, D)``.
    """

    def __init__(self, model: Model, entry: ModelEntry, *, mirror: bool = False):
        shapes = [t.shape for t in model.outputs]
        if len(shapes) != 1 or len(shapes[0]) != 2:
            raise ModelError(
                f"expected an embedder with one output (1, D). {model.path} has {shapes}: "
                "convert the run again"
            )
        self.dimension = shapes[0][1]
        self.mirror = mirror
        self._model, self._preprocess = model, entry.picture

    @classmethod
    def of(cls, bundle: Bundle, threads: int | None = None, *, mirror: bool = False) -> Embedder:
        """The embedder of a bundle."""
        return cls(bundle.model("embedder", threads), bundle.entry("embedder"), mirror=mirror)

    def __call__(self, face_bgr: Image, mirror: bool | None = None) -> Floats:
        """Embed a face.

        Args:
            face_bgr: ``(112, 112, 3)`` uint8 BGR from :func:`edgecnn.faces.align.align`.
            mirror: overrules :attr:`mirror`.

        Returns:
            ``(D,)`` float32 of length 1.
        """
        pixels = self._preprocess(face_bgr)
        raw = self._model(pixels)[0][0]
        if self.mirror if mirror is None else mirror:
            raw = raw + self._model(np.ascontiguousarray(pixels[:, ::-1]))[0][0]
        return unit(raw)

"""Faces in a picture: the detector's nine outputs, decoded.

For each stride s of 8, 16 and 32 the network gives three tensors ``(1, H/s, W/s, C)``. The cell in
row i and column j has its centre at ``((j + 1/2) s, (i + 1/2) s)`` of the network's input, and

* score (C = 1), 0…1: that a face has its centre here, times the root of the IoU expected of its
  box;
* box (C = 4), ``v`` in 0…6: the box's centre is ``(v[:2] - 3) s / 2`` away from the cell's, and its
  width and height are ``s exp((v[2:] - 3) / 2 + 5/4)``, which is 0.8 s … 15.6 s;
* landmarks (C = 10), ``v`` in 0…6: each is ``(v - 3) / 4`` of width and height away from the
  centre of the box.

With a fixed range of 0…6 an int8 file is exact to 0.6 % of a face's size, whatever the stride.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edgecnn.bundle import DETECTOR, PORTRAIT, Bundle, ModelEntry
from edgecnn.errors import ModelError
from edgecnn.faces.boxes import nms
from edgecnn.faces.types import Detection
from edgecnn.images import Floats, Image, Preprocess, largest
from edgecnn.runtime.interpreter import Model, Tensor

MIDDLE, CENTRE_STEP, SIZE_STEP, SIZE_SHIFT, LANDMARK_STEP = 3.0, 0.5, 0.5, 1.25, 0.25
"""The code of boxes and landmarks, as in the module's formulas."""
MOST = 256
"""Candidates kept for suppression: more than faces fit in a picture, few enough to stay fast."""

Faces = tuple[Floats, Floats, Floats]
"""Boxes ``(N, 4)`` left, top, right, bottom; scores ``(N,)``; landmarks ``(N, 5, 2)``; float32."""


class Level(NamedTuple):
    """One stride: where its three tensors stand among the outputs."""

    stride: int
    columns: int
    score: int
    box: int
    landmarks: int


@lru_cache(maxsize=8)
def levels(shapes: tuple[tuple[int, ...], ...], width: int) -> tuple[Level, ...]:
    """The strides, finest first, told by the outputs' shapes; a file's order means nothing.

    Args:
        shapes: of all outputs, ``(1, rows, columns, C)``.
        width: of the network's input.

    Raises:
        ModelError: these are not the outputs of this project's detector.
    """
    grids: dict[tuple[int, int], dict[int, int]] = {}
    for k, shape in enumerate(shapes):
        if len(shape) == 4:
            grids.setdefault((shape[1], shape[2]), {})[shape[3]] = k
    if (
        not grids
        or len(shapes) != 3 * len(grids)
        or any(set(g) != {1, 4, 10} for g in grids.values())
    ):
        raise ModelError(
            "expected a score, a box and a landmark tensor (1, 4 and 10 channels) for each "
            f"stride. Received: {list(shapes)}: use a detector made by edgecnn"
        )
    return tuple(
        Level(2 ** round(np.log2(width / columns)), columns, g[1], g[4], g[10])
        for (_, columns), g in sorted(grids.items(), reverse=True)
    )


def decode(
    outputs: Sequence[npt.NDArray[Any]],
    tensors: Sequence[Tensor],
    width: int,
    score_threshold: float,
) -> Faces:
    """Candidates at or above the threshold, best first, in pixels of the network's input.

    Scores are compared as the integers they are stored as, and only what survives is
    de-quantised.

    Args:
        outputs: stored arrays, each with a leading dimension of 1.
        tensors: what the file says of them, in the same order.
        width: of the network's input, in pixels.

    Returns:
        At most :data:`MOST` faces; arrays with a first dimension of 0 where there are none.
    """
    found: list[tuple[Level, npt.NDArray[np.intp]]] = []
    for level in levels(tuple([o.shape for o in outputs]), width):
        tensor, stored = tensors[level.score], outputs[level.score].reshape(-1)
        limit = score_threshold
        if tensor.scale:
            # A little less than the threshold's own step, lest rounding lose an exact hit.
            limit = np.ceil(score_threshold / tensor.scale - 1e-3) + tensor.zero_point
        cells = np.flatnonzero(stored >= limit)
        if len(cells):
            found.append((level, cells))
    if not found:
        return _empty()
    scores: list[Floats] = []
    boxes: list[Floats] = []
    marks: list[Floats] = []
    grid: list[Floats] = []
    for level, cells in found:
        for into, k, channels in (
            (scores, level.score, 1),
            (boxes, level.box, 4),
            (marks, level.landmarks, 10),
        ):
            into.append(tensors[k].dequantise(outputs[k].reshape(-1, channels)[cells]))
        rows, columns = np.divmod(cells, level.columns)
        grid.append(
            np.stack([columns + 0.5, rows + 0.5, np.ones(len(cells))], 1).astype(np.float32)
            * np.float32(level.stride)
        )
    score = np.concatenate(scores)[:, 0]
    # mergesort is stable: of equal scores the finer stride and then the upper left comes first.
    best = np.argsort(-score, kind="mergesort")[:MOST]
    box, landmarks = decode_cells(
        np.concatenate(boxes)[best], np.concatenate(marks)[best], np.concatenate(grid)[best]
    )
    return box, score[best], landmarks


def decode_cells(box: Floats, landmarks: Floats, grid: Floats) -> tuple[Floats, Floats]:
    """The formulas of the module: ``(N, 4)``, ``(N, 10)`` and ``(N, 3)`` to boxes and landmarks.

    Args:
        grid: x and y of the cell's centre, and the stride.
    """
    stride = grid[:, 2:]
    centre = grid[:, :2] + (box[:, :2] - MIDDLE) * (CENTRE_STEP * stride)
    size = stride * np.exp((box[:, 2:] - MIDDLE) * SIZE_STEP + SIZE_SHIFT)
    corners = np.concatenate([centre - size / 2, centre + size / 2], 1)
    away = (landmarks.reshape(-1, 5, 2) - MIDDLE) * LANDMARK_STEP
    points = centre[:, None] + away * size[:, None]
    return corners.astype(np.float32), points.astype(np.float32)


def _empty() -> Faces:
    return np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32)


class Detector:
    """A detector model, and what its manifest entry says of it.

    Attributes:
        score_threshold, nms_iou: from the entry's facts; may be changed.

    Raises:
        ModelError: the entry has no thresholds, or the model has other outputs.
    """

    def __init__(self, model: Model, entry: ModelEntry):
        self._models: dict[Preprocess, Model] = {}
        self._add(model, entry)
        try:
            self.score_threshold = float(entry.facts["score_threshold"])
            self.nms_iou = float(entry.facts["nms_iou"])
        except (KeyError, TypeError, ValueError) as e:
            raise ModelError(
                f"expected score_threshold and nms_iou in the facts of {entry.file}. "
                f"Received: {entry.facts}: convert the run again"
            ) from e

    @classmethod
    def of(cls, bundle: Bundle, threads: int | None = None) -> Detector:
        """The detector of a bundle; pictures that are higher than wide go to its twin for these,
        where there is one."""
        made = cls(bundle.model(DETECTOR, threads), bundle.entry(DETECTOR))
        if PORTRAIT in bundle.manifest.models:
            made._add(bundle.model(PORTRAIT, threads), bundle.entry(PORTRAIT))
        return made

    def _add(self, model: Model, entry: ModelEntry) -> None:
        levels(tuple(t.shape for t in model.outputs), entry.picture.size_wh[0])
        self._models[entry.picture] = model

    def __call__(self, frame_bgr: Image) -> list[Detection]:
        """Faces in a ``(H, W, 3)`` uint8 BGR picture, in its pixels, best first."""
        preprocess = largest(self._models, frame_bgr)
        model = self._models[preprocess]
        boxes, scores, landmarks = decode(
            model.from_pixels(preprocess(frame_bgr)),
            model.outputs,
            preprocess.size_wh[0],
            self.score_threshold,
        )
        if not len(scores):
            return []
        sx, sy = preprocess.scale(frame_bgr)
        scale = np.array((sx, sy, sx, sy), np.float32)
        return [
            Detection(boxes[k] / scale, float(scores[k]), landmarks[k] / scale[:2])
            for k in nms(boxes, scores, self.nms_iou)
        ]

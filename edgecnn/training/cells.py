"""What each cell of the detector is to say, and what it costs to say something else.

Targets are made by numpy, the loss by ``keras.ops``. Cells of all strides stand in one row, those
of stride 8 first, each stride row by row.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from edgecnn.errors import needs
from edgecnn.faces.detect import CENTRE_STEP, LANDMARK_STEP, MIDDLE, SIZE_SHIFT, SIZE_STEP
from edgecnn.images import Floats
from edgecnn.networks.detector import STRIDES

with needs("train", "keras", "tensorflow"):
    import keras
    from keras import ops

SIDES = {8: (0.0, 40.0), 16: (28.0, 96.0), 32: (68.0, np.inf)}
"""Sides of the faces (root of the area, in input pixels) that each stride finds. They overlap, and
a face near the seam is learnt by both strides: as it grows in front of a camera, one hands it to
the other."""
NEAR = 1.3
"""A face outside a stride's sides by less than this factor is no mistake there, if found."""
RADIUS, RADIUS_SHARE, RADIUS_MOST = 0.75, 0.15, 1.4
"""How far from a face's centre cells find it: the larger of 0.75 strides and 0.15 sides, but at
most 1.4 strides, since the code of a box reaches 1.5 strides."""
RING = 1.6
"""Cells within this many radii that are not to find the face are no mistake, if they do."""
FOUND, NOTHING, EITHER = 1.0, 0.0, -1.0
CLEAR = 40.0
"""Side of a face, in input pixels, from which its landmarks count in full."""
WEIGHTS = {"score": 1.0, "box": 2.0, "landmarks": 25.0}


@lru_cache(maxsize=8)
def grid(size_wh: tuple[int, int]) -> Floats:
    """Centre x, centre y and stride of every cell: ``(cells, 3)`` float32."""
    parts = []
    for s in STRIDES:
        columns, rows = -(-size_wh[0] // s), -(-size_wh[1] // s)
        x, y = np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5)
        parts.append(np.stack([x * s, y * s, np.full_like(x, s)], 2).reshape(-1, 3))
    cells = np.concatenate(parts).astype(np.float32)
    cells.flags.writeable = False
    return cells


def targets(faces: Floats, ignore: Floats, size_wh: tuple[int, int]) -> Floats:
    """What every cell is to say: ``(cells, 15)`` float32.

    Columns: 1 for a face, 0 for none, -1 where both are right; then the face's box and landmarks,
    ``(14,)`` in input pixels, zero where there is none.

    Args:
        faces: ``(N, 14)``; of two faces in one cell the smaller wins.
        ignore: ``(M, 4)`` boxes in which nothing is to be learnt.
    """
    cells = grid(size_wh)
    wanted = np.zeros((len(cells), 15), np.float32)
    x, y, stride = cells.T
    low, high = np.array([SIDES[s] for s in STRIDES]).T
    level = np.searchsorted(STRIDES, stride)
    low, high = low[level], high[level]
    for box in ignore:
        inside = (x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3])
        wanted[inside, 0] = EITHER
    sides = np.sqrt(np.prod(faces[:, 2:4] - faces[:, :2], axis=1))
    away = np.maximum(
        np.abs(x - ((faces[:, 0] + faces[:, 2]) / 2)[:, None]),
        np.abs(y - ((faces[:, 1] + faces[:, 3]) / 2)[:, None]),
    )  # (N, cells)
    order = np.argsort(-sides, kind="stable")
    radii = [np.clip(RADIUS_SHARE * s, RADIUS * stride, RADIUS_MOST * stride) for s in sides]
    for k in order:
        near = (sides[k] > low / NEAR) & (sides[k] < high * NEAR)
        wanted[near & (away[k] < RING * radii[k]), 0] = EITHER
    for k in order:
        mine = (sides[k] >= low) & (sides[k] <= high) & (away[k] < radii[k])
        wanted[mine, 0] = FOUND
        wanted[mine, 1:] = faces[k]
    return wanted


def joined(network: Any) -> Any:
    """The detector as the loss wants it: one output ``(batch, cells, 15)``.

    Columns: score logit, four of the box, ten of the landmarks.
    """
    rows = []
    for s in STRIDES:
        parts = [network.get_layer(f"{n}{s}").output for n in ("logit", "box", "landmarks")]
        x = keras.layers.Concatenate(name=f"joined{s}")(parts)
        rows.append(keras.layers.Reshape((-1, 15), name=f"rows{s}")(x))
    return keras.Model(network.input, keras.layers.Concatenate(axis=1, name="joined")(rows))


class CellLoss(keras.losses.Loss):  # type: ignore[misc]
    """Quality focal loss for scores, generalised IoU for boxes, a soft L1 for landmarks.

    A score is to be the root of the IoU of the cell's own box (Li et al. 2020, Generalized Focal
    Loss, eq. 6, with beta = 2), so that of several boxes of a face the best one wins; the root
    keeps a face whose box is middling, which counts as found, apart from what is no face. Boxes:
    Rezatofighi et al. 2019. Landmarks: ``sqrt(d² + 0.01²)`` with ``d`` in sides of the face.
    """

    def __init__(self, size_wh: tuple[int, int]):
        super().__init__(name="cells", reduction=None)
        self._grid = grid(size_wh)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """``(batch, cells, 15)`` twice to the loss of the whole batch, a scalar."""
        kind, target = y_true[..., 0], y_true[..., 1:]
        found = ops.cast(kind > 0.5, "float32")
        count = ops.maximum(ops.sum(found), 1.0)
        cells = ops.convert_to_tensor(self._grid)
        stride = cells[:, 2:]
        centre = cells[:, :2] + (y_pred[..., 1:3] - MIDDLE) * (CENTRE_STEP * stride)
        size = stride * ops.exp((y_pred[..., 3:5] - MIDDLE) * SIZE_STEP + SIZE_SHIFT)
        box = ops.concatenate([centre - size / 2, centre + size / 2], -1)
        iou, generalised = _overlaps(box, target[..., :4])
        box_loss = ops.sum(found * (1.0 - generalised)) / count

        away = (ops.reshape(y_pred[..., 5:], (*ops.shape(size)[:2], 5, 2)) - MIDDLE) * LANDMARK_STEP
        points = centre[..., None, :] + away * size[..., None, :]
        wanted = ops.reshape(target[..., 4:], ops.shape(points))
        area = ops.prod(target[..., 2:4] - target[..., :2], axis=-1)
        side = ops.sqrt(ops.maximum(area, 1.0))[..., None, None]
        distance = ops.mean(ops.sqrt(((points - wanted) / side) ** 2 + 1e-4) - 1e-2, (-1, -2))
        # Pixels limit how well the landmarks of a small face can be told; it is not to outweigh.
        clear = ops.clip(side[..., 0, 0] / CLEAR, 0.2, 1.0)
        landmark_loss = ops.sum(found * clear * distance) / count

        logit = y_pred[..., 0]
        quality = found * ops.stop_gradient(ops.sqrt(ops.clip(iou, 0.0, 1.0)))
        entropy = ops.softplus(logit) - logit * quality
        focus = (quality - ops.sigmoid(logit)) ** 2
        told = ops.cast(kind > -0.5, "float32")
        score_loss = ops.sum(told * focus * entropy) / count
        return (
            WEIGHTS["score"] * score_loss
            + WEIGHTS["box"] * box_loss
            + WEIGHTS["landmarks"] * landmark_loss
        )


def _overlaps(a: Any, b: Any) -> tuple[Any, Any]:
    """IoU and generalised IoU of ``(..., 4)`` boxes, pair by pair."""
    low, high = ops.maximum(a[..., :2], b[..., :2]), ops.minimum(a[..., 2:], b[..., 2:])
    shared = ops.prod(ops.maximum(high - low, 0.0), axis=-1)
    area_a, area_b = (ops.prod(x[..., 2:] - x[..., :2], axis=-1) for x in (a, b))
    union = area_a + area_b - shared
    hull = ops.prod(
        ops.maximum(a[..., 2:], b[..., 2:]) - ops.minimum(a[..., :2], b[..., :2]), axis=-1
    )
    iou = shared / ops.maximum(union, 1e-6)
    return iou, iou - (hull - union) / ops.maximum(hull, 1e-6)

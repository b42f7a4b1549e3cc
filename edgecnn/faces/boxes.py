"""Boxes, ``(N, 4)`` left, top, right, bottom: how much they overlap, and which of many to keep."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgecnn.images import Floats


def box_iou(a_xyxy: npt.NDArray[np.floating], b_xyxy: npt.NDArray[np.floating]) -> Floats:
    """Intersection over union of boxes ``(N, 4)`` and ``(M, 4)``: ``(N, M)`` float32, 0…1; a box
    without an area overlaps nothing."""
    a = np.asarray(a_xyxy, np.float32).reshape(-1, 1, 4)
    b = np.asarray(b_xyxy, np.float32).reshape(1, -1, 4)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    both = np.prod(np.maximum(sides, 0), axis=-1)
    areas = [np.prod(np.maximum(x[..., 2:] - x[..., :2], 0), axis=-1) for x in (a, b)]
    either = areas[0] + areas[1] - both
    return np.asarray(both / np.maximum(either, np.finfo(np.float32).tiny), np.float32)


def nms(boxes: Floats, scores: Floats, iou: float) -> npt.NDArray[np.intp]:
    """Greedy non-maximum suppression: indices of the boxes that stay, best first.

    A box goes where it overlaps a better one by more than ``iou``; of equal scores the earlier
    stays.

    Args:
        boxes: ``(N, 4)`` left, top, right, bottom. ``scores``: ``(N,)``.
    """
    order = np.argsort(-scores, kind="mergesort")
    if len(order) < 2:
        return order
    overlaps = box_iou(boxes[order], boxes[order]) > iou
    gone = np.zeros(len(order), bool)
    stay = []
    for k in range(len(order)):
        if not gone[k]:
            stay.append(k)
            gone |= overlaps[k]
    return order[stay]

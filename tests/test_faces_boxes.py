"""Overlap and suppression of boxes, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.faces.boxes import box_iou, nms
from edgecnn.images import Floats


def box(x: float, y: float = 0.0, side: float = 100.0) -> Floats:
    return np.array([x, y, x + side, y + side], np.float32)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (box(0), box(0), 1.0),
        (box(0), box(50), 1 / 3),
        (box(0), box(100), 0.0),
        (box(0), box(300), 0.0),
        (box(0), box(25, 25, 50), 0.25),
        (box(0, side=0), box(0, side=0), 0.0),
    ],
)
def test_box_iou(a: Floats, b: Floats, expected: float) -> None:
    assert box_iou(a, b)[0, 0] == pytest.approx(expected)


def test_box_iou_of_nothing() -> None:
    assert box_iou(np.zeros((0, 4)), np.stack([box(0), box(1)])).shape == (0, 2)


def slow_nms(boxes: Floats, scores: Floats, iou: float) -> list[int]:
    """The definition, box by box."""
    stay: list[int] = []
    for k in sorted(range(len(scores)), key=lambda k: (-scores[k], k)):
        if all(float(box_iou(boxes[[k]], boxes[[s]])[0, 0]) <= iou for s in stay):
            stay.append(k)
    return stay


@pytest.mark.parametrize("count", [0, 1, 2, 40])
@pytest.mark.parametrize("iou", [0.0, 0.3, 1.0])
def test_nms_is_its_definition(count: int, iou: float) -> None:
    rng = np.random.default_rng(count)
    corner = rng.uniform(0, 50, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 40, (count, 2))], 1).astype(np.float32)
    scores = rng.integers(0, 5, count).astype(np.float32)
    assert nms(boxes, scores, iou).tolist() == slow_nms(boxes, scores, iou)


def test_nms_of_a_tie_keeps_the_first() -> None:
    boxes = np.array([[0, 0, 9, 9]] * 3, np.float32)
    assert nms(boxes, np.array([0.5, 0.5, 0.5], np.float32), 0.4).tolist() == [0]


def test_box_iou_by_hand() -> None:
    a = np.array([[0, 0, 2, 2], [5, 5, 5, 5]], np.float32)
    b = np.array([[1, 0, 3, 2], [0, 0, 2, 2], [9, 9, 10, 10]], np.float32)
    np.testing.assert_allclose(box_iou(a, b), [[1 / 3, 1, 0], [0, 0, 0]], atol=1e-6)
    assert box_iou(a[:0], b).shape == (0, 3)
    assert box_iou(a, b[:0]).shape == (2, 0)

"""Decoding, suppression and the detector's way back to the pixels of a frame."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgecnn.bundle import ModelEntry
from edgecnn.errors import ModelError
from edgecnn.faces.detect import MOST, Detector, decode, decode_cells, levels
from edgecnn.faces.recall import find, hits, landmark_error
from edgecnn.images import Floats, Image, Preprocess
from edgecnn.runtime.interpreter import Tensor

WIDTH, HEIGHT = 64, 48
SHAPES = [(1, -(-HEIGHT // s), -(-WIDTH // s), c) for s in (8, 16, 32) for c in (1, 4, 10)]


def stored(tensors: list[Tensor]) -> list[np.ndarray[Any, Any]]:
    return [np.full(t.shape, 0 if t.shape[3] == 1 else 128, np.uint8) for t in tensors]


def described(order: list[int] | None = None, turned: bool = False) -> list[Tensor]:
    shapes = [SHAPES[k] for k in order or range(9)]
    if turned:
        shapes = [(n, columns, rows, c) for n, rows, columns, c in shapes]
    return [Tensor("", s, "uint8", 1 / 256 if s[3] == 1 else 6 / 255, 0) for s in shapes]


def test_levels_are_told_by_shape_alone() -> None:
    order = [4, 8, 0, 3, 7, 1, 5, 6, 2]
    found = levels(tuple(SHAPES[k] for k in order), WIDTH)
    assert [(level.stride, level.columns) for level in found] == [(8, 8), (16, 4), (32, 2)]
    for level in found:
        for channels, k in ((1, level.score), (4, level.box), (10, level.landmarks)):
            assert SHAPES[order[k]] == (1, -(-HEIGHT // level.stride), level.columns, channels)


@pytest.mark.parametrize(
    "shapes", [(), (SHAPES[0],), tuple(SHAPES[:8]), ((1, 10),), (*SHAPES, SHAPES[0])]
)
def test_levels_refuse_other_outputs(shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ModelError, match="use a detector made by edgecnn"):
        levels(shapes, WIDTH)


def test_decode_of_nothing_has_the_shapes_of_nothing() -> None:
    tensors = described()
    boxes, scores, landmarks = decode(stored(tensors), tensors, WIDTH, 0.5)
    assert (boxes.shape, scores.shape, landmarks.shape) == ((0, 4), (0,), (0, 5, 2))
    assert boxes.dtype == scores.dtype == landmarks.dtype == np.float32


@pytest.mark.parametrize("order", [None, [4, 8, 0, 3, 7, 1, 5, 6, 2]])
def test_decode_by_hand(order: list[int] | None) -> None:
    tensors = described(order)
    outputs = stored(tensors)
    (level,) = [x for x in levels(tuple(t.shape for t in tensors), WIDTH) if x.stride == 16]
    outputs[level.score][0, 1, 2] = 192
    outputs[level.box][0, 1, 2] = [170, 85, 255, 0]
    outputs[level.landmarks][0, 1, 2] = [0, 0, 255, 0, 170, 85, 0, 255, 255, 255]
    boxes, scores, landmarks = decode(outputs, tensors, WIDTH, 0.5)
    # 170, 85, 255 and 0 stand for 4, 2, 6 and 0; the cell's centre is at (40, 24).
    x, y = 40 + 1 * 0.5 * 16, 24 - 1 * 0.5 * 16
    w, h = 16 * math.exp(1.5 + 1.25), 16 * math.exp(-1.5 + 1.25)
    assert scores.tolist() == [0.75]
    np.testing.assert_allclose(boxes, [[x - w / 2, y - h / 2, x + w / 2, y + h / 2]], rtol=1e-5)
    away = np.array([[-3, -3], [3, -3], [1, -1], [-3, 3], [3, 3]]) / 4
    np.testing.assert_allclose(landmarks[0], (x, y) + away * (w, h), rtol=1e-5)


@pytest.mark.parametrize(("threshold", "count"), [(0.5, 3), (0.501, 2), (0.51, 1), (0.52, 0)])
def test_decode_keeps_scores_at_the_threshold(threshold: float, count: int) -> None:
    tensors = described()
    outputs = stored(tensors)
    outputs[0].reshape(-1)[[5, 7]] = 128, 129
    outputs[6].reshape(-1)[0] = 131
    scores = decode(outputs, tensors, WIDTH, threshold)[1]
    assert scores.tolist() == [131 / 256, 129 / 256, 128 / 256][:count]


def test_decode_of_equal_scores_takes_the_finer_stride_first_and_no_more_than_most() -> None:
    tensors = [
        Tensor("", (1, *[n * 16 for n in t.shape[1:3]], t.shape[3]), t.dtype, t.scale, 0)
        for t in described()
    ]
    outputs = stored(tensors)
    for k in (0, 3, 6):
        outputs[k][:] = 200
    boxes, scores, _ = decode(outputs, tensors, WIDTH * 16, 0.5)
    assert len(scores) == MOST
    assert np.ptp(boxes[:, 2] - boxes[:, 0]) < 1e-3


def test_decode_takes_float_outputs_too() -> None:
    outputs = [np.zeros(s, np.float32) for s in SHAPES]
    outputs[3][0, 0, 0] = 0.4
    tensors = [Tensor("", s, "float32", 0.0, 0) for s in SHAPES]
    assert decode(outputs, tensors, WIDTH, 0.4)[1].tolist() == [np.float32(0.4)]
    assert len(decode(outputs, tensors, WIDTH, 0.41)[1]) == 0


def test_decode_cells_of_nothing() -> None:
    nothing = np.zeros((0, 10), np.float32)
    boxes, landmarks = decode_cells(nothing[:, :4], nothing, nothing[:, :3])
    assert (boxes.shape, landmarks.shape) == ((0, 4), (0, 5, 2))


class FakeModel:
    """A model that answers with given arrays."""

    def __init__(self, outputs: list[np.ndarray[Any, Any]], tensors: list[Tensor]):
        self.outputs, self._answer = tensors, outputs
        self.seen: Image | None = None

    def from_pixels(self, pixels: Image) -> list[np.ndarray[Any, Any]]:
        self.seen = pixels
        return self._answer


def entry(**facts: float) -> ModelEntry:
    return ModelEntry(
        "face-detector.tflite", Preprocess((WIDTH, HEIGHT), "RGB", "letterbox"), facts=facts
    )


def test_detector_answers_in_the_pixels_of_the_frame() -> None:
    tensors = described()
    outputs = stored(tensors)
    outputs[3][0, 1, 1:3] = [[200], [210]]  # two neighbours see one face
    outputs[6][0, 0, 0] = 140
    outputs[7][0, 0, 0] = [128, 128, 0, 0]
    model: Any = FakeModel(outputs, tensors)
    detector = Detector(model, entry(score_threshold=0.5, nms_iou=0.4))
    found = detector(np.zeros((96, 128, 3), np.uint8))
    assert model.seen.shape == (HEIGHT, WIDTH, 3)
    assert [round(d.score * 256) for d in found] == [210, 140]
    # The better of the two cells, (40, 24) in the network's pixels, twice that in the frame's.
    centre = (found[0].box_xyxy[:2] + found[0].box_xyxy[2:]) / 2
    np.testing.assert_allclose(centre, [80, 48], atol=0.4)
    np.testing.assert_allclose(found[0].landmarks_xy, np.tile([80, 48], (5, 1)), atol=1.5)
    assert detector(np.zeros((48, 64, 3), np.uint8))[0].landmarks_xy.shape == (5, 2)
    detector.score_threshold = 0.9
    assert detector(np.zeros((96, 128, 3), np.uint8)) == []


def test_a_portrait_picture_goes_to_the_twin_made_for_it() -> None:
    wide, high = described(), described(turned=True)
    models: Any = {"detector": FakeModel(stored(wide), wide)}
    entries = {"detector": entry(score_threshold=0.5, nms_iou=0.4)}
    bundle: Any = SimpleNamespace(
        model=lambda name, threads: models[name],
        entry=lambda name: entries[name],
        manifest=SimpleNamespace(models=entries),
    )
    landscape, portrait = np.zeros((48, 64, 3), np.uint8), np.zeros((64, 48, 3), np.uint8)
    alone = Detector.of(bundle)
    assert alone(portrait) == []
    assert models["detector"].seen.shape == (HEIGHT, WIDTH, 3)

    answer = stored(high)
    answer[3][0, 2, 1] = 210
    models["detector-portrait"] = FakeModel(answer, high)
    entries["detector-portrait"] = dataclasses.replace(
        entries["detector"], input=entries["detector"].input.turned()
    )
    both = Detector.of(bundle)
    assert both(landscape) == []
    (found,) = both(portrait)
    assert models["detector-portrait"].seen.shape == (WIDTH, HEIGHT, 3)
    # The cell in column 1 and row 2 of stride 16.
    np.testing.assert_allclose(found.landmarks_xy, np.tile([24, 40], (5, 1)), atol=1)


def test_detector_wants_its_thresholds() -> None:
    tensors = described()
    model: Any = FakeModel(stored(tensors), tensors)
    with pytest.raises(ModelError, match="score_threshold and nms_iou"):
        Detector(model, entry(score_threshold=0.5))


def faces(*boxes: list[float]) -> Floats:
    """Labels with all landmarks in the middle but the eyes, which are 10 pixels apart."""
    table = np.zeros((len(boxes), 14), np.float32)
    for row, box in zip(table, boxes, strict=True):
        row[:4] = box
        row[4:] = np.tile([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2], 5)
        row[4] -= 5
        row[6] += 5
    return table


def test_hits_and_the_threshold_for_a_rate_of_false_boxes() -> None:
    truth = [faces([0, 0, 20, 20], [50, 0, 70, 20]), faces(), faces([0, 0, 20, 20])]
    boxes = np.array(
        [[0, 0, 20, 20], [1, 1, 21, 21], [50, 0, 70, 20], [30, 30, 40, 40]], np.float32
    )
    scores = np.array([0.9, 0.8, 0.7, 0.6], np.float32)
    marks = np.concatenate([truth[0][[0, 0, 1, 1], 4:]]).reshape(-1, 5, 2)
    nothing = (boxes[:0], scores[:0], marks[:0])
    measured = hits([(boxes, scores, marks), nothing, nothing], truth)
    assert measured.right.tolist() == [True, False, True, False]
    assert (measured.faces, measured.pictures) == (3, 3)
    at = measured.at(0.65)
    assert at == {
        "recall": pytest.approx(2 / 3),
        "false_boxes": pytest.approx(1 / 3),
        "landmark_error": 0.0,
    }
    assert measured.at(0.95)["recall"] == 0
    assert measured.at(0.95)["landmark_error"] == 100
    assert measured.at(measured.threshold(0.0)) == measured.at(0.85)
    assert measured.at(measured.threshold(1 / 3)) == measured.at(0.65)
    assert measured.at(measured.threshold(1.0))["recall"] == pytest.approx(2 / 3)


def test_find_lowers_the_threshold_and_puts_it_back() -> None:
    tensors = described()
    outputs = stored(tensors)
    outputs[3][0, 1, 2] = 60  # a score of 0.23, below the detector's own threshold
    model: Any = FakeModel(outputs, tensors)
    detector = Detector(model, entry(score_threshold=0.5, nms_iou=0.4))
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    side = 16 * math.exp(1.25)
    truth = faces([40 - side / 2, 24 - side / 2, 40 + side / 2, 24 + side / 2])
    found = find(detector, [picture, picture], 0.05)
    measured = hits(found, [truth, truth[:0]])
    assert measured.right.tolist() == [True, False]
    assert measured.at(0.2)["recall"] == 1
    assert detector.score_threshold == 0.5


def test_a_face_too_small_to_count_is_neither_missed_nor_false() -> None:
    truth = [faces([0, 0, 10, 10], [50, 0, 80, 30])]
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 0, 80, 30]], np.float32)
    found = [(boxes, np.array([0.9, 0.8, 0.7], np.float32), np.zeros((3, 5, 2), np.float32))]
    assert hits(found, truth).right.tolist() == [True, False, True]
    large = hits(found, truth, smallest=24)
    assert large.right.tolist() == [False, True]  # two boxes on one small face: one is false
    assert (large.faces, large.pictures) == (1, 1)
    assert hits([(boxes[:0], np.zeros(0, np.float32), np.zeros((0, 5, 2)))], truth, 24).faces == 1


def test_hits_of_nothing() -> None:
    measured = hits([], [])
    assert measured.at(0.5)["recall"] == 0
    assert measured.threshold(0.1) == 0.5


def test_landmark_error_is_a_share_of_the_distance_of_the_eyes() -> None:
    truth = np.array([[0, 0], [10, 0], [5, 5], [1, 9], [9, 9]], np.float32)
    assert landmark_error(truth + np.array([3, 4], np.float32), truth) == pytest.approx(0.5)

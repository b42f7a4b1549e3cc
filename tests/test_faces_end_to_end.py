"""Faces found in a picture against the same faces ready-made."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.faces.align import SIZE
from edgecnn.faces.end_to_end import FRAME_WH, Placed, compare, found, on_grey
from edgecnn.faces.types import Detection
from edgecnn.images import Floats, Image

SHADES = np.arange(40, 240, 10)
PAIRS = np.array([(k, (k + d) % 20) for k in range(0, 20, 2) for d in (1, 2)], np.int64)
"""Faces 2k and 2k + 1 show one person."""
SAME = PAIRS[:, 0] // 2 == PAIRS[:, 1] // 2


def crop(shade: int) -> Image:
    face = np.full((SIZE, SIZE, 3), shade, np.uint8)
    face[::2] += 5
    return face


def embed(face: Image) -> Floats:
    """One direction for each two shades; another for what is no shade of theirs."""
    k = round((float(face.mean()) - 42.5) / 10)
    return np.eye(11, dtype=np.float32)[k // 2 if 0 <= k < 20 else 10]


def detections(*landmarks: Floats) -> list[Detection]:
    return [Detection(np.zeros(4, np.float32), 0.9, marks) for marks in landmarks]


def test_a_face_on_grey_is_where_it_says() -> None:
    face, picture, marks = on_grey(crop(70))
    assert picture.shape == (FRAME_WH[1], FRAME_WH[0], 3)
    again = found(lambda _: detections(marks), picture, marks)
    assert again is not None
    np.testing.assert_array_equal(again, face)


def test_the_nearest_face_is_meant_and_none_far_away() -> None:
    _, picture, marks = on_grey(crop(70))
    flat = np.repeat(marks[:1], 5, axis=0)  # no face can be cut out here
    for others in ([marks + 9, marks + 1], [marks + 1, flat, marks + 300]):
        face = found(lambda _, others=others: detections(*others), picture, marks)
        assert face is not None
        assert (face[:109, :109] < 80).all()  # nothing of the grey around it
    assert found(lambda _: detections(marks + 30), picture, marks) is None
    assert found(lambda _: [], picture, marks) is None


def test_what_is_not_found_is_nobody() -> None:
    placed: list[Placed] = [on_grey(crop(int(shade))) for shade in SHADES]

    def detect(picture: Image) -> list[Detection]:
        middle = int(picture[FRAME_WH[1] // 2, FRAME_WH[0] // 2, 0])
        return [] if middle in (SHADES[3], SHADES[3] + 5) else detections(placed[0][2])

    figures = compare(placed, detect, embed, PAIRS, SAME)
    assert figures == {
        "ready_accuracy": pytest.approx(100),
        "found_accuracy": pytest.approx(95),
        "cost": pytest.approx(5),
        "faces_found": pytest.approx(95),
        "pairs": 20,
    }

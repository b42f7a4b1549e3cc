"""Tracks: which face is which, over time."""

import numpy as np
import pytest

from edgecnn.faces.track import PATIENCE_S, Track, Tracker, iou


def box(x, y=0.0, side=100.0):
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
def test_iou(a, b, expected):
    assert iou(a, b)[0, 0] == pytest.approx(expected)


def test_iou_of_nothing():
    assert iou(np.zeros((0, 4)), np.stack([box(0), box(1)])).shape == (0, 2)


def numbers(tracker, boxes, time_s):
    return [t.number for t in tracker.update(boxes, time_s)]


def test_faces_keep_their_numbers_whatever_the_order():
    tracker = Tracker()
    assert numbers(tracker, [box(0), box(300)], 0.0) == [1, 2]
    assert numbers(tracker, [box(310), box(10)], 0.1) == [2, 1]
    assert numbers(tracker, [], 0.2) == []
    assert numbers(tracker, [box(600), box(20)], 0.3) == [3, 1]


def test_the_larger_overlap_wins():
    tracker = Tracker()
    tracker.update([box(0), box(60)], 0.0)
    assert numbers(tracker, [box(40)], 0.1) == [2]


def test_a_moving_face_is_expected_further_on():
    tracker = Tracker()
    for i in range(6):
        assert numbers(tracker, [box(50.0 * i)], 0.1 * i) == [1]
    # Three frames without it: 200 px further on nothing overlaps with where it was last.
    assert numbers(tracker, [box(450)], 0.9) == [1]


def test_a_track_ends_when_its_face_stays_away():
    tracker = Tracker()
    assert numbers(tracker, [box(0)], 0.0) == [1]
    assert numbers(tracker, [box(0)], PATIENCE_S) == [1]
    assert numbers(tracker, [box(0)], 2 * PATIENCE_S + 0.1) == [2]


def test_a_clock_that_goes_back_ends_all_tracks():
    tracker = Tracker()
    tracker.update([box(0)], 5.0)
    assert numbers(tracker, [box(0)], 1.0) == [2]


def test_a_track_knows_its_face():
    track = Track(1, box(0), 0.0)
    ann, bob = np.eye(2, dtype=np.float32)
    assert track.is_alike(bob, 0.4)  # nothing is known of it yet
    track.remember(ann)
    assert track.is_alike(ann, 0.4) and not track.is_alike(bob, 0.4)
    track.remember(bob)
    track.remember(bob)
    assert track.is_alike(bob, 0.4)

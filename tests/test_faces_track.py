"""Tracks: which face is which, over time."""

import numpy as np
import pytest

from edgecnn.faces.track import LONGEST_S, PATIENCE_S, Track, Tracker


def box(x, y=0.0, side=100.0):
    return np.array([x, y, x + side, y + side], np.float32)


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
    assert numbers(tracker, [], 0.5) == []
    assert numbers(tracker, [box(0)], PATIENCE_S) == [1]
    assert numbers(tracker, [], PATIENCE_S + 0.5) == []
    assert numbers(tracker, [box(0)], 2 * PATIENCE_S + 0.1) == [2]


def test_on_a_slow_board_a_face_is_the_one_of_the_frame_before():
    tracker = Tracker()
    for i in range(5):
        assert numbers(tracker, [box(5.0 * i)], 2.5 * i) == [1]
    assert numbers(tracker, [box(0)], 10.0 + LONGEST_S + 0.1) == [2]


def test_between_two_slow_frames_a_face_moves_on_for_a_second_and_no_more():
    tracker = Tracker()
    for i in range(4):
        tracker.update([box(20.0 * i)], 0.1 * i)
    assert numbers(tracker, [box(235.0)], 3.3) == [1]


def test_a_clock_that_goes_back_ends_all_tracks():
    tracker = Tracker()
    tracker.update([box(0)], 5.0)
    assert numbers(tracker, [box(0)], 1.0) == [2]


def test_a_track_knows_its_face():
    track = Track(1, box(0), 0.0)
    ann, bob = np.eye(2, dtype=np.float32)
    assert track.likeness(bob) is None  # nothing is known of it yet
    track.remember(ann)
    assert track.likeness(ann) == pytest.approx(1) and track.likeness(bob) == pytest.approx(0)
    track.remember(bob)
    track.remember(bob)
    assert track.likeness(bob) > 0.9


def steady(tracker, boxes, time_s):
    return [t.steady for t in tracker.update(boxes, time_s)]


def test_a_face_is_steady_where_it_was_expected():
    tracker = Tracker()
    assert steady(tracker, [box(0)], 0.0) == [False]  # nothing was expected
    assert steady(tracker, [box(5)], 0.1) == [True]
    assert steady(tracker, [box(60)], 0.2) == [False]  # it jumped
    assert steady(tracker, [box(90)], 0.3) == [True]


@pytest.mark.parametrize("others", [[], [box(700)]], ids=["nobody", "somebody else"])
def test_a_face_that_was_away_is_not_steady(others):
    tracker = Tracker()
    tracker.update([box(0), *others], 0.0)
    tracker.update([box(0), *others], 0.1)
    tracker.update(others, 0.2)
    assert steady(tracker, [box(0), *others], 0.3) == [False, *[True for _ in others]]


def test_faces_that_touch_are_not_steady():
    tracker = Tracker()
    for time_s in (0.0, 0.1):
        tracker.update([box(0), box(300)], time_s)
    assert steady(tracker, [box(0), box(300)], 0.2) == [True, True]
    assert steady(tracker, [box(100), box(190)], 0.3) == [False, False]
    assert steady(tracker, [box(0), box(300)], 0.4)[0] is False  # who came out on which side?


def test_a_lost_face_is_found_again_by_its_likeness():
    tracker = Tracker()
    ann, bob = np.eye(2, dtype=np.float32)
    first, second = tracker.update([box(0), box(300)], 0.0)
    first.remember(ann)
    second.remember(bob)
    _, jumped = tracker.update([box(300), box(600)], 0.1)
    assert jumped.number == 3
    assert tracker.rejoin(jumped, bob, 0.5) is jumped  # his track has a face in this frame
    assert tracker.rejoin(jumped, ann, 0.5) is first
    assert first.box_xyxy.tolist() == box(600).tolist() and first.time_s == 0.1
    assert jumped not in tracker.tracks and not first.steady


@pytest.mark.parametrize("seed", range(20))
def test_each_face_has_a_track_of_its_own(seed):
    rng = np.random.default_rng(seed)
    tracker = Tracker()
    for frame in range(20):
        boxes = [box(*rng.uniform(0, 400, 2)) for _ in range(rng.integers(0, 6))]
        tracks = tracker.update(boxes, 0.1 * frame)
        assert len({t.number for t in tracks}) == len(boxes)
        assert all(t in tracker.tracks for t in tracks)
        assert [t.box_xyxy.tolist() for t in tracks] == [b.tolist() for b in boxes]

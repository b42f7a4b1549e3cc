"""Quality: pure functions on arrays with known answers, and the gates' order."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from edgecnn.faces.align import TEMPLATE
from edgecnn.faces.decide import ENOUGH
from edgecnn.faces.look import BETTER
from edgecnn.faces.quality import (
    CUT,
    LIMITS,
    Quality,
    fault,
    measure,
    pose,
    promise,
    sharpness,
    wholeness,
)

GOOD = Quality(60, 0.09, 120, 50, 0.0, 0.0, 0.58, 0.0, 1.0)


def textured(seed=0):
    rng = np.random.default_rng(seed)
    blotches = cv2.resize(rng.integers(40, 216, (28, 28, 3), np.uint8), (112, 112))
    return np.clip(blotches + rng.normal(0, 6, (112, 112, 3)), 0, 255).astype(np.uint8)


def test_sharpness_of_stripes_by_hand():
    # At half the size, columns 0 1 0 1 …: second difference ±2 along x; along y it is 0.
    stripes = np.tile(np.array([0.0, 100.0]), (10, 6))
    assert sharpness(twice(stripes)) == 0
    # A chessboard has it along both: 4 times the variance of the grey levels, 2 squared.
    board = 100.0 * (np.indices((12, 12)).sum(axis=0) % 2)
    assert sharpness(twice(board)) == pytest.approx(16)
    assert sharpness(twice(board)[:-1, :-1]) == pytest.approx(
        16, rel=0.02
    )  # an odd row is left out


def twice(grey):
    return grey.repeat(2, axis=0).repeat(2, axis=1)


def test_noise_is_not_taken_for_detail():
    blurred = cv2.GaussianBlur(cv2.cvtColor(textured(), cv2.COLOR_BGR2GRAY), (0, 0), 3)
    noise = np.random.default_rng(0).normal(0, 3, blurred.shape)
    sharp = cv2.cvtColor(textured(), cv2.COLOR_BGR2GRAY)
    assert sharpness(blurred + noise) < sharpness(sharp) / 3


def test_promise_is_what_landmarks_alone_say():
    assert promise(TEMPLATE) == pytest.approx(1, abs=0.05)
    small, turned = TEMPLATE / 4, TEMPLATE.copy()
    turned[2, 0] += 20
    assert 0 < promise(small) < 0.7 and 0 < promise(turned) < 0.7
    assert promise(np.zeros((5, 2))) == 0


@pytest.mark.parametrize(
    "box",
    [(-3, 200, 52, 282), (0, 200, 80, 290), (600, 9, 639, 60), (200, 2, 300, 130),
     (200, 330, 330, 478)],
)  # fmt: skip
def test_a_face_at_the_frames_edge_may_be_cut(box):
    frame = np.zeros((480, 640, 3), np.uint8)
    assert wholeness(np.array(box, np.float32), frame) == CUT
    whole = np.array((20, 200, 92, 290), np.float32)
    assert wholeness(whole, frame) == 1


def test_one_look_at_a_cut_face_decides_nothing_and_the_whole_face_is_looked_at():
    assert CUT < ENOUGH and CUT * BETTER < 1


@pytest.mark.parametrize("x", [0, 0.1, 0.2, 0.3, 0.5, 1])
def test_a_smaller_face_never_promises_more(x):
    assert promise(TEMPLATE * x) <= promise(TEMPLATE * (x + 0.1)) + 1e-6


@pytest.mark.parametrize("grey", [np.zeros((8, 8)), np.full((3, 3), 255.0)])
def test_an_even_area_has_no_sharpness(grey):
    assert sharpness(grey) == 0


def test_blur_along_either_direction_lowers_sharpness_and_darkness_does_not():
    grey = cv2.cvtColor(textured(), cv2.COLOR_BGR2GRAY)
    sharp = sharpness(grey)
    streak = np.full((1, 9), 1 / 9)
    assert sharpness(cv2.filter2D(grey, -1, streak)) < sharp / 4
    assert sharpness(cv2.filter2D(grey, -1, streak.T)) < sharp / 4
    assert sharpness(grey * 0.3) == pytest.approx(sharp, rel=0.01)


def test_pose_of_the_template_is_frontal():
    yaw, pitch, roll = pose(TEMPLATE * 3 + 7)
    assert yaw == pytest.approx(0, abs=0.01)
    assert pitch == pytest.approx(0.495, abs=0.001)
    assert roll == pytest.approx(-0.317, abs=0.001)


def test_pose_does_not_depend_on_roll_and_tells_its_angle():
    angle = np.radians(30)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned = pose(TEMPLATE @ turn.T)
    assert turned[:2] == pytest.approx(pose(TEMPLATE)[:2], abs=1e-4)
    assert turned[2] == pytest.approx(30 - 0.317, abs=0.01)


def test_a_nose_to_the_right_is_positive_yaw_and_a_low_nose_more_pitch():
    right, low = TEMPLATE.copy(), TEMPLATE.copy()
    right[2, 0] += 35.24
    low[2, 1] += 8
    assert pose(right)[0] == pytest.approx(1, abs=0.01)
    assert pose(low)[1] > pose(TEMPLATE)[1] + 0.15


def test_eyes_on_one_spot_are_no_pose():
    assert pose(np.zeros((5, 2))) == (1.0, 1.0, 0.0)


def test_measure_of_a_good_face():
    quality = measure(textured(), TEMPLATE * 2)
    assert quality.eyes_px == pytest.approx(70.5, abs=0.1)
    assert quality.overall == pytest.approx(1, abs=0.05)
    assert fault(quality) is None


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"eyes_px": 17.9}, "too small"),
        ({"contrast": 13}, "too dark or flat"),
        ({"burnt_out": 0.26}, "over-exposed"),
        ({"sharpness": 0.0149}, "blurred"),
        ({"yaw": -0.61}, "turned away"),
        ({"pitch": 0.39}, "turned away"),
        ({"pitch": 0.76}, "turned away"),
    ],
)
def test_each_gate_says_why(change, kind):
    assert (fault(replace(GOOD, **change)) or "").partition(":")[0] == kind


def test_at_the_limits_a_face_is_fit():
    at = replace(
        GOOD,
        eyes_px=LIMITS.eyes_px,
        contrast=LIMITS.contrast,
        burnt_out=LIMITS.burnt_out,
        sharpness=LIMITS.sharpness,
        yaw=LIMITS.yaw,
        pitch=LIMITS.pitch[0],
    )
    assert fault(at) is None


@pytest.mark.parametrize(
    "worse",
    [
        lambda f: cv2.GaussianBlur(f, (0, 0), 3),
        lambda f: (f * 0.06).astype(np.uint8),
        lambda f: np.clip(f * 4.0, 0, 255).astype(np.uint8),
    ],
    ids=["blurred", "dark", "bright"],
)
def test_a_worse_face_has_a_lower_overall_quality(worse):
    face = textured()
    assert measure(worse(face), TEMPLATE).overall < measure(face, TEMPLATE).overall - 0.3

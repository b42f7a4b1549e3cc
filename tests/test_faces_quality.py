"""Quality: pure functions on arrays with known answers, and the gates' order."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from edgecnn.faces.align import TEMPLATE
from edgecnn.faces.quality import LIMITS, Quality, fault, measure, pose, sharpness

GOOD = Quality(60, 0.09, 120, 50, 0.0, 0.0, 0.58, 0.0, 1.0)


def textured(seed=0):
    rng = np.random.default_rng(seed)
    blotches = cv2.resize(rng.integers(40, 216, (28, 28, 3), np.uint8), (112, 112))
    return np.clip(blotches + rng.normal(0, 6, (112, 112, 3)), 0, 255).astype(np.uint8)


def test_sharpness_of_stripes_by_hand():
    # Columns 0 1 0 1 …: second difference ±2 along x, of variance 4; along y it is 0.
    stripes = np.tile(np.array([0.0, 100.0]), (10, 6))
    assert sharpness(stripes) == 0
    # A chessboard has it along both: 4 times the variance of the grey levels, 2 squared.
    board = 100.0 * (np.indices((12, 12)).sum(axis=0) % 2)
    assert sharpness(board) == pytest.approx(16)


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
        ({"contrast": 9}, "too dark or flat"),
        ({"burnt_out": 0.41}, "over-exposed"),
        ({"sharpness": 0.0049}, "blurred"),
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

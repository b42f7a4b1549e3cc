"""Alignment against an independent implementation, and what it does with large and broken faces."""

import cv2
import numpy as np
import pytest

from edgecnn.errors import DataError
from edgecnn.faces.align import TEMPLATE, align, similarity


def moved(rng, scale, noise=0.0):
    """The template turned, scaled and shifted at random, each point off by some noise."""
    angle = rng.uniform(0, 2 * np.pi)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return TEMPLATE @ turn.T + rng.uniform(-500, 500, 2) + rng.normal(0, noise * scale, (5, 2))


def umeyama(source, target):
    """The published algorithm: singular values of the covariance, any dimension (PAMI 1991)."""
    p, q = source - source.mean(axis=0), target - target.mean(axis=0)
    u, d, v = np.linalg.svd(q.T @ p / len(p))
    sign = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(v))])
    rotation = u @ np.diag(sign) @ v
    turn = (d @ sign) / p.var(axis=0).sum() * rotation
    return np.column_stack([turn, target.mean(axis=0) - turn @ source.mean(axis=0)])


@pytest.mark.parametrize("scale", [0.1, 1, 7, 30])
def test_noisy_landmarks_give_what_umeyama_computes(scale):
    rng = np.random.default_rng(0)
    for _ in range(50):
        points = moved(rng, scale, noise=4)
        oracle = umeyama(points, TEMPLATE.astype(float))
        np.testing.assert_allclose(similarity(points), oracle, rtol=1e-6, atol=1e-6)


def test_exact_landmarks_give_what_opencv_computes_and_land_on_the_template():
    rng = np.random.default_rng(1)
    for _ in range(10):
        points = moved(rng, 3)
        matrix = similarity(points)
        oracle, _ = cv2.estimateAffinePartial2D(points, TEMPLATE.astype(float))
        np.testing.assert_allclose(matrix, oracle, rtol=1e-4, atol=1e-3)
        landed = np.column_stack([points, np.ones(5)]) @ matrix.T
        np.testing.assert_allclose(landed, TEMPLATE, atol=1e-4)


@pytest.mark.parametrize(
    "points",
    [
        np.zeros((5, 2)),
        TEMPLATE * 0.01,
        np.full((5, 2), np.nan),
        np.where(np.arange(10).reshape(5, 2) == 3, np.inf, TEMPLATE),
        TEMPLATE[:4],
        np.zeros((0, 2)),
    ],
    ids=["one spot", "tiny", "nan", "infinite", "four", "none"],
)
def test_degenerate_landmarks_are_an_error(points):
    with pytest.raises(DataError, match=r"Received|one spot"):
        similarity(points)


def test_a_face_in_place_is_cut_out_unchanged():
    picture = np.random.default_rng(2).integers(0, 256, (300, 400, 3), np.uint8)
    crop = align(picture, TEMPLATE + np.float32([100, 50]))
    np.testing.assert_array_equal(crop, picture[50:162, 100:212])


def test_what_lies_outside_the_picture_is_black():
    crop = align(np.full((112, 112, 3), 200, np.uint8), TEMPLATE - np.float32([56, 0]))
    assert (crop[:, :55] == 0).all() and (crop[:, 57:] == 200).all()


@pytest.mark.parametrize("times", [2, 3, 6])
def test_an_enlarged_picture_comes_back_in_place(times):
    small = cv2.GaussianBlur(
        np.random.default_rng(3).integers(0, 256, (112, 112, 3), np.uint8), (0, 0), 2
    )
    large = cv2.resize(small, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC)
    # Middles of pixels: u + 1/2 becomes times · (u + 1/2).
    crop = align(large, (TEMPLATE + 0.5) * times - 0.5)
    inner = np.s_[4:-4, 4:-4]
    assert np.abs(crop[inner].astype(int) - small[inner]).mean() < 2


def test_noise_between_the_samples_of_a_large_face_is_averaged_out():
    noise = np.random.default_rng(4).integers(0, 256, (672, 672, 3), np.uint8)
    landmarks = (TEMPLATE + 0.5) * 6 - 0.5
    plain = cv2.warpAffine(noise, similarity(landmarks), (112, 112))
    assert align(noise, landmarks).std() < plain.std() / 2.5  # nine samples: a third

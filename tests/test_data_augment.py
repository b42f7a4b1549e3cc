"""Augmentation changes a picture a little, and only as told."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.data.augment import Augment

STILL = Augment(0, 0, 0, False, 0, 0, 0)
PICTURE = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("shape", [(8, 8, 1), (12, 16, 3), (1, 1, 1)])
def test_keeps_shape_and_type(shape: tuple[int, ...]) -> None:
    picture = np.full(shape, 100, np.uint8)
    changed = Augment(mirror=True)(picture, rng())
    assert changed.shape == shape and changed.dtype == np.uint8


def test_all_limits_zero_change_nothing() -> None:
    assert (STILL(PICTURE, rng()) == PICTURE).all()


def test_the_same_draw_gives_the_same_picture() -> None:
    augment = Augment()
    assert (augment(PICTURE, rng(1)) == augment(PICTURE, rng(1))).all()
    assert (augment(PICTURE, rng(1)) != augment(PICTURE, rng(2))).any()


def test_mirrors_half_of_the_time_and_never_unless_told() -> None:
    draws = rng()
    mirrored = [
        (Augment(0, 0, 0, True, 0, 0, 0)(PICTURE, draws) == PICTURE[:, ::-1]).all()
        for _ in range(200)
    ]
    assert 70 < sum(mirrored) < 130
    assert Augment().mirror is False


def test_brightness_and_contrast_stay_within_their_limits() -> None:
    grey = np.full((4, 4, 1), 228, np.uint8)
    draws = rng()
    values = [int(Augment(0, 0, 0, False, 10, 0.1, 0)(grey, draws)[0, 0, 0]) for _ in range(300)]
    # (228 - 128) * (1 ± 0.1) + 128 ± 10
    assert min(values) >= 208 and max(values) <= 248
    assert max(values) - min(values) > 20


def test_shift_moves_by_pixels() -> None:
    dot = np.zeros((21, 21, 1), np.uint8)
    dot[10, 10] = 255
    draws = rng()
    for _ in range(50):
        moved = Augment(0.2, 0, 0, False, 0, 0, 0)(dot, draws)[..., 0].astype(float)
        y, x = (np.indices(moved.shape) * moved).sum(axis=(1, 2)) / moved.sum()
        assert abs(x - 10) <= 4.3 and abs(y - 10) <= 4.3


def test_noise_has_the_deviation_told() -> None:
    grey = np.full((100, 100, 1), 128, np.uint8)
    draws = rng()
    deviations = [Augment(0, 0, 0, False, 0, 0, 8)(grey, draws).std() for _ in range(60)]
    assert max(deviations) < 8.5
    assert 15 < sum(d == 0 for d in deviations) < 45


def test_rotation_turns_about_the_centre() -> None:
    bar = np.zeros((21, 21, 1), np.uint8)
    bar[10, :] = 200
    turned = Augment(0, 0, 30, False, 0, 0, 0)(bar, rng(3))
    assert turned[10, 10, 0] > 150
    assert (turned != bar).any()

"""Disturbances: known pixels go where geometry says, and amounts are what their units say."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.data.disturb import KINDS, MOVES
from edgecnn.images import Image


def dot(x: int, y: int, side: int = 101) -> Image:
    """A white spot of 3×3 pixels on black, its middle at (x, y)."""
    image = np.zeros((side, side, 3), np.uint8)
    image[y - 1 : y + 2, x - 1 : x + 2] = 255
    return image


def middle(image: Image) -> tuple[float, float]:
    """Of what is bright."""
    grey = image[..., 0].astype(float)
    y, x = np.indices(grey.shape)
    return float((x * grey).sum() / grey.sum()), float((y * grey).sum() / grey.sum())


def changed(kind: str, level: float, image: Image, seed: int = 0) -> Image:
    return KINDS[kind].change(image, level, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def noise() -> Image:
    return np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_level_changes_nothing_and_no_picture_is_touched(kind: str, noise: Image) -> None:
    before = noise.copy()
    np.testing.assert_array_equal(changed(kind, KINDS[kind].levels[0], noise), noise)
    strongest = changed(kind, KINDS[kind].levels[-1], noise)
    assert strongest.shape == noise.shape and strongest.dtype == np.uint8
    assert (strongest != noise).any()
    np.testing.assert_array_equal(noise, before)


@pytest.mark.parametrize("kind", KINDS)
def test_levels_grow_stronger(kind: str) -> None:
    picture = np.kron(np.random.default_rng(2).integers(0, 256, (6, 6, 3)), np.ones((12, 12, 1)))
    picture = picture.astype(np.uint8)
    off = [np.abs(changed(kind, level, picture).astype(int) - picture).mean()
           for level in KINDS[kind].levels]  # fmt: skip
    assert off == sorted(off), off


def test_shift_is_a_share_of_the_side_any_way() -> None:
    for seed in range(8):
        x, y = middle(changed("shift", 20, dot(50, 50), seed))
        assert np.hypot(x - 50, y - 50) == pytest.approx(0.2 * 101, abs=0.1)
    ways = {round(middle(changed("shift", 20, dot(50, 50), seed))[0]) for seed in range(8)}
    assert len(ways) > 4


def test_scale_rotation_and_shear_are_about_the_middle() -> None:
    for kind in ("smaller", "larger", "rotation", "shear"):
        for level in KINDS[kind].levels:
            assert middle(changed(kind, level, dot(50, 50))) == pytest.approx((50, 50), abs=0.05)
    assert middle(changed("larger", 2, dot(60, 50))) == pytest.approx((70, 50), abs=0.1)
    assert middle(changed("smaller", 0.5, dot(70, 50))) == pytest.approx((60, 50), abs=0.1)
    x, y = middle(changed("rotation", 30, dot(90, 50)))
    assert (x, abs(y - 50)) == pytest.approx((50 + 40 * np.cos(np.pi / 6), 20), abs=0.1)
    x, y = middle(changed("shear", 45, dot(50, 30)))
    assert (abs(x - 50), y) == pytest.approx((20, 30), abs=0.1)


def test_amounts_of_light_noise_and_cover() -> None:
    grey = np.full((100, 100, 3), 100, np.uint8)
    assert (changed("darker", 0.45, grey) == 45).all()
    assert (changed("brighter", 3, grey) == 255).all()
    assert changed("noise", 16, grey).std() == pytest.approx(16, rel=0.03)
    white = np.full((100, 100, 3), 255, np.uint8)
    assert (changed("occlusion", 25, white) == 128).all(axis=2).sum() == 2500
    sharp = np.zeros((100, 100, 3), np.uint8)
    sharp[:, 50:] = 255
    # The edge of a Gaussian of 5 pixels is 16 % bright one standard deviation before it.
    assert changed("blur", 5, sharp)[50, 44, 0] / 255 == pytest.approx(0.136, abs=0.02)


def test_moves_are_kinds() -> None:
    assert set(MOVES) < set(KINDS)

"""What may happen to a picture between the world and the network, one thing at a time.

Each disturbance has a strength, in units that say something to a person, and changes a picture as
it is, before the network's own preprocessing. What comes in from outside repeats the border.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgecnn.images import Image

Change = Callable[[Image, float, np.random.Generator], Image]


@dataclass(frozen=True)
class Kind:
    """One kind of disturbance.

    Attributes:
        unit: of its strength.
        levels: strengths to measure at, weakest first; the first changes nothing.
        change: ``(H, W, 3)`` uint8 and a strength to the same shape.
    """

    unit: str
    levels: tuple[float, ...]
    change: Change


def shifted(image: Image, percent: float, rng: np.random.Generator) -> Image:
    """Moved by that share of its sides, in a direction drawn at random."""
    turn = rng.uniform(0, 2 * math.pi)
    height, width = image.shape[:2]
    by = percent / 100 * width * math.cos(turn), percent / 100 * height * math.sin(turn)
    return _warped(image, np.eye(2), by)


def scaled(image: Image, factor: float, rng: np.random.Generator) -> Image:
    """So many times as large, about its middle; the picture's size stays."""
    return _warped(image, factor * np.eye(2))


def rotated(image: Image, degrees: float, rng: np.random.Generator) -> Image:
    """Turned about its middle, one way or the other at random."""
    turn = math.radians(degrees) * rng.choice([-1, 1])
    c, s = math.cos(turn), math.sin(turn)
    return _warped(image, np.array([[c, -s], [s, c]]))


def sheared(image: Image, degrees: float, rng: np.random.Generator) -> Image:
    """Its upright lines leaning, one way or the other at random."""
    lean = math.tan(math.radians(degrees)) * rng.choice([-1, 1])
    return _warped(image, np.array([[1, lean], [0, 1]]))


def blurred(image: Image, percent: float, rng: np.random.Generator) -> Image:
    """By a Gaussian whose standard deviation is that share of the shorter side."""
    import cv2

    sigma = percent / 100 * min(image.shape[:2])
    if sigma <= 0:
        return image
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))


def noisy(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    """With Gaussian noise of that standard deviation in bytes, a value a channel and pixel."""
    return _bytes(image + sigma * rng.standard_normal(image.shape))


def lit(image: Image, factor: float, rng: np.random.Generator) -> Image:
    """In so many times as much light."""
    return _bytes(image.astype(np.float32) * factor)


def occluded(image: Image, percent: float, rng: np.random.Generator) -> Image:
    """That share of its area behind a mid-grey square, at a place drawn at random."""
    height, width = image.shape[:2]
    share = math.sqrt(percent / 100)
    high, wide = round(share * height), round(share * width)
    top, left = rng.integers(0, height - high + 1), rng.integers(0, width - wide + 1)
    covered = image.copy()
    covered[top : top + high, left : left + wide] = 128
    return covered


def compressed(image: Image, quality: float, rng: np.random.Generator) -> Image:
    """As a JPEG of that quality; above 100 as it is."""
    import cv2

    if quality > 100:
        return image
    coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, round(quality)])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


KINDS: dict[str, Kind] = {
    "shift": Kind("% of the side", (0, 4, 8, 12, 16, 20, 25), shifted),
    "smaller": Kind("times the size", (1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4), scaled),
    "larger": Kind("times the size", (1, 1.1, 1.2, 1.35, 1.5, 1.75, 2), scaled),
    "rotation": Kind("degrees", (0, 7.5, 15, 22.5, 30, 45, 60), rotated),
    "shear": Kind("degrees", (0, 7.5, 15, 22.5, 30, 37.5, 45), sheared),
    "blur": Kind("% of the side", (0, 1.5, 3, 5, 7, 10, 14), blurred),
    "noise": Kind("bytes", (0, 8, 16, 32, 48, 64, 96), noisy),
    "darker": Kind("times the light", (1, 0.8, 0.6, 0.45, 0.3, 0.2, 0.1), lit),
    "brighter": Kind("times the light", (1, 1.25, 1.5, 2, 2.5, 3, 4), lit),
    "occlusion": Kind("% of the area", (0, 2, 5, 10, 15, 25, 40), occluded),
    "jpeg": Kind("JPEG quality", (101, 80, 50, 30, 20, 10, 5), compressed),
}
"""All kinds, by the name that reports and ``--kinds`` use."""

MOVES = ("shift", "smaller", "larger", "rotation", "shear")
"""Those of which convolutional networks are said to be independent."""


def _warped(image: Image, matrix: np.ndarray, by: tuple[float, float] = (0.0, 0.0)) -> Image:
    """By a matrix about the middle, then moved; ``by`` in pixels to the right and down."""
    import cv2

    height, width = image.shape[:2]
    # The centre of pixel (0, 0) is the origin, so the picture's centre is half a pixel off.
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    offset = middle - matrix @ middle + by
    where = np.column_stack([matrix, offset])
    return np.asarray(
        cv2.warpAffine(
            image, where, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    )


def _bytes(values: np.ndarray) -> Image:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)

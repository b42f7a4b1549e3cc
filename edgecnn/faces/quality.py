"""How well a face can be recognised, told from its landmarks and its aligned crop alone.

The limits were measured with a public int8 MobileFaceNet on 500 to 700 CelebA faces of people with
at least 12 photos: each was blurred, shrunk or darkened and compared with the mean of the person's
other photos. *Hits* is the share of them at or above the cosine that 1 in 1,000 strangers reaches;
97 % of the untouched faces are.

::

    Gaussian blur, sigma of the 112 px crop    1     1.5   2     2.5   3     4
    hits                                       96 %  95 %  91 %  82 %  61 %   8 %
    median sharpness, 1/1000                   8.1   3.2   1.7   1.0   0.7   0.5

    pixels between the eyes                    24    18    14    10    8     6
    hits                                       96 %  96 %  95 %  91 %  79 %  42 %

    contrast (or light) multiplied by          0.4   0.3   0.25  0.15  0.1
    hits                                       96 %  92 %  93 %  88 %  69 %
    median contrast (standard deviation)       21    15    13    8     5

    share of burnt-out pixels, median          0     0.14  0.42  0.67
    hits                                       97 %  94 %  82 %  37 %

The same for the 3,089 largest faces of CelebA scenes, 93 % of them hits, by pose::

    yaw     0 – 0.1   – 0.2   – 0.3   – 0.4   – 0.5   – 0.6   – 0.8   more
    hits    95 %      93 %    90 %    90 %    81 %    79 %    64 %    62 %

    pitch   – 0.4   – 0.45   – 0.5   – 0.55   – 0.65   – 0.7   – 0.75   more
    hits    75 %    56 %     74 %    90 %     95 %     95 %    83 %     29 %

    overall   – 0.1   – 0.3   – 0.5   – 0.7   – 0.9   – 0.999   1
    hits      65 %    65 %    80 %    78 %    84 %    92 %      95 %

None of these made strangers more alike: a bad picture loses names, it does not give them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.images import Image

INNER = slice(16, 96)
"""Rows and columns of the aligned crop that are face rather than background."""

BURNT_OUT = 250
"""Grey level from which a pixel holds no detail any more."""


@dataclass(frozen=True)
class Quality:
    """What was measured of a face.

    Attributes:
        eyes_px: distance between the eyes in the picture, in pixels.
        sharpness: see :func:`sharpness`; about 0.09 in a good photo, below 0.005 when blurred.
        brightness: mean grey level of the face, 0…255.
        contrast: standard deviation of the grey levels.
        burnt_out: share of the pixels that are white, 0…1.
        yaw: how far the nose lies off the middle of the eyes, in eye distances: 0 from the front,
            positive when it lies towards the picture's right.
        pitch: how far down from the eyes to the mouth the nose lies; 0.58 in the median photo,
            less looking up, more looking down.
        roll: angle of the line through the eyes, in degrees, clockwise positive.
        overall: 0…1, the product of a ramp for each of the above except roll.
    """

    eyes_px: float
    sharpness: float
    brightness: float
    contrast: float
    burnt_out: float
    yaw: float
    pitch: float
    roll: float
    overall: float


@dataclass(frozen=True)
class Limits:
    """What a photo must have to be enrolled; a live frame counts less instead, see ``overall``.

    Attributes:
        eyes_px: 18: no hits are lost yet (table above), with room for landmarks that are half a
            pixel off.
        sharpness: 0.005: photos at it are hits in about 85 %; 99 in 100 untouched photos have at
            least 0.014, and half of those shrunk to 18 px between the eyes 0.011.
        contrast: 10: between the columns with 92 % and 88 % hits.
        burnt_out: 0.4: 82 % hits.
        yaw: 0.6: beyond it 63 % hits; 1 in 80 faces.
        pitch: lowest and highest: 20 faces below 0.45 had 60 % hits, 7 above 0.75 29 %; 0.4 leaves
            room for the landmarks of a small detector.
    """

    eyes_px: float = 18
    sharpness: float = 0.005
    contrast: float = 10
    burnt_out: float = 0.4
    yaw: float = 0.6
    pitch: tuple[float, float] = (0.4, 0.75)


LIMITS = Limits()


def sharpness(grey: npt.NDArray[Any]) -> float:
    """How much fine detail there is along the direction that has less of it.

    The variance of the second difference, the lesser of along x and along y, over the variance of
    the grey levels. The usual variance of the Laplacian takes a dark photo for a blurred one and
    overlooks a camera that moved sideways: over the blurs of the table above, along x and y
    included, its logarithm correlates with the cosine by 0.33, this one's by 0.58.

    Args:
        grey: ``(H, W)`` grey levels, at least 3 pixels a side.

    Returns:
        0 for an even area, up to 6 for noise.
    """
    grey = np.asarray(grey, np.float32)
    variance = float(grey.var())
    if variance < 1:  # less than one grey level: rounding, not detail
        return 0.0
    along_x = grey[:, 2:] - 2 * grey[:, 1:-1] + grey[:, :-2]
    along_y = grey[2:] - 2 * grey[1:-1] + grey[:-2]
    return float(min(along_x.var(), along_y.var())) / variance


def pose(landmarks_xy: npt.NDArray[np.floating]) -> tuple[float, float, float]:
    """Yaw, pitch and roll as :class:`Quality` has them, from landmarks ``(5, 2)`` in pixels.

    They order faces by how far they are turned; they are no angles of a head (roll apart).
    """
    points = np.asarray(landmarks_xy, np.float64) @ (1, 1j)
    eyes = points[1] - points[0]
    distance = abs(eyes)
    if distance < 1e-6:
        return 1.0, 1.0, 0.0
    # In units of the eye distance, with the eyes' line level and its middle at 0.
    nose, mouth = (np.array([points[2], points[3:].mean()]) - points[:2].mean()) / eyes
    pitch = float(nose.imag / mouth.imag) if mouth.imag > 1e-6 else 1.0
    return float(nose.real), pitch, math.degrees(math.atan2(eyes.imag, eyes.real))


def eye_distance(landmarks_xy: npt.NDArray[np.floating]) -> float:
    """Distance between the eyes in pixels, of landmarks ``(5, 2)``."""
    return float(np.hypot(*(np.asarray(landmarks_xy[1]) - np.asarray(landmarks_xy[0]))))


def measure(face_bgr: Image, landmarks_xy: npt.NDArray[np.floating]) -> Quality:
    """Judge a face.

    Args:
        face_bgr: ``(112, 112, 3)`` uint8 from :func:`edgecnn.faces.align.align`.
        landmarks_xy: ``(5, 2)`` in pixels of the picture it was cut from.
    """
    import cv2

    grey = np.asarray(cv2.cvtColor(face_bgr[INNER, INNER], cv2.COLOR_BGR2GRAY))
    yaw, pitch, roll = pose(landmarks_xy)
    eyes_px = eye_distance(landmarks_xy)
    facts = {
        "eyes_px": eyes_px,
        "sharpness": sharpness(grey),
        "brightness": float(grey.mean()),
        "contrast": float(grey.std()),
        "burnt_out": float((grey >= BURNT_OUT).mean()),
        "yaw": yaw,
        "pitch": pitch,
    }
    # From no hits to all hits in the table above; sharpness in powers of ten.
    overall = (
        _ramp(eyes_px, 4, 14)
        * _ramp(math.log10(max(facts["sharpness"], 1e-9)), math.log10(4e-4), math.log10(8e-3))
        * _ramp(facts["contrast"], 2, 15)
        * _ramp(-facts["burnt_out"], -0.8, -0.15)
        * _ramp(-abs(yaw), -1, -0.2)
        * _ramp(min(pitch - 0.5, 0.7 - pitch), -0.2, 0)
    )
    return Quality(**facts, roll=roll, overall=overall)


def fault(quality: Quality, limits: Limits = LIMITS) -> str | None:
    """Why a photo is not fit to enrol somebody from, in words with the figure; None where it is."""
    q, low, high = quality, *limits.pitch
    faults = (
        (
            q.eyes_px < limits.eyes_px,
            f"too small: {q.eyes_px:.1f} px between the eyes, {limits.eyes_px:g} needed",
        ),
        (
            q.contrast < limits.contrast,
            f"too dark or flat: contrast {q.contrast:.0f}, {limits.contrast:g} needed",
        ),
        (
            q.burnt_out > limits.burnt_out,
            f"over-exposed: {q.burnt_out:.0%} of the face is white",
        ),
        (
            q.sharpness < limits.sharpness,
            f"blurred: sharpness {q.sharpness:.4f}, {limits.sharpness:g} needed",
        ),
        (
            abs(q.yaw) > limits.yaw or not low <= q.pitch <= high,
            f"turned away: yaw {q.yaw:+.2f}, pitch {q.pitch:.2f}",
        ),
    )
    return next((words for is_so, words in faults if is_so), None)


def _ramp(value: float, zero: float, one: float) -> float:
    """0 up to ``zero``, 1 from ``one``, a straight line between."""
    return min(1.0, max(0.0, (value - zero) / (one - zero)))

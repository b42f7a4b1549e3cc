"""How well a face can be recognised, told from its landmarks and its aligned crop alone.

The limits were measured with ``edgecnn evaluate --quality faces112`` on 96 faces of 24 people whom
no training saw: each was spoilt, given a camera's noise (3 grey levels) and compared with the mean
of the person's other photos. *Hits* is the share of them at or above the cosine that 1 in 1,000 of
other people's faces reaches. With a public int8 MobileFaceNet (LFW 99.2 %), of whose untouched
faces 91 % are hits::

    Gaussian blur, sigma of the 112 px crop    1      1.5    2      2.5    3      4
    hits                                       89 %   88 %   82 %   67 %   41 %   2 %
    median sharpness                           0.062  0.035  0.020  0.013  0.010  0.007

    pixels between the eyes                    24     18     14     10     8      6
    hits                                       88 %   90 %   89 %   82 %   66 %   28 %

    contrast multiplied by                     0.5    0.3    0.2    0.12   0.08   0.05
    hits                                       89 %   83 %   72 %   31 %   6 %    0 %
    median contrast (standard deviation)       25     15     10     6      4      3

    light multiplied by                        1.25   1.5    2      3      4      6
    hits                                       91 %   86 %   50 %   20 %   5 %    0 %
    share of burnt-out pixels, median          0.02   0.19   0.51   0.72   0.81   0.88

What leaves nine tenths of the hits, and half of them: sharpness 0.019 and 0.011, 9.8 and 6.9 px
between the eyes, contrast 14 and 7.4, 0.24 and 0.54 burnt out. With the first embedder that
shipped (LFW 94.6 %) 0.038 and 0.012, 12.5 and 7.8 px, 21 and 8.4, 0.13 and 0.57. All these faces
together by ``overall``, with that embedder, 77 % of untouched faces being hits::

    overall   0     – 0.1   – 0.2   – 0.3   – 0.5   – 0.7   – 0.9   more
    hits      2 %   9 %     17 %    24 %    39 %    47 %    60 %    73 %

By pose, of which aligned faces show little, the MobileFaceNet on the 3,089 largest faces of CelebA
scenes, 93 % of them hits (measured once, with an earlier program)::

    yaw     0 – 0.1   – 0.2   – 0.3   – 0.4   – 0.5   – 0.6   – 0.8   more
    hits    95 %      93 %    90 %    90 %    81 %    79 %    64 %    62 %

    pitch   – 0.4   – 0.45   – 0.5   – 0.55   – 0.65   – 0.7   – 0.75   more
    hits    75 %    56 %     74 %    90 %     95 %     95 %    83 %     29 %

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

LIVE = 0.05
"""``overall`` below which a camera's frame is not worth embedding: 2 to 9 in 100 are hits."""


@dataclass(frozen=True)
class Quality:
    """What was measured of a face.

    Attributes:
        eyes_px: distance between the eyes in the picture, in pixels.
        sharpness: see :func:`sharpness`; about 0.13 in a good photo, below 0.015 when blurred.
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
        sharpness: 0.015: between the two values above; of photos with 18 px between the eyes, 98
            or 99 in 100 have more.
        contrast: 14: nine tenths of the hits; 99 in 100 untouched photos have at least 22.
        burnt_out: 0.25: nine tenths of the hits.
        yaw: 0.6: beyond it 63 % hits; 1 in 80 faces.
        pitch: lowest and highest: 20 faces below 0.45 had 60 % hits, 7 above 0.75 29 %; 0.4 leaves
            room for the landmarks of a small detector.
    """

    eyes_px: float = 18
    sharpness: float = 0.015
    contrast: float = 14
    burnt_out: float = 0.25
    yaw: float = 0.6
    pitch: tuple[float, float] = (0.4, 0.75)


LIMITS = Limits()


def sharpness(grey: npt.NDArray[Any]) -> float:
    """How much fine detail there is along the direction that has less of it.

    The variance of the second difference, the lesser of along x and along y, over the variance of
    the grey levels, both at half the size. The usual variance of the Laplacian takes a dark photo
    for a blurred one and overlooks a camera that moved sideways. At full size a camera's noise is
    taken for detail: over blurs with and without noise of 3 grey levels the logarithm of that
    measure correlates with the cosine to the person by 0.34, of this one by 0.60 (113 CelebA faces,
    the first embedder that shipped).

    Args:
        grey: ``(H, W)`` grey levels, at least 6 pixels a side.

    Returns:
        0 for an even area, up to 6 for noise.
    """
    import cv2

    h, w = (side // 2 for side in grey.shape)
    even = np.asarray(grey[: 2 * h, : 2 * w], np.float32)
    half = cv2.resize(even, (w, h), interpolation=cv2.INTER_AREA)
    variance = _spread(half)[1] ** 2
    if variance < 1:  # less than one grey level: rounding, not detail
        return 0.0
    along_x = half[:, 2:] - 2 * half[:, 1:-1] + half[:, :-2]
    along_y = half[2:] - 2 * half[1:-1] + half[:-2]
    return min(_spread(along_x)[1], _spread(along_y)[1]) ** 2 / variance


def _spread(values: npt.NDArray[Any]) -> tuple[float, float]:
    """Mean and standard deviation; a tenth of what numpy takes."""
    import cv2

    mean, deviation = cv2.meanStdDev(values)
    return float(mean[0, 0]), float(deviation[0, 0])


def pose(landmarks_xy: npt.NDArray[np.floating]) -> tuple[float, float, float]:
    """Yaw, pitch and roll as :class:`Quality` has them, from landmarks ``(5, 2)`` in pixels.

    They order faces by how far they are turned; they are no angles of a head (roll apart).
    """
    # Five points: plain numbers are ten times as fast as arrays.
    left, right, nose, *mouth = (complex(x, y) for x, y in np.asarray(landmarks_xy).tolist())
    eyes = right - left
    if abs(eyes) < 1e-6:
        return 1.0, 1.0, 0.0
    # In units of the eye distance, with the eyes' line level and its middle at 0.
    middle = (left + right) / 2
    nose, lips = (nose - middle) / eyes, (sum(mouth) / len(mouth) - middle) / eyes
    pitch = nose.imag / lips.imag if lips.imag > 1e-6 else 1.0
    return nose.real, pitch, math.degrees(math.atan2(eyes.imag, eyes.real))


EDGE = 0.05
"""Share of a face's size that lies between its box and the edge of a frame that does not cut it: a
detector puts its box around the part that it sees, off by some percent."""

CUT = 0.4
"""What a look at a face that the frame may cut counts. One such look is too little to call a face
unknown (:data:`edgecnn.faces.decide.ENOUGH`), and once all of the face is there it is better by
more than :data:`edgecnn.faces.look.BETTER`, so it is looked at again."""


def promise(landmarks_xy: npt.NDArray[np.floating]) -> float:
    """What the landmarks ``(5, 2)`` alone say of a face's quality, 0…1: its size and its pose."""
    yaw, pitch, _ = pose(landmarks_xy)
    return _promise(eye_distance(landmarks_xy), yaw, pitch)


def wholeness(box_xyxy: npt.NDArray[np.floating], frame: Image) -> float:
    """1, or :data:`CUT` where the frame's edge may cut the face: a factor on its quality.

    Args:
        box_xyxy: ``(4,)`` left, top, right, bottom in the frame's pixels.
        frame: ``(H, W, 3)``.
    """
    left, top, right, bottom = np.asarray(box_xyxy).tolist()
    margin = EDGE * max(right - left, bottom - top)
    height, width = frame.shape[:2]
    inside = min(left, top, width - right, height - bottom) >= margin
    return 1.0 if inside else CUT


def _promise(eyes_px: float, yaw: float, pitch: float) -> float:
    return (
        _ramp(eyes_px, 4, 12)
        * _ramp(-abs(yaw), -1, -0.2)
        * _ramp(min(pitch - 0.5, 0.7 - pitch), -0.2, 0)
    )


def eye_distance(landmarks_xy: npt.NDArray[np.floating]) -> float:
    """Distance between the eyes in pixels, of landmarks ``(5, 2)``."""
    (x0, y0), (x1, y1) = np.asarray(landmarks_xy)[:2].tolist()
    return math.hypot(x1 - x0, y1 - y0)


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
    brightness, contrast = _spread(grey)
    facts = {
        "eyes_px": eyes_px,
        "sharpness": sharpness(grey),
        "brightness": brightness,
        "contrast": contrast,
        "burnt_out": np.count_nonzero(grey >= BURNT_OUT) / grey.size,
        "yaw": yaw,
        "pitch": pitch,
    }
    # From no hits to all hits in the table above; sharpness in powers of ten.
    overall = (
        _promise(eyes_px, yaw, pitch)
        * _ramp(math.log10(max(facts["sharpness"], 1e-9)), math.log10(7e-3), math.log10(2e-2))
        * _ramp(facts["contrast"], 4, 16)
        * _ramp(-facts["burnt_out"], -0.8, -0.15)
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

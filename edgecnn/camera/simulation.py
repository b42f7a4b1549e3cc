"""What geometry, lens, light and sensor make of photos on a wall. Pure functions of a view."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.camera.tour import Matrix, View
from edgecnn.images import Floats, Image

SHUTTER = 0.25
"""Share of a frame's time for which light is gathered: 1/100 s at 25 frames a second, which webcams
choose under lamps at 50 Hz, since the light then does not flicker."""

FULL_WELL = 2500.0
"""Electrons at white of a small sensor at indoor gain; the shot noise is the root of the count."""

READ_NOISE = 3.0
"""Electrons of noise that are there without any light."""

DISPLAY_GAMMA = 2.2


def homography(view: View, size_wh: tuple[int, int]) -> Matrix:
    """``(3, 3)`` float64: wall units to frame pixels, by a pinhole whose focal length is the
    frame's width (53° wide, as webcams are)."""
    w, h = size_wh
    zoom, focal = float(np.exp(view.log_zoom)), float(w)
    roll, yaw, pitch = np.radians([view.roll, view.yaw, view.pitch])
    c, s = np.cos, np.sin
    turn_z = np.array([[c(roll), -s(roll), 0], [s(roll), c(roll), 0], [0, 0, 1]])
    turn_y = np.array([[c(yaw), 0, s(yaw)], [0, 1, 0], [-s(yaw), 0, c(yaw)]])
    turn_x = np.array([[1, 0, 0], [0, c(pitch), -s(pitch)], [0, s(pitch), c(pitch)]])
    turn = turn_x @ turn_y @ turn_z
    camera = np.array([[focal, 0, w / 2], [0, focal, h / 2], [0, 0, 1]])
    plane = np.column_stack([turn[:, 0], turn[:, 1], [0, 0, focal]])
    to_centre = np.array([[zoom, 0, -zoom * view.x], [0, zoom, -zoom * view.y], [0, 0, 1]])
    whole = camera @ plane @ to_centre
    return np.asarray(whole / whole[2, 2], np.float64)


def project(
    matrix: npt.NDArray[np.floating[Any]], points_xy: npt.NDArray[np.floating[Any]]
) -> Matrix:
    """``(N, 2)`` points through a homography, ``(N, 2)`` float64; N may be 0."""
    flat = np.column_stack([points_xy, np.ones(len(points_xy))]) @ matrix.T
    return np.asarray(flat[:, :2] / flat[:, 2:], np.float64)


def streak(image_bgr: Image, moved_xy: npt.NDArray[np.floating[Any]]) -> Image:
    """Motion blur: the mean of the frame over a straight way of ``moved_xy`` pixels."""
    import cv2

    steps = int(np.ceil(np.hypot(*moved_xy)))
    if steps < 2:
        return image_bgr
    h, w = image_bgr.shape[:2]
    pad = steps // 2 + 1
    padded = cv2.copyMakeBorder(image_bgr, pad, pad, pad, pad, cv2.BORDER_REFLECT)
    wide = np.asarray(padded, np.uint8)
    total = np.zeros(image_bgr.shape, np.uint16)
    for share in np.linspace(-0.5, 0.5, steps):
        dx, dy = np.rint(share * moved_xy).astype(int) + pad
        total += wide[dy : dy + h, dx : dx + w]
    return np.asarray(cv2.convertScaleAbs(total, alpha=1 / steps), np.uint8)


def defocus(image_bgr: Image, sigma_px: float) -> Image:
    """The lens's blur, a Gaussian of ``sigma_px``; below a quarter of a pixel nothing."""
    import cv2

    if sigma_px < 0.25:
        return image_bgr
    return np.asarray(cv2.GaussianBlur(image_bgr, (0, 0), sigma_px), np.uint8)


def shade(view: View, size_wh: tuple[int, int]) -> Floats:
    """``(H, W, 1)`` float32: the share of the light that reaches each pixel, 0…1."""
    w, h = size_wh
    x, y = np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32)
    # A slanted edge, soft as in a room: it fades over about an eighth of the frame.
    across, down = (np.exp(a) for a in ((x - view.shadow_x * w) * (-32 / w), y * (-8 / w)))
    return np.asarray(1 - view.shadow / (1 + np.outer(down, across)), np.float32)[..., None]


def sensor(image_bgr: Image, view: View, noise: Floats) -> Image:
    """What a sensor makes of a scene: light, saturation, shot and read noise, contrast curve.

    Args:
        image_bgr: ``(H, W, 3)`` uint8, the scene in ordinary light.
        noise: ``(H, W, 3)`` float32, standard normal.
    """
    import cv2

    linear = (np.arange(256, dtype=np.float32) / 255) ** np.float32(DISPLAY_GAMMA)
    tint = np.array([1 - view.warmth, 1, 1 + view.warmth]) * np.exp(view.log_gain) * FULL_WELL
    table = np.asarray(linear[None, :, None] * tint, np.float32)
    electrons = np.asarray(cv2.LUT(image_bgr, table), np.float32)
    if view.shadow > 0:
        electrons *= shade(view, (image_bgr.shape[1], image_bgr.shape[0]))
    electrons += noise * np.sqrt(electrons + np.float32(READ_NOISE**2))
    # 12 bits are what such sensors deliver, and let the contrast curve be a table.
    steps = np.clip(electrons * np.float32(4095 / FULL_WELL), 0, 4095).astype(np.uint16)
    curve = np.power(np.arange(4096) / 4095, view.gamma / DISPLAY_GAMMA) * 255
    return np.asarray(np.rint(curve).astype(np.uint8)[steps], np.uint8)


def compress(image_bgr: Image, quality: float) -> bytes:
    """As JPEG, which is how a webcam's MJPEG stream carries it; ``quality`` 1…100."""
    import cv2

    _, packed = cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    return packed.tobytes()


class Layer:
    """A picture that lies on the wall and is seen from anywhere.

    Args:
        image_bgr: ``(H, W, 3)`` uint8.
        to_wall: ``(3, 3)``, the picture's pixels to wall units.
        border: pixels of white paper around it.
    """

    def __init__(self, image_bgr: Image, to_wall: Matrix, border: int = 0):
        import cv2

        white = (255, 255, 255)
        framed = cv2.copyMakeBorder(
            image_bgr, border, border, border, border, cv2.BORDER_CONSTANT, value=white
        )
        shift = np.array([[1, 0, -border], [0, 1, -border], [0, 0, 1]])
        # Skipping pixels of a large picture makes false patterns; smaller ones are at hand.
        self._levels: list[tuple[Image, Matrix]] = [(np.asarray(framed, np.uint8), to_wall @ shift)]
        while min(self._levels[-1][0].shape[:2]) > 64:
            finer, place = self._levels[-1]
            height, width = finer.shape[0] // 2, finer.shape[1] // 2
            half = cv2.resize(finer, (width, height), interpolation=cv2.INTER_AREA)
            scale = np.diag([finer.shape[1] / width, finer.shape[0] / height, 1.0])
            self._levels.append((np.asarray(half, np.uint8), place @ scale))

    def texture(self, to_frame: Matrix, size_wh: tuple[int, int]) -> Image:
        """The frame full of the picture, mirrored again and again; ``(H, W, 3)`` uint8."""
        import cv2

        picture, matrix = self._fit(to_frame, size_wh)
        frame = cv2.warpPerspective(picture, matrix, size_wh, borderMode=cv2.BORDER_REFLECT)
        return np.asarray(frame, np.uint8)

    def paste(self, frame_bgr: Image, to_frame: Matrix) -> None:
        """Draw the picture into ``frame_bgr`` where it is seen, with soft edges."""
        import cv2

        h, w = frame_bgr.shape[:2]
        picture, matrix = self._fit(to_frame, (w, h))
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * picture.shape[1::-1] - 0.5
        outline = project(matrix, corners)
        left, top = np.maximum(np.floor(outline.min(0)).astype(int), 0)
        right, bottom = np.minimum(np.ceil(outline.max(0)).astype(int) + 1, (w, h))
        if right <= left or bottom <= top:
            return
        shifted = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]]) @ matrix
        size = (int(right - left), int(bottom - top))
        seen = cv2.warpPerspective(picture, shifted, size, borderMode=cv2.BORDER_REPLICATE)
        mask = np.zeros(size[::-1], np.uint8)
        points = np.rint((outline - (left, top)) * 16).astype(np.int32)
        cv2.fillConvexPoly(mask, points, 255, cv2.LINE_AA, 4)
        share = (mask.astype(np.uint16) + (mask >> 7))[..., None]  # 0…256
        under = frame_bgr[top:bottom, left:right]
        under[:] = (seen * share + under * (256 - share)) >> 8

    def _fit(self, to_frame: Matrix, size_wh: tuple[int, int]) -> tuple[Image, Matrix]:
        """The level whose pixels are nearest to the frame's, and its way into the frame."""
        whole = to_frame @ self._levels[0][1]
        middle = project(np.linalg.inv(whole), np.array([size_wh]) / 2)
        around = project(whole, middle + np.eye(3, 2, -1))
        pixel = np.hypot(*(around[1:] - around[0]).T).max()
        level = int(np.clip(np.floor(-np.log2(pixel / 0.6)) + 1, 0, len(self._levels) - 1))
        picture, place = self._levels[level]
        return picture, to_frame @ place

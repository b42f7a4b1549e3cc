"""Whether anything moves: a cheap look at a small grey picture, so that detection can rest.

A frame is shrunk to cells of about eight pixels, which averages most of a sensor's noise away, and
held against the last frame that was looked at. The brightness of the whole is taken out, so that a
flickering lamp or a cloud is no motion; what is left is noise, whose size the picture itself tells
(the median over the cells), and whatever moved.

While something moves, and :data:`HOLD_S` longer, every frame is recognised. After that one frame in
:data:`IDLE_S` is: tracks live on (:data:`edgecnn.faces.track.PATIENCE_S` is longer), names are
looked at again as often as before (:data:`edgecnn.faces.look.REFRESH_S`), and whoever comes in
so slowly, or so dark, that no cell tells is seen that much later, and no more.

``tests/bench_motion.py`` measures the constants; ``docs/benchmarks-camera.md`` has its figures.
"""

from __future__ import annotations

import math

import numpy as np

from edgecnn.images import Floats, Image

CELL_PX = 8
"""Side of a cell at 640×480. Larger pictures get larger cells, so that there are about as many; of
these, every second row or fewer is taken: a mean over 64 pixels is enough."""

CELLS = 4800
"""About how many: 80×60."""

LEAST_CELLS = 4
"""So many cells must have changed: a head of 20 pixels that comes in has about as many."""

SIGMAS = 6.0
"""How far above the noise a change must be."""

FLOOR = 6.0
"""Grey levels, the least change that counts. One step of a webcam's JPEG, whose blocks are as large
as a cell, is up to 4 at quality 45."""

NOISY = 6.0
"""Grey levels of noise from which a picture counts as moving: no sensor's cells are that far apart
from frame to frame, so it is the camera that moves, or a scene that changed as a whole."""

HOLD_S = 2.0
"""Seconds that recognition goes on at the full rate after the last motion: enough for somebody who
stopped before the camera to be decided on."""

IDLE_S = 0.5
"""Seconds between two looks where nothing moves."""


def small(image_bgr: Image) -> Floats:
    """The cells' mean brightness, ``(60, 80)`` float32 at 640×480, 0…255.

    Args:
        image_bgr: ``(H, W, 3)`` uint8.
    """
    import cv2

    height, width = image_bgr.shape[:2]
    cell = max(1, round(math.sqrt(width * height / CELLS)))
    step = max(1, cell * cell // CELL_PX**2)
    deep = max(1, cell // step)
    thin = image_bgr[::step]
    rows, columns = thin.shape[0] // deep, width // cell
    # Of whole cells alone: OpenCV takes twenty times as long for parts of pixels.
    whole = thin[: rows * deep, : columns * cell]
    shrunk = cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(shrunk, cv2.COLOR_BGR2GRAY), np.float32)


def changed_cells(before: Floats, now: Floats) -> int:
    """How many cells changed by more than noise and light explain.

    Args:
        before, now: ``(h, w)`` float32 of one shape, from :func:`small`.
    """
    gain = float(before.mean() + 1.0) / float(now.mean() + 1.0)
    change = np.abs(now * np.float32(gain) - before)
    noise = float(np.median(change)) / 0.6745  # of a normal distribution
    if noise > NOISY:
        return int(change.size)
    return int(np.count_nonzero(change > max(FLOOR, SIGMAS * noise)))


class Motion:
    """Says of each frame of one camera whether it is to be looked at.

    Args:
        hold_s, idle_s: see :data:`HOLD_S` and :data:`IDLE_S`.
    """

    def __init__(self, hold_s: float = HOLD_S, idle_s: float = IDLE_S):
        self._hold_s, self._idle_s = hold_s, idle_s
        self._before: Floats | None = None
        self._looked_s = self._moved_s = -math.inf

    def __call__(self, image_bgr: Image, time_s: float) -> bool:
        """Whether something moves or moved just now, or it is time for a look anyway.

        Args:
            image_bgr: ``(H, W, 3)`` uint8.
            time_s: of the frame, of a clock that does not go back.
        """
        now = small(image_bgr)
        before = self._before
        if before is None or before.shape != now.shape or changed_cells(before, now) >= LEAST_CELLS:
            self._moved_s = time_s
        elif time_s - self._moved_s > self._hold_s and time_s - self._looked_s < self._idle_s:
            return False
        self._before, self._looked_s = now, time_s
        return True

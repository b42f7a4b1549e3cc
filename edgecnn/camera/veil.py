"""Faces of people who are not enrolled, made unrecognisable before any sink sees the frame.

What is blurred is what the detector found and nobody's name was given to; a face that is not
decided yet counts as unknown. A face that the detector misses stays as it is, but for the moment
after it was found: its place stays blurred for :data:`LINGER_S`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgecnn.faces.types import Recognition
from edgecnn.images import Floats, Image

CELLS = 4
"""Cells across the shorter side of what is blurred. Chosen by measurement: see
:func:`blur` and ``docs/privacy.md``."""

WIDER = 0.35
"""Of the box's width and height, added on each side: hair, ears and chin tell people apart too."""

LINGER_S = 1.0
"""Seconds for which the place of a face stays blurred once the detector does not find it."""


def blur(image_bgr: Image, boxes_xyxy: Iterable[Floats]) -> Image:
    """A copy of a picture with some boxes, widened by :data:`WIDER`, reduced to a few colours.

    Each is averaged over :data:`CELLS` × :data:`CELLS` cells (more along the longer side), and
    these are drawn as a smooth patch: a blur of the face itself would keep, in a weaker form, what
    an embedder or a sharpening filter looks for, where an average of a cell is one number.

    Args:
        image_bgr: ``(H, W, 3)`` uint8; it is not changed.
        boxes_xyxy: ``(4,)`` each, left, top, right, bottom in pixels, in any part outside too.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    import cv2

    picture = image_bgr.copy()
    height, width = picture.shape[:2]
    for box in boxes_xyxy:
        left, top, right, bottom = _widened(box, (width, height))
        if right <= left or bottom <= top:
            continue
        region = image_bgr[top:bottom, left:right]
        side = min(right - left, bottom - top)
        cells_wh = [
            min(length, max(1, round(length / side * CELLS)))
            for length in (right - left, bottom - top)
        ]
        few = cv2.resize(region, cells_wh, interpolation=cv2.INTER_AREA)
        patch = cv2.resize(few, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
        picture[top:bottom, left:right] = patch
    return picture


def _widened(box_xyxy: Floats, size_wh: tuple[int, int]) -> tuple[int, int, int, int]:
    left, top, right, bottom = (float(edge) for edge in box_xyxy)
    dx, dy = WIDER * (right - left), WIDER * (bottom - top)
    return (
        max(0, int(np.floor(left - dx))),
        max(0, int(np.floor(top - dy))),
        min(size_wh[0], int(np.ceil(right + dx))),
        min(size_wh[1], int(np.ceil(bottom + dy))),
    )


class Veil:
    """Blurs the unknown faces of one camera's frames, one frame after the other."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[Floats, float]] = {}  # track: box and when it was there

    def __call__(self, image_bgr: Image, faces: Sequence[Recognition], time_s: float) -> Image:
        """The frame itself where nobody is to be blurred, else a copy.

        Args:
            image_bgr: ``(H, W, 3)`` uint8.
            faces: all that were recognised in it.
            time_s: when it was taken, in the source's seconds.
        """
        for face in faces:
            self._last.pop(face.track, None)
            if face.name is None:
                self._last[face.track] = face.detection.box_xyxy, time_s
        self._last = {
            track: (box, seen_s)
            for track, (box, seen_s) in self._last.items()
            if abs(time_s - seen_s) <= LINGER_S
        }
        if not self._last:
            return image_bgr
        return blur(image_bgr, [box for box, _ in self._last.values()])

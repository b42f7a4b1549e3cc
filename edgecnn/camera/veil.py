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

CELLS = 3
"""Cells across the shorter side of what is blurred. Measured with our own embedder, told where the
eyes were, on 240 photos of 60 people (CelebA): the nearest sharp photo is of the same person for
89 % of sharp faces, and for 1.2 % behind 2, 3 or 8 cells, by chance 1.3 %. The more cells, the more
hair and background tell: among other blurred photos it is so for 3, 5, 9, 12 and 15 % behind 2, 3,
4, 8 and 12 cells. From 6 cells on our detector finds a face again in every third."""

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
        wide = _widened(box)
        left, top = (max(0, int(edge)) for edge in np.floor(wide[:2]))
        right, bottom = (
            min(w, int(e)) for w, e in zip((width, height), np.ceil(wide[2:]), strict=True)
        )
        if right <= left or bottom <= top:
            continue
        # Of the whole face: what is cut off by the picture's edge must not make the cells smaller.
        cell = max(1.0, float((wide[2:] - wide[:2]).min()) / CELLS)
        size_wh = right - left, bottom - top
        cells_wh = [max(1, round(length / cell)) for length in size_wh]
        few = cv2.resize(image_bgr[top:bottom, left:right], cells_wh, interpolation=cv2.INTER_AREA)
        picture[top:bottom, left:right] = cv2.resize(few, size_wh, interpolation=cv2.INTER_LINEAR)
    return picture


def _widened(box_xyxy: Floats) -> Floats:
    size = box_xyxy[2:] - box_xyxy[:2]
    return np.concatenate([box_xyxy[:2] - WIDER * size, box_xyxy[2:] + WIDER * size])


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

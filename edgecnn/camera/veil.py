"""Faces of people who are not enrolled, made unrecognisable before any sink sees the frame.

What is blurred is what the detector found and nobody's name was given to; a face that is not
decided yet counts as unknown. A face that the detector misses stays as it is, but for the moment
after it was found: its place stays blurred for :data:`LINGER_S`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from edgecnn.faces.types import Recognition
from edgecnn.images import Floats, Image

CELLS = 3
"""Cells across the shorter side of what is blurred. With three, our own embedder finds the same
person among sharp photos no oftener than by chance, and among photos that are blurred alike, where
hair and background have colours, for 4.6 % (1.3 % by chance; with four for 10.8 %): docs/privacy.md
has the table, and the command that measures it."""

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
    picture = image_bgr.copy()
    for box in boxes_xyxy:
        _paint(picture, box, colours(image_bgr, box))
    return picture


def colours(image_bgr: Image, box_xyxy: Floats) -> Image | None:
    """All that is left of a face: the mean colour of each cell, ``(rows, columns, 3)`` uint8.

    None where the box lies outside the picture.
    """
    import cv2

    left, top, right, bottom = _pixels(box_xyxy, image_bgr)
    if right <= left or bottom <= top:
        return None
    # Of the whole face: what is cut off by the picture's edge must not make the cells smaller.
    whole = _widened(box_xyxy)
    cell = max(1.0, float((whole[2:] - whole[:2]).min()) / CELLS)
    cells_wh = [max(1, round(length / cell)) for length in (right - left, bottom - top)]
    region = image_bgr[top:bottom, left:right]
    return np.asarray(cv2.resize(region, cells_wh, interpolation=cv2.INTER_AREA), np.uint8)


def _paint(picture: Image, box_xyxy: Floats, few: Image | None) -> None:
    import cv2

    left, top, right, bottom = _pixels(box_xyxy, picture)
    if few is None or right <= left or bottom <= top:
        return
    size_wh = right - left, bottom - top
    picture[top:bottom, left:right] = cv2.resize(few, size_wh, interpolation=cv2.INTER_LINEAR)


def _widened(box_xyxy: Floats) -> Floats:
    size = box_xyxy[2:] - box_xyxy[:2]
    return np.concatenate([box_xyxy[:2] - WIDER * size, box_xyxy[2:] + WIDER * size])


def _pixels(box_xyxy: Floats, image_bgr: Image) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is blurred, inside the picture."""
    height, width = image_bgr.shape[:2]
    left, top, right, bottom = _widened(box_xyxy)
    return (
        max(0, int(np.floor(left))),
        max(0, int(np.floor(top))),
        min(width, int(np.ceil(right))),
        min(height, int(np.ceil(bottom))),
    )


class Veil:
    """Blurs the unknown faces of one camera's frames, one frame after the other.

    The colours of a face are taken when it is first seen and kept while it is followed: the cells
    of many frames of a moving face, each over other parts of it, would add up to a sharper one.
    """

    def __init__(self) -> None:
        self._faces: dict[int, _Face] = {}

    def __call__(self, image_bgr: Image, faces: Sequence[Recognition], time_s: float) -> Image:
        """The frame itself where nobody is to be blurred, else a copy.

        Args:
            image_bgr: ``(H, W, 3)`` uint8.
            faces: all that were recognised in it.
            time_s: when it was taken, in the source's seconds.
        """
        for face in faces:
            before = self._faces.pop(face.track, None)
            if face.name is None:
                box = face.detection.box_xyxy
                few = before.few if before else None
                few = colours(image_bgr, box) if few is None else few
                self._faces[face.track] = _Face(box, few, time_s)
        self._faces = {
            track: there
            for track, there in self._faces.items()
            if abs(time_s - there.seen_s) <= LINGER_S
        }
        if not self._faces:
            return image_bgr
        picture = image_bgr.copy()
        for there in self._faces.values():
            _paint(picture, there.box_xyxy, there.few)
        return picture


class _Face(NamedTuple):
    """Where a face was last, what is drawn there, and when that was."""

    box_xyxy: Floats
    few: Image | None
    seen_s: float

"""What the virtual board's camera sees: two people, out of packages that the tests have anyway."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import skimage

from edgecnn.images import Image

SIZE_WH = (720, 528)
"""Of a scene: larger than a frame of 640×480 by what the camera sways."""

GREY = (150, 142, 134)

PHOTOS = {
    "Eileen": Path(skimage.__file__).parent / "data" / "astronaut.png",
    "Grace": Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg",
}
"""Public-domain portraits by NASA and the US Navy: Eileen Collins, Grace Hopper."""

FACES = {"Eileen": (222, 120), "Grace": (258, 220)}
"""Where the face's middle is in the photo."""


def scene(name: str | None = None) -> Image:
    """``(528, 720, 3)`` uint8: somebody before a grey wall, or the wall alone."""
    picture = np.full((SIZE_WH[1], SIZE_WH[0], 3), GREY, np.uint8)
    if name:
        photo = cv2.imread(str(PHOTOS[name]))
        x, y = SIZE_WH[0] / 2 - FACES[name][0], SIZE_WH[1] / 2 - 40 - FACES[name][1]
        where = np.array([[1, 0, x], [0, 1, y]])
        cv2.warpAffine(photo, where, SIZE_WH, dst=picture, borderMode=cv2.BORDER_TRANSPARENT)
    return picture


def packed(image_bgr: Image) -> bytes:
    """A scene as ``feed.py`` takes it: width and height (little-endian uint32), then YUYV."""
    height, width = image_bgr.shape[:2]
    pixels = cv2.cvtColor(image_bgr, cv2.COLOR_BGR2YUV_YUYV)
    return struct.pack("<II", width, height) + pixels.tobytes()

"""Each file of a folder of pictures as it is: what can be told of one without the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.data.folders import label_of
from edgecnn.errors import DataError
from edgecnn.images import Image, decode_image

THUMB = 16
"""Pixels of the side of a thumbnail: details of a face are gone, and so is what JPEG changes."""

SHARP_SIDE = 128
"""Pixels of the shorter side at which sharpness is measured, so that sizes do not matter."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What was seen of a file.

    Attributes:
        name: ``class/file``.
        digest: SHA-256 of the file, '' where it cannot be read.
        size_wh: width and height in pixels; (0, 0) for what is no picture.
        pixels_digest: SHA-256 of the pixels and their shape.
        thumb: ``(THUMB * THUMB,)`` float32, grey, its mean taken off, of length 1.
        sharpness: variance of the Laplacian at :data:`SHARP_SIDE`, as a share of that of the
            brightness; of a picture of one colour 0.
        mean_rgb: mean of each channel, 0…255.
        contrast: standard deviation of the brightness, in bytes.
        is_grey: whether no pixel has a colour.
        fault: why it is no picture, '' where it is one.
    """

    name: str
    digest: str = ""
    size_wh: tuple[int, int] = (0, 0)
    pixels_digest: str = ""
    thumb: npt.NDArray[np.float32] | None = None
    sharpness: float = 0.0
    mean_rgb: tuple[float, float, float] = (0.0, 0.0, 0.0)
    contrast: float = 0.0
    is_grey: bool = False
    fault: str = ""

    @property
    def label(self) -> str:
        """Its class."""
        return label_of(self.name)


def look(
    root: Path, names: Sequence[str], progress: Callable[[int, int], None] | None = None
) -> list[Seen]:
    """Look at every file, on all processors; the order stays.

    Args:
        progress: called with the number of files that are done and of all.
    """
    found = []
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for seen in pool.map(lambda name: _look(root, name), names):
            found.append(seen)
            if progress:
                progress(len(found), len(names))
    return found


def _look(root: Path, name: str) -> Seen:
    try:
        content = (root / name).read_bytes()
    except OSError as e:
        return Seen(name, fault=f"cannot be read ({e.strerror})")
    digest = sha256(content).hexdigest()
    if not content:
        return Seen(name, digest, fault="is empty")
    try:
        image = decode_image(content, name)
    except DataError:
        return Seen(name, digest, fault="is no picture that can be read")
    return _of_picture(name, digest, image)


def _of_picture(name: str, digest: str, image: Image) -> Seen:
    import cv2

    height, width = image.shape[:2]
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    blue, green, red = (float(v) for v in image.reshape(-1, 3).mean(axis=0))
    return Seen(
        name=name,
        digest=digest,
        size_wh=(width, height),
        pixels_digest=sha256(repr(image.shape).encode() + image.tobytes()).hexdigest(),
        thumb=thumbnail(np.asarray(grey, np.uint8)),
        sharpness=sharpness(np.asarray(grey, np.uint8)),
        mean_rgb=(red, green, blue),
        contrast=float(grey.std()),
        is_grey=bool((image == image[..., :1]).all()),
    )


def thumbnail(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """``(H, W)`` to the form of :attr:`Seen.thumb`; of one colour to zeros."""
    import cv2

    small = cv2.resize(grey, (THUMB, THUMB), interpolation=cv2.INTER_AREA).astype(np.float32)
    small = small.ravel() - small.mean()
    length = float(np.linalg.norm(small))
    return np.asarray(small / length if length > 1 else np.zeros_like(small), np.float32)


def sharpness(grey: npt.NDArray[np.uint8]) -> float:
    """As :attr:`Seen.sharpness`; a picture smaller than that is taken as it is."""
    import cv2

    times = SHARP_SIDE / min(grey.shape)
    if times < 1:
        size = round(grey.shape[1] * times), round(grey.shape[0] * times)
        grey = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
    spread = float(grey.var())
    return float(cv2.Laplacian(grey, cv2.CV_64F).var()) / spread if spread > 1 else 0.0

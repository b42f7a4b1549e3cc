"""Source: a folder of pictures, in the order of their names; or one picture."""

from __future__ import annotations

import os
import re
from pathlib import Path

from edgecnn.camera.sources.source import Frame, Source
from edgecnn.errors import CameraError
from edgecnn.faces.track import LONGEST_S
from edgecnn.images import read_image

SUFFIXES = (
    *(".avif", ".bmp", ".jp2", ".jpeg", ".jpg", ".pbm"),
    *(".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"),
)
"""Of the picture formats that OpenCV reads (documentation of ``cv::imread``)."""

FPS = 1 / (LONGEST_S + 1)
"""Photos of a folder seldom follow closely: they are so far apart that each face is a new track,
and whoever is on one photo does not go on as who was there on the one before."""


class Folder(Source):
    """The pictures of a folder; other files and hidden ones are passed over.

    Raises:
        CameraError: there is no picture in it.
    """

    live = False
    fps = FPS

    def __init__(self, text: str):
        self.name = text
        path = Path(text)
        files = path.iterdir() if path.is_dir() else [path]
        self._files = sorted((f for f in files if _is_picture(f)), key=_natural)
        self._index = 0
        if not self._files:
            inside = "folders only" if any(p.is_dir() for p in path.iterdir()) else "none"
            raise CameraError(
                f"expected pictures ({' '.join(SUFFIXES)}) in the folder {text}. "
                f"It has {inside}: name the folder that holds the pictures themselves"
            )

    @staticmethod
    def accepts(text: str) -> bool:
        """A folder, or a file with the suffix of a picture."""
        path = Path(text)
        return os.path.isdir(text) or _is_picture(path)

    def read(self) -> Frame | None:
        """The next picture.

        Raises:
            DataError: a file with the suffix of a picture is none.
        """
        if self._index >= len(self._files):
            return None
        picture = read_image(self._files[self._index])
        frame = Frame(picture, self._index / self.fps, self._index)
        self._index += 1
        return frame

    def close(self) -> None:
        """End the source."""
        self._index = len(self._files)


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.name[0] != "." and os.path.isfile(path)


def _natural(path: Path) -> list[tuple[int, str]]:
    """2.jpg before 10.jpg: digits compare as numbers."""
    parts = re.split(r"(\d+)", path.name.casefold())
    return [(int(p), "") if p.isdecimal() else (-1, p) for p in parts if p]

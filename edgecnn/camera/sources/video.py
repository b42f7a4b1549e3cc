"""Source: a video file, every frame of it, in its own time."""

from __future__ import annotations

import os

from edgecnn.camera.sources.source import Frame, Source, grab, opencv
from edgecnn.errors import CameraError

FALLBACK_FPS = 25.0
"""For a file that states no frame rate, or an absurd one."""


class Video(Source):
    """A file that OpenCV reads (mp4, avi, mkv, mov, webm, gif ...); ends where it is cut off.

    Raises:
        CameraError: the file holds no video, or not one whole frame.
    """

    live = False

    def __init__(self, text: str):
        cv2 = opencv()
        self.name = text
        self._index = 0
        # Others guess: CAP_IMAGES takes shot1.txt for the first of a row of pictures.
        has_ffmpeg = cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG)
        self._capture = cv2.VideoCapture(text, cv2.CAP_FFMPEG if has_ffmpeg else cv2.CAP_ANY)
        self._first = grab(self._capture, text) if self._capture.isOpened() else None
        if self._first is None:
            self._capture.release()
            with open(text, "rb") as file:  # else it is another fault
                size = file.seek(0, os.SEEK_END)
            raise CameraError(
                f"expected a video. {text} is none that can be read ({size} bytes): it is cut "
                "off, or of another format; convert it to .mp4 or record it again"
            )
        stated = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.fps = stated if 0.1 <= stated <= 1000 else FALLBACK_FPS

    @staticmethod
    def accepts(text: str) -> bool:
        """Any file that exists."""
        return os.path.isfile(text)

    def read(self) -> Frame | None:
        """The next frame; its time follows from the file's frame rate."""
        came, self._first = self._first, None
        came = came or grab(self._capture, self.name)
        if came is None:
            return None
        frame = Frame(came[0], self._index / self.fps, self._index)
        self._index += 1
        return frame

    def close(self) -> None:
        """Close the file."""
        self._first = None
        self._capture.release()

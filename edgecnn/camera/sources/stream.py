"""Source: a network camera, over RTSP or HTTP."""

from __future__ import annotations

import time
from typing import Any

from edgecnn.camera.sources.source import Frame, Source, grab, masked, opencv
from edgecnn.errors import CameraError

SCHEMES = ("rtsp", "rtsps", "rtmp", "http", "https", "tcp", "udp")
TIMEOUT_MS = 10_000
"""How long a camera may take to answer, and then to send a frame, before it counts as gone."""

RTSP_WAITS = 3
"""So often FFmpeg waits for a silent RTSP server before OpenCV hears of it: with 1.5 s allowed, a
server that was stopped (SIGSTOP) ended the stream after 4.5 s, over HTTP after 1.5 s (OpenCV 5.0's
wheel, FFmpeg 8; ``tests/test_camera_rtsp.py``)."""

FPS = 25.0
"""Where the stream states none: MJPEG over HTTP does not."""


class Stream(Source):
    """A stream that FFmpeg reads; wrap it in :class:`.newest.Newest` so that it is never late.

    Args:
        timeout_ms: to answer, and from one frame to the next.

    Raises:
        CameraError: nothing answers at the address, or it sends no video.
    """

    live = True

    def __init__(self, text: str, timeout_ms: int = TIMEOUT_MS):
        cv2 = opencv()
        self.name = masked(text)
        self._index = 0
        self._began_s: float | None = None
        asked_s = time.monotonic()
        waits = RTSP_WAITS if text.lower().startswith("rtsp") else 1
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms]
        limits += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms // waits]
        self._capture: Any = cv2.VideoCapture(text, cv2.CAP_FFMPEG, limits)
        if not self._capture.isOpened():
            raise CameraError(
                f"expected video from {self.name}. None came in "
                f"{time.monotonic() - asked_s:.1f} s: check the address, the user and the "
                "password, and that the camera is on this network"
            )
        stated = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.fps = stated if 0.1 <= stated <= 120 else FPS

    @staticmethod
    def accepts(text: str) -> bool:
        """An address with one of :data:`SCHEMES`."""
        scheme, separator, _ = text.partition("://")
        return bool(separator) and scheme.lower() in SCHEMES

    def read(self) -> Frame | None:
        """The next frame; None where the stream stopped."""
        came = grab(self._capture, self.name)
        if came is None:
            return None
        picture, taken_s = came
        self._began_s = taken_s if self._began_s is None else self._began_s
        frame = Frame(picture, taken_s - self._began_s, self._index, taken_s)
        self._index += 1
        return frame

    def close(self) -> None:
        """End the connection."""
        self._capture.release()

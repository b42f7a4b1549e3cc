"""What every source of frames is, and what those that read through OpenCV share."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, ClassVar, Protocol

import numpy as np

from edgecnn.errors import CameraError
from edgecnn.images import Image


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture and when it was taken.

    Attributes:
        image_bgr: ``(H, W, 3)`` uint8, BGR.
        time_s: seconds since the source began; in a file this is the place in the recording.
        index: 0 for the source's first frame; a live source skips the frames that nobody read.
        taken_s: ``time.monotonic()`` when the picture reached this process, for latencies.
    """

    image_bgr: Image
    time_s: float
    index: int
    taken_s: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Change:
    """A live source stopped, or is back.

    Attributes:
        source: its name.
        lost: it stopped; False where it is back.
        reason: why it stopped, as far as it says so; ``""`` where it is back.
        away_s: how long it was away; 0 where it stopped.
    """

    source: str
    lost: bool
    reason: str = ""
    away_s: float = 0.0

    def __str__(self) -> str:
        if self.lost:
            return f"{self.source} stopped ({self.reason}): opening it again until it is back"
        return f"{self.source} is back after {self.away_s:.1f} s"


class Source(Protocol):
    """Where frames come from. A class that names it as its base gets the ``with`` statement.

    Attributes:
        name: for messages and events; credentials are masked.
        live: frames come at their own pace; one that is not read in time is gone.
        fps: nominal frames a second, which a recording of it is played at.
        remark: one line that the user should read once it is open, or ``""``.
        settable: fields of :class:`..mode.Mode` that its constructor takes by name.
    """

    name: str
    live: bool
    fps: float
    remark: str = ""
    settable: ClassVar[tuple[str, ...]] = ()

    def read(self) -> Frame | None:
        """The next frame, or None once the source has ended or a live one has stopped.

        Raises:
            CameraError: what comes is no picture.
        """

    def tell(self, listener: Callable[[Change], object]) -> None:
        """Have ``listener`` called whenever the source stops and whenever it is back; a source that
        never comes back once it has stopped calls nobody."""
        return None

    def close(self) -> None:
        """Let go of the camera or file; may be called twice."""

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def masked(address: str) -> str:
    """An address without the user, password or token in it.

    >>> masked("rtsp://me:secret@cam/1?user=me&password=x&channel=2")
    'rtsp://***@cam/1?user=***&password=***&channel=2'
    """
    # Greedy up to the last @ before a ? or blank: passwords hold unescaped @ and / at times.
    address = re.sub(r"(?<=://)[^\s?]*@", "***@", address)
    secret = r"([?&][^=&\s]*(?:user|usr|login|pass|pwd|token|key|auth|secret)[^=&\s]*=)[^&\s]*"
    return re.sub(secret, r"\1***", address, flags=re.IGNORECASE)


def opencv() -> Any:
    """``cv2``, with its own and FFmpeg's log lines off unless ``EDGECNN_DEBUG=1``.

    They would stand between the user and our one line, and print addresses with passwords.
    """
    if os.environ.get("EDGECNN_DEBUG") != "1":
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET
    import cv2

    if os.environ.get("EDGECNN_DEBUG") != "1":
        # cv2.setLogLevel is OpenCV 4's name, cv2.utils.logging that of 5.
        quiet = getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel
        quiet(0)
    return cv2


def grab(capture: Any, name: str) -> tuple[Image, float] | None:
    """The next picture of a ``cv2.VideoCapture`` and when it came; None where there is none.

    Returns:
        ``(H, W, 3)`` uint8 BGR, and ``time.monotonic()`` before the picture was decoded.

    Raises:
        CameraError: what came is not a picture, but the camera's raw buffer.
    """
    if not capture.grab():
        return None
    taken_s = time.monotonic()
    there, picture = capture.retrieve()
    if not there or picture is None:
        return None
    if not is_picture(picture):
        raise CameraError(
            f"expected frames of shape (H, W, 3) uint8 from {name}. Received: {picture.shape} "
            f"{picture.dtype}: this OpenCV does not decode the camera's format; "
            "pip install -U opencv-python-headless"
        )
    return picture, taken_s


def is_picture(array: Any) -> bool:
    """Whether an array is a ``(H, W, 3)`` uint8 picture.

    OpenCV 4.11 hands out flat ``(1, H*W*3)`` buffers for cameras whose format it was not told.
    """
    if array.ndim != 3 or array.dtype != np.uint8:
        return False
    return bool(array.size) and array.shape[2] == 3

"""Source: a USB camera, or any other that Linux shows as ``/dev/videoN``."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Any

from edgecnn.camera.sources.source import Frame, Source, grab, is_picture, opencv
from edgecnn.errors import CameraError

FOURCCS = ("YUYV", "MJPG")
"""Asked for in this order. Raw YUYV costs no decoding and is fast enough at 640×480; some cameras
have MJPG alone. Some format must be asked for: see :func:`..source.is_picture`."""

SIZE_WH = (640, 480)
"""A face at arm's length is then about 150 px wide; the detector looks at less than that."""

FPS = 30.0


class V4L2(Source):
    """A camera at ``/dev/videoN``; wrap it in :class:`.newest.Newest` so that it is never late.

    Args:
        text: the number N, or the path of the device.

    Raises:
        CameraError: there is no such camera, it is not allowed or busy, or its format cannot be
            decoded; the line says which, and which cameras there are.
    """

    live = True

    def __init__(self, text: str, size_wh: tuple[int, int] = SIZE_WH):
        cv2 = opencv()
        self.name = f"/dev/video{text}" if text.isdecimal() else text
        self.fps = FPS
        self._index = 0
        self._capture: Any = None
        received: list[str] = []
        for fourcc in FOURCCS:
            capture = cv2.VideoCapture(self.name, cv2.CAP_V4L2)
            if not capture.isOpened():
                raise CameraError(diagnosis(self.name))
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter_fourcc(*fourcc))
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, size_wh[0])
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size_wh[1])
            capture.set(cv2.CAP_PROP_FPS, FPS)
            there, picture = capture.read()
            if there and picture is not None and is_picture(picture):
                self._capture = capture
                self._began_s: float | None = None
                stated = float(capture.get(cv2.CAP_PROP_FPS))
                self.fps = stated if 0.1 <= stated <= 1000 else FPS
                return
            capture.release()
            received.append(f"{picture.shape if there else 'no frame'} as {fourcc}")
        raise CameraError(
            f"expected frames of shape (H, W, 3) from {self.name}. Received: "
            f"{', '.join(received)}: plug it in again, or see what it can do with "
            f"v4l2-ctl --device {self.name} --list-formats-ext"
        )

    @staticmethod
    def accepts(text: str) -> bool:
        """A number, or a path in ``/dev``."""
        return text.isdecimal() or text.startswith("/dev/")

    def read(self) -> Frame | None:
        """The next frame; None where the camera stopped (OpenCV waits 10 s for it)."""
        came = grab(self._capture, self.name)
        if came is None:
            return None
        picture, taken_s = came
        self._began_s = taken_s if self._began_s is None else self._began_s
        frame = Frame(picture, taken_s - self._began_s, self._index, taken_s)
        self._index += 1
        return frame

    def close(self) -> None:
        """Let go of the camera."""
        self._capture.release()


def nodes(dev: Path = Path("/dev"), sys: Path = Path("/sys/class/video4linux")) -> dict[str, str]:
    """The video devices of this machine: path to the name that the driver gives, or ''."""
    found = [p for p in dev.glob("video*") if re.fullmatch(r"video\d+", p.name)]
    names: dict[str, str] = {}
    for path in sorted(found, key=lambda p: int(p.name[5:])):
        told = sys / path.name / "name"
        names[str(path)] = told.read_text("utf-8", "replace").strip() if told.is_file() else ""
    return names


def diagnosis(device: str) -> str:
    """Why a device that OpenCV could not open did not open, and what to do."""
    there = [f"{path} ({name})" if name else path for path, name in nodes().items()]
    found = f"this machine has {', '.join(there)}" if there else "this machine has no /dev/video*"
    try:
        os.close(os.open(device, os.O_RDWR | os.O_NONBLOCK))
    except FileNotFoundError:
        cure = "choose one of these" if there else "plug a camera in"
        return f"expected a camera at {device}, but {found}: {cure}, then run edgecnn doctor"
    except PermissionError:
        return (
            f"{device} may not be opened by this user: sudo usermod -aG video $USER, "
            "then log out and in again"
        )
    except OSError as e:
        if e.errno == errno.EBUSY:
            return f"{device} is in use by another program: find it with fuser -v {device}"
        return f"{device} does not open ({e.strerror}): plug the camera in again; {found}"
    return (
        f"{device} opens, but gives no picture: it is no camera, or another program uses it "
        f"(fuser -v {device}); {found}"
    )

"""Source: a USB camera, or any other that Linux shows as ``/dev/videoN``."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Any

from edgecnn.camera.sources.mode import RATE_TOLERANCE, Mode, remark
from edgecnn.camera.sources.source import Frame, Source, grab, is_picture, opencv
from edgecnn.errors import CameraError

FOURCCS = ("YUYV", "MJPG")
"""Asked for in this order. Raw YUYV costs no decoding and is fast enough at 640×480; USB 2 has no
room for it at 1280×720, and some cameras have MJPG alone. Some format must be asked for: see
:func:`..source.is_picture`."""

SIZE_WH = (640, 480)
"""A face at arm's length is then about 150 px wide; the detector looks at less than that."""

FPS = 30.0


class V4L2(Source):
    """A camera at ``/dev/videoN``; wrap it in :class:`.newest.Newest` so that it is never late.

    Args:
        text: the number N, or the path of the device.
        fourcc: the format to ask for. Where None, the first of :data:`FOURCCS` that comes at the
            rate asked for, or else the fastest.
        size_wh: :data:`SIZE_WH` where None.
        fps: :data:`FPS` where None.

    Raises:
        CameraError: there is no such camera, it is not allowed or busy, or its format cannot be
            decoded; the line says which, and which cameras there are.
    """

    live = True
    settable = ("fourcc", "size_wh", "fps")

    def __init__(
        self,
        text: str,
        fourcc: str | None = None,
        size_wh: tuple[int, int] | None = None,
        fps: float | None = None,
    ):
        self.name = f"/dev/video{text}" if text.isdecimal() else text
        self._index = 0
        self._began_s: float | None = None
        self._capture: Any = None
        given, received = self._choose(
            (fourcc,) if fourcc else FOURCCS, size_wh or SIZE_WH, fps or FPS
        )
        if given is None:
            raise CameraError(
                f"expected frames of shape (H, W, 3) from {self.name}. Received: "
                f"{', '.join(received)}: plug it in again, or see what it can do with "
                f"v4l2-ctl --device {self.name} --list-formats-ext"
            )
        self.fps = given.fps or FPS
        self.remark = remark(self.name, Mode(fourcc, size_wh, fps), given)
        if self.remark:
            self.remark += f": v4l2-ctl --device {self.name} --list-formats-ext lists its modes"

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

    def _choose(
        self, fourccs: tuple[str, ...], size_wh: tuple[int, int], fps: float
    ) -> tuple[Mode | None, list[str]]:
        """Open in the first format that is fast enough, or the fastest; or what came instead."""
        usable: dict[str, Mode] = {}
        received: list[str] = []
        tried = ""
        for tried in fourccs:
            given = self._start(tried, size_wh, fps)
            if isinstance(given, str):
                received.append(f"{given} as {tried}")
                continue
            usable[tried] = given
            if (given.fps or fps) >= (1 - RATE_TOLERANCE) * fps:
                return given, received
        if not usable:
            return None, received
        best = max(usable, key=lambda fourcc: usable[fourcc].fps or 0.0)
        if best != tried:
            again = self._start(best, size_wh, fps)
            if isinstance(again, str):
                return None, [f"{again} as {best}"]
        return usable[best], received

    def _start(self, fourcc: str, size_wh: tuple[int, int], fps: float) -> Mode | str:
        """Open the camera in a format: what it then gives, or, in words, what is no picture."""
        cv2 = opencv()
        if self._capture is not None:
            self._capture.release()
        capture = self._capture = cv2.VideoCapture(self.name, cv2.CAP_V4L2)
        if not capture.isOpened():
            raise CameraError(diagnosis(self.name))
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter_fourcc(*fourcc))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, size_wh[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size_wh[1])
        capture.set(cv2.CAP_PROP_FPS, fps)
        there, picture = capture.read()
        if not there or picture is None or not is_picture(picture):
            capture.release()
            return str(picture.shape) if there and picture is not None else "no frame"
        stated = float(capture.get(cv2.CAP_PROP_FPS))
        code = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=True)
        return Mode(
            code.decode() if code.isalnum() else None,
            (picture.shape[1], picture.shape[0]),
            stated if 0.1 <= stated <= 1000 else None,
        )


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

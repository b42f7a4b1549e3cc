"""Source: a camera on a Raspberry Pi's CSI port, through picamera2.

picamera2 and libcamera come with Raspberry Pi OS (``python3-picamera2``), built for its Python, and
are imported when such a camera is opened. The calls are those of the Picamera2 manual
(https://datasheets.raspberrypi.com/camera/picamera2-manual.pdf), chapters 4 to 6.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import time
from concurrent.futures import TimeoutError as JobTimeout
from pathlib import Path
from typing import Any

from edgecnn.camera.sources.mode import Mode, remark
from edgecnn.camera.sources.source import Frame, Source, is_picture
from edgecnn.errors import CameraError, MissingExtra

SIZE_WH = (640, 480)
"""As with USB cameras; the Pi's image processor scales the sensor's picture down to it."""

FPS = 30.0

TIMEOUT_S = 10.0
"""Without a frame for as long, the camera has stopped: a loose cable ends no call by itself."""

PACKAGES = ("picamera2", "libcamera")


class CSI(Source):
    """The Pi's own camera; wrap it in :class:`.newest.Newest` so that it is never late.

    Args:
        text: ``csi``, or ``csi:N`` for the Nth one.
        size_wh: :data:`SIZE_WH` where None.
        fps: :data:`FPS` where None.

    Raises:
        CameraError: there is no such camera, another program has it, or it gives no picture.
        MissingExtra: picamera2 cannot be imported; the line has the commands that cure it.
    """

    live = True
    settable = ("size_wh", "fps")

    def __init__(self, text: str, size_wh: tuple[int, int] | None = None, fps: float | None = None):
        number = int(text.partition(":")[2] or 0)
        self.name = f"csi:{number}"
        self._index = 0
        self._began_s: float | None = None
        picamera2 = _picamera2()
        found = [str(c.get("Model", "?")) for c in picamera2.global_camera_info()]
        if number >= len(found):
            raise CameraError(
                f"expected a camera at {self.name}. libcamera finds {', '.join(found) or 'none'}: "
                "check both ends of its ribbon cable, then rpicam-hello --list-cameras"
            )
        try:
            self._camera = picamera2(number)
        except Exception as e:  # RuntimeError for now; what libcamera said is its context
            raise CameraError(
                f"{self.name} ({found[number]}) does not open ({_line(e.__context__ or e)}): end "
                "what else uses it (fuser -v /dev/media*)"
            ) from e
        try:
            self.fps = self._start(size_wh, fps)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def accepts(text: str) -> bool:
        """``csi`` or ``csi:N``."""
        return re.fullmatch(r"csi(:\d{1,3})?", text) is not None

    def read(self) -> Frame | None:
        """The next frame; None where the camera stopped.

        Raises:
            CameraError: what came is not a picture.
        """
        taken = self._take()
        if taken is None:
            return None
        picture, taken_s, _ = taken
        self._began_s = taken_s if self._began_s is None else self._began_s
        frame = Frame(picture, taken_s - self._began_s, self._index, taken_s)
        self._index += 1
        return frame

    def close(self) -> None:
        """Let go of the camera; stops it, too."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()

    def _start(self, size_wh: tuple[int, int] | None, fps: float | None) -> float:
        """Configure and start; sets the remark. The rate that the camera says it has."""
        frame_us = round(1e6 / (fps or FPS))
        try:
            # libcamera names formats by their order in a word, so RGB888 is BGR in memory.
            config = self._camera.create_video_configuration(
                main={"size": size_wh or SIZE_WH, "format": "RGB888"},
                controls={"FrameDurationLimits": (frame_us, frame_us)},
            )
            self._camera.configure(config)
            self._camera.start()
        except Exception as e:
            raise CameraError(
                f"{self.name} does not start with {Mode(None, size_wh or SIZE_WH, fps or FPS)} "
                f"({_line(e)}): rpicam-hello --list-cameras lists its modes"
            ) from e
        taken = self._take()
        if taken is None:
            raise CameraError(
                f"expected frames from {self.name}. None came in {TIMEOUT_S:g} s: check both ends "
                "of its ribbon cable, then rpicam-hello"
            )
        picture, _, rate = taken
        given = Mode(None, (picture.shape[1], picture.shape[0]), rate)
        self.remark = remark(self.name, Mode(None, size_wh, fps), given)
        if self.remark:
            self.remark += ": rpicam-hello --list-cameras lists its modes"
        return rate or FPS

    def _take(self) -> tuple[Any, float, float | None] | None:
        """The next picture, when it came and the rate; None where none comes."""
        if self._camera is None:
            return None
        try:
            request = self._camera.capture_request(wait=False).get_result(timeout=TIMEOUT_S)
            taken_s = time.monotonic()
            try:
                picture = request.make_array("main")  # a copy, so the buffer goes back at once
                duration_us = float(request.get_metadata().get("FrameDuration", 0))
            finally:
                request.release()
        except JobTimeout:
            # To stop the camera is a job as well, which would wait behind this one for ever.
            self._camera.cancel_all_and_flush()
            return None
        except (RuntimeError, OSError):
            return None
        if not is_picture(picture):
            raise CameraError(
                f"expected frames of shape (H, W, 3) uint8 from {self.name}. Received: "
                f"{picture.shape} {picture.dtype}: sudo apt full-upgrade"
            )
        return picture, taken_s, round(1e6 / duration_us, 2) if duration_us > 0 else None


def _picamera2() -> Any:
    """The class ``Picamera2``, imported."""
    if os.environ.get("EDGECNN_DEBUG") != "1":
        os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:ERROR")
        logging.getLogger("picamera2").setLevel(logging.CRITICAL)  # our line says it
    try:
        from picamera2 import Picamera2
    except ModuleNotFoundError as e:
        if (e.name or "").partition(".")[0] not in PACKAGES:
            raise
        raise MissingExtra(cure(e.name or ""), name=e.name) from e
    except ValueError as e:
        # Debian 12's simplejpeg was built for numpy 1: picamera2 issues 1088 and 1211.
        if "numpy" not in str(e):
            raise
        raise CameraError(
            f"picamera2 does not load beside this environment's numpy ({_line(e)}): "
            f"{sys.executable} -m pip install --ignore-installed simplejpeg"
        ) from e
    return Picamera2


def cure(missing: str, prefix: str = sys.prefix, base: str = sys.base_prefix) -> str:
    """What to do where picamera2 is missing, as commands for this very environment.

    Args:
        missing: the module that was not found.
        prefix: of the environment; ``base``: of the Python it was made with. Equal outside one.
    """
    install = "sudo apt install -y python3-picamera2"
    said = (
        f"expected picamera2 for a CSI camera, but {missing} is not installed here; it comes with "
        "Raspberry Pi OS and not from pip"
    )
    if Path(base) != Path("/usr"):
        return (
            f"{said}, and for the system's Python alone: {install} && /usr/bin/python3 -m venv "
            "--system-site-packages NEW, and install edgecnn in NEW"
        )
    config = Path(prefix, "pyvenv.cfg")
    closed = config.is_file() and not re.search(
        r"(?im)^include-system-site-packages\s*=\s*true", config.read_text("utf-8")
    )
    if prefix != base and closed:
        change = "s/^include-system-site-packages.*/include-system-site-packages = true/"
        return f"{said}: {install} && sed -i '{change}' {config}"
    return f"{said}: {install}"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__

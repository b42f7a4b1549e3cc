"""Sink: a window, where this OpenCV and this machine have one."""

from __future__ import annotations

import os
import re
import sys
import threading
from typing import Any

from edgecnn.camera.pipeline import Result
from edgecnn.camera.sinks.beside import Backlog
from edgecnn.camera.sources.source import opencv
from edgecnn.errors import CameraError, MissingExtra

QUIT_KEYS = (ord("q"), 27)  # 27 is Esc


def gui_backend(cv2: Any) -> str:
    """The window system that this OpenCV was built with (``QT5``, ``GTK3`` ...), or ''."""
    built = re.search(r"^\s*GUI:\s*(\S+)", cv2.getBuildInformation(), re.MULTILINE)
    name = built.group(1) if built else ""
    return "" if name == "NONE" else name


class WindowSink:
    """Shows each annotated frame; q, Esc or the window's close button ends the run.

    Args:
        title: of the window.
        stop: set when the user closes it.

    Raises:
        MissingExtra: OpenCV was built without windows.
        CameraError: there is no screen.
    """

    backlog = Backlog(room=0)

    def __init__(self, title: str, stop: threading.Event):
        self._cv2, self._title, self._stop = opencv(), title, stop
        if not gui_backend(self._cv2):
            raise MissingExtra(
                "expected an OpenCV with windows for --window. This is the headless one: "
                "pip uninstall opencv-python-headless, then pip install opencv-python; or use "
                "--out-video"
            )
        # Qt aborts the process where there is no display: ask before it does.
        if sys.platform == "linux" and not (
            os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        ):
            raise CameraError(
                "expected a screen for --window. Neither DISPLAY nor WAYLAND_DISPLAY is set: run "
                "it on the desktop, or use --out-video"
            )
        self._cv2.namedWindow(title, self._cv2.WINDOW_NORMAL)

    def write(self, result: Result) -> None:
        """Show one frame."""
        cv2 = self._cv2
        cv2.imshow(self._title, result.annotated_bgr)
        key = cv2.waitKey(1) & 0xFF
        if key in QUIT_KEYS or cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1:
            self._stop.set()

    def close(self) -> None:
        """Close the window."""
        if self._cv2.getWindowProperty(self._title, self._cv2.WND_PROP_VISIBLE) >= 1:
            self._cv2.destroyWindow(self._title)

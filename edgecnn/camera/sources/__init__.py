"""Where frames come from: one file a kind, named in one dict."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial

from edgecnn.camera.sources.csi import CSI
from edgecnn.camera.sources.folder import Folder
from edgecnn.camera.sources.mode import Mode
from edgecnn.camera.sources.newest import Newest
from edgecnn.camera.sources.source import Change, Frame, Source, masked
from edgecnn.camera.sources.stream import Stream
from edgecnn.camera.sources.tape import Tape
from edgecnn.camera.sources.v4l2 import V4L2
from edgecnn.camera.sources.video import Video
from edgecnn.errors import CameraError, EdgeCNNError

__all__ = ["SOURCES", "Change", "Frame", "Mode", "Newest", "Source", "masked", "open_source"]

Kind = type[Stream | V4L2 | CSI | Folder | Tape | Video]

SOURCES: dict[str, Kind] = {
    "stream": Stream,
    "v4l2": V4L2,
    "csi": CSI,
    "folder": Folder,
    "tape": Tape,
    "video": Video,
}
"""The kinds of source; the first whose ``accepts`` says yes opens the user's text."""


def open_source(
    text: str,
    stop: threading.Event | None = None,
    *,
    mode: Mode | None = None,
    note: Callable[[str], object] | None = None,
) -> Source:
    """Open what the user named; a live source comes wrapped in :class:`Newest`.

    Args:
        text: a camera's number, ``/dev/videoN``, ``csi``, a video file, a tape, a folder of
            pictures, or an ``rtsp://`` or ``http://`` address.
        stop: once set, a read that waits for a live source's frame returns None.
        mode: what is asked of a camera.
        note: takes a line that the user should read: a camera does otherwise than it was asked,
            stopped, or is back; a tape was cut off.

    Raises:
        CameraError: there is no such source, it cannot be opened or read, or ``mode`` asks what its
            kind has no choice in.
        MissingExtra: see :class:`CSI`.
    """
    try:
        for name, kind in SOURCES.items():
            if kind.accepts(text):
                asked = mode.asked() if mode else {}
                _refuse(text, name, asked.keys() - set(kind.settable))
                open_: Callable[[], Source] = partial(kind, text, **asked)
                if kind.live:
                    return Newest(open_, stop, note=note)
                source = open_()
                if note and source.remark:
                    note(source.remark)
                return source
        os.stat(text)  # is there nothing, or may it not be looked at?
    except EdgeCNNError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        pass  # said below
    except OSError as e:  # a recording is its owner's alone, a folder may be, too
        raise CameraError(
            f"cannot read {masked(text)} ({e.strerror or e}): do this as the user that it belongs "
            "to, or change its permissions"
        ) from e
    raise CameraError(
        "expected a camera number, /dev/videoN, csi, a video file, a tape, a folder of pictures "
        f"or an rtsp:// or http:// address. Received: {masked(text)!r}, and no such file exists: "
        "check the path"
    )


OPTIONS = {"fourcc": "--fourcc", "size_wh": "--size", "fps": "--fps"}


def _refuse(text: str, kind: str, fields: set[str]) -> None:
    """Refuse what a kind of source has no choice in.

    Raises:
        CameraError: there is such a field.
    """
    if fields:
        options = " and ".join(option for name, option in OPTIONS.items() if name in fields)
        raise CameraError(
            f"{options} cannot be chosen for {masked(text)}, which is read as {kind}: "
            f"leave out {options}"
        )

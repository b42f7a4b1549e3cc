"""Where frames come from: one file a kind, named in one dict."""

from __future__ import annotations

import threading
from functools import partial

from edgecnn.camera.sources.folder import Folder
from edgecnn.camera.sources.newest import Newest
from edgecnn.camera.sources.source import Frame, Source, masked
from edgecnn.camera.sources.stream import Stream
from edgecnn.camera.sources.v4l2 import V4L2
from edgecnn.camera.sources.video import Video
from edgecnn.errors import CameraError

__all__ = ["SOURCES", "Frame", "Newest", "Source", "masked", "open_source"]

SOURCES: dict[str, type[Stream] | type[V4L2] | type[Folder] | type[Video]] = {
    "stream": Stream,
    "v4l2": V4L2,
    "folder": Folder,
    "video": Video,
}
"""The kinds of source; the first whose ``accepts`` says yes opens the user's text."""


def open_source(text: str, stop: threading.Event | None = None) -> Source:
    """Open what the user named; a live source comes wrapped in :class:`Newest`.

    Args:
        text: a camera's number, ``/dev/videoN``, a video file, a folder of pictures, or an
            ``rtsp://`` or ``http://`` address.
        stop: once set, a read that waits for a live source's frame returns None.

    Raises:
        CameraError: there is no such source, or it cannot be opened.
    """
    for kind in SOURCES.values():
        if kind.accepts(text):
            return Newest(partial(kind, text), stop) if kind.live else kind(text)
    raise CameraError(
        "expected a camera number, /dev/videoN, a video file, a folder of pictures or an "
        f"rtsp:// or http:// address. Received: {masked(text)!r}, and no such file exists: "
        "check the path"
    )

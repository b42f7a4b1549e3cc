"""The live picture: encoded once for all who watch, and not at all while nobody does.

The camera's loop only leaves its newest result here. A thread makes a JPEG of it as often as the
viewers may have one; each viewer gets the newest there is, and whoever is slow misses pictures.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import AsyncGenerator

import numpy as np

from edgecnn.camera.pipeline import Result
from edgecnn.images import Image

MOST_FPS = 12.0
"""Pictures a second for one viewer."""

ALL_FPS = 60.0
"""Pictures a second for all viewers together: five get twelve each, 200 one in three seconds.
This, and not the number of viewers, is what watching may cost; ``tests/bench_web.py`` measures
it."""

WIDEST = 960
"""Pixels: wider pictures are sent smaller."""

QUALITY = 75
"""Of the JPEG."""


class Pictures:
    """The newest result, and whoever waits for its picture."""

    def __init__(self) -> None:
        self._newest: Result | None = None
        self._changed = threading.Condition()
        self._viewers: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._jpeg, self._hurry, self._closed = b"", False, False
        self._thread: threading.Thread | None = None

    @property
    def viewers(self) -> int:
        """How many watch."""
        return len(self._viewers)

    @property
    def newest(self) -> Result | None:
        """The camera's newest result."""
        return self._newest

    def offer(self, result: Result) -> None:
        """Take the camera's newest result; never waits for an encoder or a viewer."""
        with self._changed:
            self._newest = result
            if self._viewers:
                self._changed.notify()

    def close(self) -> None:
        """End all streams and the encoder."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            self._tell()
        if self._thread is not None:
            self._thread.join(2.0)

    def still(self) -> bytes:
        """The newest picture as JPEG; empty before the first."""
        return jpeg_of(self._newest.annotated_bgr) if self._newest else b""

    async def watch(self) -> AsyncGenerator[bytes, None]:
        """JPEG after JPEG, each the newest there is, until :meth:`close`."""
        new = asyncio.Event()
        with self._changed:
            self._viewers[new] = asyncio.get_running_loop()
            # Whoever comes sees something at once: what the others see, else a fresh picture.
            last = self._jpeg
            self._hurry |= not last
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="edgecnn-jpeg", daemon=True)
                self._thread.start()
            self._changed.notify()
        try:
            if last:
                yield last
            while not self._closed:
                await new.wait()
                new.clear()
                jpeg = self._jpeg
                if jpeg and jpeg is not last:
                    last = jpeg
                    yield jpeg
        finally:
            with self._changed:
                del self._viewers[new]
                if not self._viewers:
                    self._jpeg = b""  # the next one to come shall not see the past

    def _run(self) -> None:
        yield_the_processor()
        shown: Result | None = None
        due_s = 0.0
        while True:
            with self._changed:
                while not self._closed:
                    wait_s = due_s - time.monotonic()
                    there = self._newest is not None and bool(self._viewers)
                    if there and self._hurry:
                        break
                    if there and self._newest is not shown and wait_s <= 0:
                        break
                    waits = there and self._newest is not shown
                    self._changed.wait(wait_s if waits else None)
                if self._closed:
                    return
                result, again = self._newest, self._newest is shown
                viewers, self._hurry = len(self._viewers), False
            assert result is not None
            jpeg = (again and self._jpeg) or jpeg_of(result.annotated_bgr)
            shown = result
            due_s = time.monotonic() + every_s(viewers)
            with self._changed:
                if self._viewers:
                    self._jpeg = jpeg
                    self._tell()

    def _tell(self) -> None:
        """Wake the viewers: one call, whoever watches, since the camera's loop may want the lock
        that is held here."""
        for loop in set(self._viewers.values()):
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._wake, loop)

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        for viewer, own in self._viewers.items():
            if own is loop:
                viewer.set()


def every_s(viewers: int) -> float:
    """Seconds between two pictures while so many watch."""
    return max(1 / MOST_FPS, viewers / ALL_FPS)


def jpeg_of(image_bgr: Image) -> bytes:
    """A picture as JPEG, :data:`WIDEST` pixels wide at most."""
    import cv2

    height, width = image_bgr.shape[:2]
    picture = image_bgr
    if width > WIDEST:
        size_wh = WIDEST, max(1, round(height * WIDEST / width))
        smaller = cv2.resize(image_bgr, size_wh, interpolation=cv2.INTER_AREA)
        picture = np.asarray(smaller, np.uint8)
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1])


def yield_the_processor() -> None:
    """Let the thread that calls this work only where the camera's loop leaves time for it.

    On Linux each thread has a niceness of its own; elsewhere this does nothing.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        own = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, min(own + 10, 19))

"""A recording read ahead in a thread of its own, so that decoding and recognising overlap."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import replace

from edgecnn.camera.sources.source import Frame, Source

ROOM = 2
"""Frames that wait: one while the next is decoded; more would only take memory."""


class Ahead(Source):
    """Every frame of a source that is not live, in order; none is left out.

    Args:
        source: closed with this one.
        stop: once set, a read that waits for a frame returns None.

    Attributes:
        stirs: how often the thread came back from the source.
    """

    live = False

    def __init__(self, source: Source, stop: threading.Event | None = None):
        self.name, self.fps = source.name, source.fps
        self.stirs = 0
        self._source, self._stop = source, stop or threading.Event()
        self._closed = threading.Event()
        self._changed = threading.Condition()
        self._frames: deque[Frame] = deque()
        self._ended = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="edgecnn-ahead", daemon=True)
        self._thread.start()

    def read(self) -> Frame | None:
        """The next frame, or None after the last; its ``taken_s`` is now, when it was asked for.

        Raises:
            EdgeCNNError: whatever the source raised after the frames before it.
        """
        with self._changed:
            while not (self._stop.is_set() or self._closed.is_set()):
                if self._frames:
                    frame = self._frames.popleft()
                    self._changed.notify_all()
                    return replace(frame, taken_s=time.monotonic())
                if self._error is not None:
                    raise self._error
                if self._ended:
                    return None
                # Short, because the stop event wakes nobody.
                self._changed.wait(0.1)
        return None

    def close(self) -> None:
        """End the thread and close the source; waits up to 2 s for a read in progress."""
        with self._changed:
            self._closed.set()
            self._changed.notify_all()
        self._thread.join(2.0)

    def _run(self) -> None:
        try:
            while self._has_room():
                self.stirs += 1
                frame = self._source.read()
                with self._changed:
                    if frame is None:
                        return
                    self._frames.append(frame)
                    self._changed.notify_all()
        except Exception as e:  # read() raises it where somebody can see it
            self._error = e
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
            self._source.close()

    def _has_room(self) -> bool:
        """Wait for room; False once closed."""
        with self._changed:
            while len(self._frames) >= ROOM and not self._closed.is_set():
                self._changed.wait()
            return not self._closed.is_set()

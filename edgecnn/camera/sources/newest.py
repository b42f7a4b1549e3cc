"""A live source read in a thread of its own, so that the frame at hand is always the newest."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from edgecnn.camera.sources.source import Frame, Source
from edgecnn.errors import CameraError

WAITS_S = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Before each attempt to open a source again that stopped."""

MAX_AGE_S = 1.0
"""A frame that has waited longer than this shows what was, and is passed over."""


class Newest(Source):
    """Keeps the newest frame of a live source and forgets the others.

    Args:
        open_: opens the source; called again, after :data:`WAITS_S`, when it stops.
        stop: once set, a read that waits for a frame returns None at once.
        waits_s: seconds before each attempt to open it again, :data:`WAITS_S` where None; when
            all have passed it is gone.
        max_age_s: older frames are passed over.

    Attributes:
        skipped: frames that were replaced by a newer one before anybody read them.
        stirs: how often the thread came back from the camera, or tried to open it again.

    Raises:
        CameraError: the source cannot be opened to begin with.
    """

    live = True

    def __init__(
        self,
        open_: Callable[[], Source],
        stop: threading.Event | None = None,
        *,
        waits_s: tuple[float, ...] | None = None,
        max_age_s: float = MAX_AGE_S,
    ):
        source = open_()
        self.name, self.fps = source.name, source.fps
        self.skipped = self.stirs = 0
        self._waits_s = WAITS_S if waits_s is None else waits_s
        self._open, self._max_age_s = open_, max_age_s
        self._stop = stop or threading.Event()
        self._closed = threading.Event()
        self._changed = threading.Condition()
        self._slot: Frame | None = None
        self._error: Exception | None = None
        self._began_s = time.monotonic()
        self._thread = threading.Thread(
            target=self._run, args=(source,), name="edgecnn-camera", daemon=True
        )
        self._thread.start()

    def read(self) -> Frame | None:
        """The newest frame that was not read yet; waits for one.

        Raises:
            CameraError: the source stopped and did not come back.
        """
        with self._changed:
            while not (self._stop.is_set() or self._closed.is_set()):
                frame, self._slot = self._slot, None
                if frame is not None:
                    if time.monotonic() - frame.taken_s <= self._max_age_s:
                        return frame
                    self.skipped += 1
                elif self._error is not None:
                    raise self._error
                else:
                    # Short, because the stop event wakes nobody.
                    self._changed.wait(0.1)
        return None

    def close(self) -> None:
        """Stop the thread, which closes the source; waits up to 2 s for a read in progress."""
        self._closed.set()
        self._thread.join(2.0)

    def _run(self, source: Source) -> None:
        try:
            self._capture(source)
        except Exception as e:  # read() raises it where somebody can see it
            with self._changed:
                self._error = e
                self._changed.notify_all()

    def _capture(self, source: Source | None) -> None:
        index, attempt, reason = 0, 0, "no more frames came"
        try:
            while not self._closed.is_set():
                self.stirs += 1
                frame = source.read() if source else None
                if frame is not None:
                    attempt = 0
                    self._put(replace(frame, time_s=frame.taken_s - self._began_s, index=index))
                    index += 1
                    continue
                if source is not None:
                    source.close()
                    source = None
                if attempt == len(self._waits_s):
                    raise CameraError(
                        f"{self.name} stopped and did not come back in "
                        f"{sum(self._waits_s):g} s ({reason}): check its cable, power and network"
                    )
                if self._closed.wait(self._waits_s[attempt]):
                    return
                attempt += 1
                try:
                    source = self._open()
                except CameraError as e:
                    reason = str(e)
        finally:
            if source is not None:
                source.close()

    def _put(self, frame: Frame) -> None:
        with self._changed:
            self.skipped += self._slot is not None
            self._slot = frame
            self._changed.notify_all()

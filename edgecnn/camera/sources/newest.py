"""A live source read in a thread of its own, so that the frame at hand is always the newest."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from edgecnn.camera.sources.source import Change, Frame, Source
from edgecnn.errors import CameraError

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
"""Before a source that stopped is opened again; doubled after each attempt, up to the second. A
camera that starts anew takes about that long, and a board waits for it for as long as it runs."""

MAX_AGE_S = 1.0
"""A frame that has waited longer than this shows what was, and is passed over."""


class Newest(Source):
    """Keeps the newest frame of a live source, forgets the others, and opens it again for ever.

    Args:
        open_: opens the source; called again when it stops, until it is back.
        stop: once set, a read that waits for a frame returns None at once.
        note: takes a line when the source stops, one when it is back, and what the source itself
            remarks; called in the thread that reads.
        waits_s: seconds before the first attempt to open it again, and at most before each;
            :data:`FIRST_WAIT_S` and :data:`LONGEST_WAIT_S` where None.
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
        note: Callable[[str], object] | None = None,
        waits_s: tuple[float, float] | None = None,
        max_age_s: float = MAX_AGE_S,
    ):
        source = open_()
        self.name, self.fps, self.remark = source.name, source.fps, source.remark
        self.skipped = self.stirs = 0
        self._note = note or (lambda line: None)
        self._listeners: list[Callable[[Change], object]] = []
        self._lost: Change | None = None
        self._telling = threading.Lock()
        self._first_s, self._longest_s = waits_s or (FIRST_WAIT_S, LONGEST_WAIT_S)
        self._open, self._max_age_s = open_, max_age_s
        self._stop = stop or threading.Event()
        self._closed = threading.Event()
        self._changed = threading.Condition()
        self._slot: Frame | None = None
        self._error: Exception | None = None
        self._began_s = time.monotonic()
        if self.remark:
            self._note(self.remark)
        self._thread = threading.Thread(
            target=self._run, args=(source,), name="edgecnn-camera", daemon=True
        )
        self._thread.start()

    def read(self) -> Frame | None:
        """The newest frame that was not read yet; waits for one, also while the source is away.

        Raises:
            Exception: whatever a defect in the thread raised.
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

    def tell(self, listener: Callable[[Change], object]) -> None:
        """Call ``listener`` whenever the source stops and whenever it is back.

        In the thread that reads, or at once where the source is away already. What it raises there
        :meth:`read` raises in its turn.
        """
        with self._telling:
            self._listeners.append(listener)
            if self._lost:
                listener(self._lost)

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
        index, wait_s = 0, 0.0
        lost_s: float | None = None
        back_s = time.monotonic()
        try:
            while not self._closed.is_set():
                self.stirs += 1
                frame, reason = None, "no more frames came"
                try:
                    source = source or self._open()
                    frame = source.read()
                except CameraError as e:
                    reason = str(e)
                if source is not None and frame is not None:
                    if lost_s is not None:
                        back_s = time.monotonic()
                        self._say(Change(self.name, lost=False, away_s=back_s - lost_s))
                        self._pass_on_remark(source)
                        lost_s = None
                    self._put(replace(frame, time_s=frame.taken_s - self._began_s, index=index))
                    index += 1
                    continue
                if source is not None:
                    source.close()
                    source = None
                if self._closed.is_set():
                    return
                if lost_s is None:
                    lost_s = time.monotonic()
                    self._say(Change(self.name, lost=True, reason=reason))
                    # One that keeps falling over is not opened ever more often.
                    wait_s = wait_s if lost_s - back_s < wait_s else 0.0
                wait_s = min(max(2 * wait_s, self._first_s), self._longest_s)
                if self._closed.wait(wait_s):
                    return
        finally:
            if source is not None:
                source.close()

    def _say(self, change: Change) -> None:
        self._note(str(change))
        with self._telling:
            self._lost = change if change.lost else None
            for listener in self._listeners:
                listener(change)

    def _pass_on_remark(self, source: Source) -> None:
        if source.remark and source.remark != self.remark:
            self._note(source.remark)
        self.remark = source.remark

    def _put(self, frame: Frame) -> None:
        with self._changed:
            self.skipped += self._slot is not None
            self._slot = frame
            self._changed.notify_all()

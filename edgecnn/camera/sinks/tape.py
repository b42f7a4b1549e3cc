"""Sink: the frames as they came, for ``--source FILE.tape`` to give them again."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Full, Queue

from edgecnn.camera.pipeline import Result
from edgecnn.camera.sinks.beside import Backlog
from edgecnn.camera.sinks.drafts import hold, recover, told
from edgecnn.camera.sources import Frame
from edgecnn.camera.sources.tape import END, FRAME, SUFFIX, Record, first_line, has_frame, pack
from edgecnn.errors import StorageError
from edgecnn.storage import keep_free, whole_file

QUEUE_BYTES = 32 << 20
"""Of frames that wait to be packed: 36 of 640×480, a second's worth; 5 of 1920×1080."""

OWNER_ONLY = 0o600
"""A tape holds faces as they are."""


class TapeSink:
    """Records each frame that was recognised, with its index and time and nothing drawn on it.

    Frames are packed in a thread of their own. No frame is left out: where packing is slower than
    recognition, :meth:`write` waits, and one line says so: docs/design.md has the reason. The tape
    has its name once it is whole; what a kill leaves gets one from the next recording
    (:mod:`edgecnn.camera.sinks.drafts`).

    Args:
        path: ends in ``.tape``.
        source: the source's name, passwords masked.
        fps: the source's rate.
        note: takes a line that the user should read.

    Attributes:
        held_s: how long ``write`` has waited in all.

    Raises:
        StorageError: another suffix, the folder is not writable, or the disk is full.
    """

    backlog = Backlog(room=0)  # it has a queue of its own

    def __init__(
        self,
        path: str | Path,
        source: str,
        fps: float,
        note: Callable[[str], object] | None = None,
    ):
        self.path, self.held_s = Path(path), 0.0
        if self.path.suffix.lower() != SUFFIX:
            raise StorageError(f"expected a tape's name to end in {SUFFIX}. Received: {path}")
        self._note = note or (lambda line: None)
        for found in recover(self.path, has_frame):
            self._note(told(found))
        self._whole = whole_file(path, mode=OWNER_ONLY)
        draft = self._whole.__enter__()
        try:
            # Unbuffered: after a kill, all that was written is there.
            self._file = open(draft, "wb", buffering=0)  # noqa: SIM115
            hold(self._file)
            self._frames = 0
            self._append(first_line(source, fps))
        except BaseException:
            self._whole.__exit__(*sys.exc_info())
            raise
        self._error: Exception | None = None
        self._queue: Queue[Frame | None] = Queue()
        self._thread: threading.Thread | None = None

    def write(self, result: Result) -> None:
        """Take one frame; returns at once while there is room in the queue.

        Raises:
            StorageError: the disk is full; what was recorded until then is kept.
        """
        frame = result.frame
        if self._thread is None:
            self._queue = Queue(max(1, QUEUE_BYTES // frame.image_bgr.nbytes))
            self._thread = threading.Thread(target=self._run, name="edgecnn-tape", daemon=True)
            self._thread.start()
        self._raise()
        try:
            self._queue.put_nowait(frame)
        except Full:
            if not self.held_s:
                self._note(
                    f"recording {self.path} takes longer than recognition, which waits for it from "
                    "now on, so that no frame is missing: a smaller --size or --fps costs less"
                )
            began_s = time.monotonic()
            self._queue.put(frame)
            self.held_s += time.monotonic() - began_s

    def close(self) -> None:
        """Finish the tape and give it its name; one without a frame leaves no file.

        Raises:
            StorageError: the disk was full; the tape has its name and ends with a whole frame.
        """
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
        try:
            if self._frames:
                self._append(pack(Record(END, self._frames, 0.0, b"")))
        except StorageError as e:
            self._error = self._error or e
        none = None if self._frames else StorageError("nothing was recorded")
        with self._file:  # open, and so locked, until it has its name
            self._whole.__exit__(type(none) if none else None, none, None)
        self._raise()

    def _raise(self) -> None:
        """Raise once what went wrong in the thread."""
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _run(self) -> None:
        failed = False
        while (frame := self._queue.get()) is not None:
            if failed:
                continue  # nobody is to wait for room that never comes
            try:
                self._record(frame)
            except Exception as e:  # write() or close() raises it where somebody can see it
                self._error, failed = e, True

    def _record(self, frame: Frame) -> None:
        import cv2

        keep_free(self.path, "tape")
        # OpenCV's own setting: tests/bench_tape.py, docs/design.md.
        png = cv2.imencode(".png", frame.image_bgr)[1].tobytes()
        self._append(pack(Record(FRAME, frame.index, frame.time_s, png)))
        self._frames += 1

    def _append(self, data: bytes) -> None:
        """Write all of ``data`` or, by cutting the file back, nothing."""
        end = self._file.tell()
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as e:
            os.ftruncate(self._file.fileno(), end)
            self._file.seek(end)
            raise StorageError(
                f"could not write {self.path} ({e.strerror}): the tape ends after "
                f"{self._frames} frames; free some space"
            ) from e

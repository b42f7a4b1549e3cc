"""Sinks beside the loop: each in a thread of its own, with a stated room for what waits.

What happens where a sink is slower than the loop is the sink's own ``backlog``:

========  ====  =====  ============================================================================
sink      room  drops  reason
========  ====  =====  ============================================================================
events    1024  no     a line tells what was seen, and nothing else does. Lines wait without their
                       picture, 1,024 of them in less than a megabyte; beyond, the loop waits too
video     4     yes    a frame that is missing is the one before, shown longer; one takes 0.9 MB
                       at 640×480, and a disk that is behind by more does not catch up
web       1     yes    a page shows the newest; recognition goes on without it, too
window    0     –      window systems want the thread that opened the window, so the loop shows it
others    8     no     whoever does not say must not lose anything
========  ====  =====  ============================================================================

Only a live source's pictures are dropped. Of a recording nothing is lost by waiting, so the loop
waits.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from edgecnn.errors import StorageError

if TYPE_CHECKING:
    from types import TracebackType

    from edgecnn.camera.pipeline import Result, Sink
    from edgecnn.camera.stages import Stages


@dataclass(frozen=True)
class Backlog:
    """What may wait for a sink; a sink has it as its attribute ``backlog``.

    Attributes:
        room: results that wait at most; 0 writes them in the loop's own thread.
        drops: where there is no room, the oldest result of a live source gives way; otherwise the
            loop waits. Such a sink may also fail: the others go on.
        pictures: results wait with their pictures.
    """

    room: int = 8
    drops: bool = False
    pictures: bool = True


NO_PICTURE = np.zeros((0, 0, 3), np.uint8)


class Beside:
    """One sink and its thread.

    Args:
        sink: what the thread writes to; closed by whoever opened it, after :meth:`finish`.
        live: whether the source goes on by itself; see :class:`Backlog`.
        stages: takes the time of each write, as ``sink NAME``.
        note: takes a line where a sink that may fail does.

    Attributes:
        name: of the sink.
        dropped: results that gave way, or that came after it failed.
    """

    def __init__(
        self,
        sink: Sink,
        live: bool,
        stages: Stages,
        note: Callable[[str], object] | None = None,
    ):
        backlog = getattr(sink, "backlog", Backlog())
        self.name = type(sink).__name__.removesuffix("Sink").lower()
        self.dropped = 0
        self._sink, self._stages, self._note = sink, stages, note
        self._room, self._pictures = backlog.room, backlog.pictures
        self._drops = backlog.drops and live
        self._waiting: deque[Result] = deque()
        self._changed = threading.Condition()
        self._error: BaseException | None = None
        self._ended = False
        self._thread: threading.Thread | None = None
        if self._room:
            self._thread = threading.Thread(
                target=self._run, name=f"edgecnn-{self.name}", daemon=True
            )
            self._thread.start()

    def write(self, result: Result) -> None:
        """Leave a result for the thread.

        Raises:
            StorageError: the sink could not write an earlier one, or this one if it has no thread.
        """
        if self._thread is None:
            self._take(result)
            return
        if not self._pictures:
            bare = replace(result.frame, image_bgr=NO_PICTURE)
            result = replace(result, frame=bare, veiled_bgr=None)
        with self._changed:
            if self._drops and self._error is None and len(self._waiting) >= self._room:
                self._waiting.popleft()
                self.dropped += 1
            while self._error is None and len(self._waiting) >= self._room:
                self._changed.wait()
            if self._error is not None:
                self._failed()
                return
            self._waiting.append(result)
            self._changed.notify_all()

    def finish(self) -> None:
        """Wait until all that was left is written; ends the thread.

        Raises:
            StorageError: the sink could not write.
        """
        if self._thread is None:
            return
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join()
        if self._error is not None and not self._drops:
            raise self._error

    def _failed(self) -> None:
        self.dropped += 1
        if not self._drops and self._error is not None:
            raise self._error

    def _take(self, result: Result) -> None:
        start_s = time.perf_counter()
        self._sink.write(result)
        self._stages.add(f"sink {self.name}", time.perf_counter() - start_s)

    def _run(self) -> None:
        while (result := self._next()) is not None:
            try:
                self._take(result)
            except BaseException as e:  # raised again where the loop sees it
                self._give_up(e)
                return

    def _next(self) -> Result | None:
        with self._changed:
            while not self._waiting and not self._ended:
                self._changed.wait()
            if not self._waiting:
                return None
            result = self._waiting.popleft()
            self._changed.notify_all()
            return result

    def _give_up(self, error: BaseException) -> None:
        with self._changed:
            self._drops = self._drops and isinstance(error, StorageError)
            self._error = error
            self.dropped += 1 + len(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        if self._drops and self._note:
            self._note(f"{error}; recognition goes on without it")


class AllBeside:
    """Every sink of a run; leaving the ``with`` block waits for all of them.

    Args:
        sinks: in the order in which they get each result.
        live, stages, note: see :class:`Beside`.
    """

    def __init__(
        self,
        sinks: Iterable[Sink],
        live: bool,
        stages: Stages,
        note: Callable[[str], object] | None = None,
    ):
        self._all = [Beside(sink, live, stages, note) for sink in sinks]

    def write(self, result: Result) -> None:
        """Give a result to every sink.

        Raises:
            StorageError: one of them that loses nothing could not write.
        """
        for sink in self._all:
            sink.write(result)

    @property
    def dropped(self) -> dict[str, int]:
        """Results that a sink had no room for, by its name; a sink that lost none is left out."""
        return {sink.name: sink.dropped for sink in self._all if sink.dropped}

    def finish(self) -> None:
        """Wait for all of them.

        Raises:
            StorageError: the first that could not write.
        """
        errors = []
        for sink in self._all:
            try:
                sink.finish()
            except Exception as e:
                errors.append(e)
        if errors:
            raise errors[0]

    def __enter__(self) -> AllBeside:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.finish()
        except Exception:
            if error is None:
                raise

"""Sink: each face, label or loss of the camera as a JSON line, through :mod:`edgecnn.events`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from edgecnn.camera.pipeline import Result
from edgecnn.camera.sinks.beside import Backlog
from edgecnn.camera.sources import Change
from edgecnn.errors import StorageError
from edgecnn.events.jsonl import KEEP, JsonLines
from edgecnn.events.schema import Event, events_of, moment_of, source_back, source_lost


def moment_in(result: Result) -> Event:
    """What all events of a frame have in common."""
    return moment_of(
        taken_at=result.taken_at,
        source=result.source,
        frame=result.frame.index,
        at_s=result.frame.time_s,
        latency_ms=result.latency_ms,
    )


def change_in(change: Change) -> Event:
    """The event of a source that stopped just now, or is back."""
    now = datetime.now(timezone.utc)
    if change.lost:
        return source_lost(change.source, change.reason, now)
    return source_back(change.source, change.away_s, now)


class EventSink:
    """Writes the events of each frame, each in full before the next frame is looked at.

    A disk that fills up while the camera runs costs events, not the run: they are counted, and the
    user is told.

    Args:
        path: a file that is appended to, or ``-`` for the standard output.
        max_bytes, keep: see :class:`edgecnn.events.jsonl.JsonLines`.
        note: takes a line for the user.

    Attributes:
        lost: events that could not be written.

    Raises:
        StorageError: the file cannot be opened.
    """

    backlog = Backlog(room=1024, pictures=False)

    def __init__(
        self,
        path: str | Path,
        max_bytes: int | None = None,
        keep: int = KEEP,
        note: Callable[[str], object] = lambda line: None,
    ):
        self._lines = JsonLines(path, max_bytes, keep)
        self._note = note
        self._lock = threading.Lock()  # a source changes in the thread that reads it
        self._closed = False
        self.lost = self._lost_since = 0

    def write(self, result: Result) -> None:
        """Append the events of one frame; a frame without a face has none."""
        with self._lock:
            for event in events_of(result.outcome, moment_in(result)):
                self._append(event)

    def source_changed(self, change: Change) -> None:
        """Append that the source stopped or is back; for :meth:`.source.Source.tell`."""
        with self._lock:
            if not self._closed:
                self._append(change_in(change))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._closed = True
            self._lines.close()
        if self._lost_since:
            self._note(f"{self._lines.path} lacks {self.lost} events")

    def _append(self, event: Event) -> None:
        try:
            self._lines.write(event)
        except StorageError as e:
            self.lost += 1
            self._lost_since += 1
            if self._lost_since == 1:
                self._note(f"{e}. Until then events are lost")
        else:
            if self._lost_since:
                self._note(f"{self._lines.path} is written again: {self._lost_since} lost")
            self._lost_since = 0

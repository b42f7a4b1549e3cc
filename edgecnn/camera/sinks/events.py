"""Sink: each face, label or loss of the camera as an event, through :mod:`edgecnn.events`."""

from __future__ import annotations

import threading
from datetime import datetime, timezone
from pathlib import Path

from edgecnn.camera.pipeline import Result
from edgecnn.camera.sources import Change
from edgecnn.events.jsonl import JsonLines
from edgecnn.events.schema import events_of, source_back, source_lost


class EventSink:
    """Writes the events of each result.

    Args:
        path: a file that is appended to, or ``-`` for the standard output.
    """

    def __init__(self, path: str | Path):
        self._lines = JsonLines(path)
        self._lock = threading.Lock()  # a source changes in the thread that reads it
        self._closed = False

    def write(self, result: Result) -> None:
        """Append the events of one frame; a frame without a face has none."""
        events = events_of(
            result.outcome,
            taken_at=result.taken_at,
            source=result.source,
            frame=result.frame.index,
            at_s=result.frame.time_s,
            latency_ms=result.latency_ms,
        )
        with self._lock:
            for event in events:
                self._lines.write(event)

    def source_changed(self, change: Change) -> None:
        """Append that the source stopped or is back; for :meth:`.newest.Newest.tell`."""
        now = datetime.now(timezone.utc)
        if change.lost:
            event = source_lost(change.source, change.reason, now)
        else:
            event = source_back(change.source, change.away_s, now)
        with self._lock:
            if not self._closed:
                self._lines.write(event)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._closed = True
            self._lines.close()

"""Sink: one JSON line an event."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgecnn.camera.pipeline import Result
from edgecnn.errors import StorageError
from edgecnn.events.jsonl import KEEP, JsonLines
from edgecnn.events.schema import Event, events_of, moment_of


def moment_in(result: Result) -> Event:
    """What all events of a frame have in common."""
    return moment_of(
        taken_at=result.taken_at,
        source=result.source,
        frame=result.frame.index,
        at_s=result.frame.time_s,
        latency_ms=result.latency_ms,
    )


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

    def __init__(
        self,
        path: str | Path,
        max_bytes: int | None = None,
        keep: int = KEEP,
        note: Callable[[str], object] = lambda line: None,
    ):
        self._lines = JsonLines(path, max_bytes, keep)
        self._note = note
        self.lost = self._lost_since = 0

    def write(self, result: Result) -> None:
        """Append the events of one frame; a frame without a face has none."""
        for event in events_of(result.outcome, moment_in(result)):
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

    def close(self) -> None:
        """Close the file."""
        self._lines.close()
        if self._lost_since:
            self._note(f"{self._lines.path} lacks {self.lost} events")

"""Sink: each face or label as an event, through :mod:`edgecnn.events`."""

from __future__ import annotations

from pathlib import Path

from edgecnn.camera.pipeline import Result
from edgecnn.camera.sinks.beside import Backlog
from edgecnn.events.jsonl import JsonLines
from edgecnn.events.schema import events_of


class EventSink:
    """Writes the events of each result.

    Args:
        path: a file that is appended to, or ``-`` for the standard output.
    """

    backlog = Backlog(room=1024, pictures=False)

    def __init__(self, path: str | Path):
        self._lines = JsonLines(path)

    def write(self, result: Result) -> None:
        """Append the events of one frame; a frame without a face has none."""
        for event in events_of(
            result.outcome,
            taken_at=result.taken_at,
            source=result.source,
            frame=result.frame.index,
            at_s=result.frame.time_s,
            latency_ms=result.latency_ms,
        ):
            self._lines.write(event)

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

"""Sink: each face or label as an event, through :mod:`edgecnn.events`."""

from __future__ import annotations

from pathlib import Path

from edgecnn.camera.pipeline import Result
from edgecnn.events.jsonl import KEEP, JsonLines
from edgecnn.events.schema import Event, events_of


def events_in(result: Result) -> list[Event]:
    """The events of one frame; a frame without a face has none."""
    return events_of(
        result.outcome,
        taken_at=result.taken_at,
        source=result.source,
        frame=result.frame.index,
        at_s=result.frame.time_s,
        latency_ms=result.latency_ms,
    )


class EventSink:
    """Writes the events of each result.

    Args:
        path: a file that is appended to, or ``-`` for the standard output.
        max_bytes, keep: see :class:`edgecnn.events.jsonl.JsonLines`.
    """

    def __init__(self, path: str | Path, max_bytes: int | None = None, keep: int = KEEP):
        self._lines = JsonLines(path, max_bytes, keep)

    def write(self, result: Result) -> None:
        """Append the events of one frame."""
        for event in events_in(result):
            self._lines.write(event)

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

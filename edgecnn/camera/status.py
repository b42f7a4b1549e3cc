"""How a running camera does, as a file that other programs read: ``edgecnn camera --status FILE``.

A thread replaces the file whole every :data:`EVERY_S`; the loop does nothing for it and never waits
for it. It counts nothing itself: frames and latencies are the loop's, temperatures the governor's
last look (its own, where there is no governor), and whether the source is there is what the source
tells. Nobody's name is in it.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import edgecnn
from edgecnn.bundle import MANIFEST, Bundle
from edgecnn.camera.pipeline import Stats
from edgecnn.camera.sources import Change, Source
from edgecnn.camera.vitals import Board, Vitals
from edgecnn.errors import StorageError
from edgecnn.storage import sha256_of, whole_file

SCHEMA = 1
EVERY_S = 2.0
RATE_OVER_S = 10.0
"""Seconds that ``fps`` is taken over: so many that a rate of one frame a second can be told."""

LAST_S = 2.0
"""What a disk that hangs may hold up the end of a run by."""


def percentiles(p50: float, p95: float, runs: float) -> dict[str, float | None]:
    """``p50`` and ``p95`` in milliseconds; None before there was a frame, as JSON has no NaN."""
    return {"p50": round(p50, 2) if runs else None, "p95": round(p95, 2) if runs else None}


def state(
    facts: Mapping[str, Any],
    stats: Stats,
    fps: float,
    source_ok: bool,
    vitals: Vitals,
    now_s: float,
    shadow: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The file's object; ``docs/formats.md`` explains its keys.

    Args:
        facts: what stays the same for a whole run.
        fps: recognised frames a second of late.
        now_s: seconds since 1970.
        shadow: what a second model beside this one came to, None without one.
    """
    latency = stats.latency
    return {
        "schema": SCHEMA,
        **facts,
        "written_s": round(now_s, 3),
        "frames": stats.frames,
        "passed_over": stats.pace.still + stats.pace.rested,
        "fps": round(fps, 2),
        "latency_ms": percentiles(latency["p50_ms"], latency["p95_ms"], latency["runs"]),
        "source_ok": source_ok,
        "temperature_c": vitals.temperature_c,
        "throttled": vitals.throttled,
        "shadow": shadow,
    }


class Status:
    """Writes the file while a run goes on; use it as a context.

    Args:
        path: of the file.
        bundle: that recognises.
        source: that is watched.
        stats: of the run.
        note: takes a line, once, where the file cannot be written.
        shadow: gives what a second model came to so far.
        every_s: between two writings.
        look: how the board is, where no governor looks.
    """

    def __init__(
        self,
        path: Path,
        bundle: Bundle,
        source: Source,
        stats: Stats,
        note: Callable[[str], object] = lambda line: None,
        *,
        shadow: Callable[[], Mapping[str, Any] | None] = lambda: None,
        every_s: float | None = None,
        look: Callable[[], Vitals] | None = None,
    ):
        self._path, self._stats, self._note, self._shadow = path, stats, note, shadow
        self._every_s = EVERY_S if every_s is None else every_s
        self._look = look or Board().look
        self._facts = {
            "edgecnn": edgecnn.__version__,
            "task": bundle.manifest.task,
            "bundle": sha256_of(bundle.path / MANIFEST),
            "started_s": round(time.time(), 3),
            "source": source.name,
            "runs_on": "edgetpu" if bundle.edgetpu else "cpu",
        }
        self._source_ok, self._said = True, False
        self._seen = deque([(time.monotonic(), 0)])
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="edgecnn-status", daemon=True)
        source.tell(self.source_changed)

    def source_changed(self, change: Change) -> None:
        """The source stopped, or is back; for :meth:`.source.Source.tell`."""
        self._source_ok = not change.lost

    def __enter__(self) -> Status:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join(LAST_S)

    def _run(self) -> None:
        while True:
            last = self._closed.is_set()
            self._write()
            if last:
                return
            self._closed.wait(self._every_s)

    def _write(self) -> None:
        governor = self._stats.pace.governor
        vitals = governor.vitals if governor else self._look()
        now = state(
            self._facts,
            self._stats,
            self._fps(),
            self._source_ok,
            vitals,
            time.time(),
            self._shadow(),
        )
        try:
            with whole_file(self._path, lasting=False) as draft:
                draft.write_text(json.dumps(now) + "\n", "utf-8")
        except StorageError as e:
            if not self._said:
                self._said = True
                self._note(f"{e}. Recognition goes on, and {self._path} is not up to date")

    def _fps(self) -> float:
        """Over the last :data:`RATE_OVER_S`, or as long as there was."""
        now = time.monotonic(), self._stats.frames
        self._seen.append(now)
        while len(self._seen) > 2 and now[0] - self._seen[1][0] >= RATE_OVER_S:
            self._seen.popleft()
        since_s, frames = self._seen[0]
        return (now[1] - frames) / max(now[0] - since_s, 1e-3)

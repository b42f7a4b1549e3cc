"""A hung camera or interpreter is noticed, and the process ends, so that systemd starts it anew.

A thread looks at the loop once a second. As long as the loop goes on, systemd is told so
(``WATCHDOG=1``). Where it stands still for :data:`HUNG_S`

* in the camera's read: the run is ended as by Ctrl-C, and what was recorded is kept. A camera that
  is away is no hung one: its thread tries to open it again, and stirs;
* anywhere else, a call into the interpreter or a sink does not come back, and never will: the line
  is said, the sinks get a moment to finish their files, and the process ends.

A call that hangs with Python's lock held stops this thread, too. Then systemd hears nothing, and
ends the process (``WatchdogSec=``); without systemd, a timer of the C library does
(:mod:`faulthandler`).

Seconds are counted by this thread's own rounds: a process that was stopped, or a machine that
slept, has not hung.
"""

from __future__ import annotations

import faulthandler
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from edgecnn.camera.systemd import Systemd

if TYPE_CHECKING:
    from edgecnn.camera.pipeline import Stats
    from edgecnn.camera.sources.source import Source

HUNG_S = 60.0
"""OpenCV waits 10 s for a camera's frame and FFmpeg 10 s for a stream's; opening one again after a
pause of 30 s is the longest that a sound loop is silent."""

ROUND_S = 1.0
STATUS_S = 10.0
LAST_S = 5.0
"""What the sinks get to finish their files, once the loop is lost."""

EXIT_CODE = 3
"""Of a process that was ended since it hung; 2 is a fault of the user's."""

WHERE = {
    "motion": "comparing two pictures",
    "recognise": "the interpreter",
    "sinks": "an output",
    "": "an output",
}
"""What hangs, by the stage of the loop that does not end; before and after the loop, outputs are
opened and finished."""


class Guard:
    """Watches the loop of one run; use it as a context.

    Args:
        source: whose ``stirs`` are counted while the loop waits for it.
        stats: of the run.
        stop: set to end the run.
        rescue: called when the process has to end: closes what must not be left half-written.
        note: takes the line that says what hung.
        systemd: whom to tell.
        hung_s, round_s: see :data:`HUNG_S` and :data:`ROUND_S`.
        backstop: end the process by a timer where not even this thread runs.
        leave: ends the process; for tests.

    Attributes:
        fault: what hung, once the guard ended the run; None while all is well.
    """

    def __init__(
        self,
        source: Source,
        stats: Stats,
        stop: threading.Event,
        rescue: Callable[[], object] = lambda: None,
        note: Callable[[str], object] | None = None,
        *,
        systemd: Systemd | None = None,
        hung_s: float | None = None,
        round_s: float | None = None,
        backstop: bool = True,
        leave: Callable[[int], object] = os._exit,
    ):
        self.fault: str | None = None
        self._source, self._stats, self._stop, self._rescue = source, stats, stop, rescue
        self._note = note or (lambda line: print(f"edgecnn: {line}", file=sys.stderr, flush=True))
        self._systemd = systemd or Systemd()
        self._hung_s = HUNG_S if hung_s is None else hung_s
        self._backstop, self._leave = backstop, leave
        # Twice within what systemd waits, as sd_watchdog_enabled(3) recommends.
        most_s = (self._systemd.watchdog_s or math.inf) / 2
        self._round_s = min(ROUND_S if round_s is None else round_s, most_s)
        self._closed = threading.Event()
        self._ready, self._silent_s, self._seen = False, 0.0, (-1, -1)
        self._status_s, self._status_frames = 0.0, 0
        self._thread = threading.Thread(target=self._run, name="edgecnn-guard", daemon=True)

    def __enter__(self) -> Guard:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join()
        self._systemd.tell("STOPPING=1")
        if self._backstop:
            faulthandler.cancel_dump_traceback_later()

    def _run(self) -> None:
        while not self._closed.wait(self._round_s):
            self._arm()
            if self._goes_on():
                self._tell()
            elif self._silent_s >= self._hung_s:
                self._end()
                return

    def _arm(self) -> None:
        """Put off what ends the process where even this thread is stopped."""
        # Before 3.11 it counts by the wall clock, which jumps.
        if self._backstop and sys.version_info >= (3, 11) and sys.__stderr__ is not None:
            faulthandler.dump_traceback_later(
                2 * self._hung_s + LAST_S, exit=True, file=sys.__stderr__
            )

    def _goes_on(self) -> bool:
        """Whether the loop, or the camera that it waits for, has moved since the last round."""
        stages = self._stats.stages
        stirs = getattr(self._source, "stirs", 0) if stages.current == "camera" else 0
        seen = (stages.entered, stirs)
        moved, self._seen = seen != self._seen, seen
        self._silent_s = 0.0 if moved else self._silent_s + self._round_s
        return moved

    def _tell(self) -> None:
        lines = ["WATCHDOG=1"]
        if not self._ready and self._stats.frames:
            self._ready = True
            lines.append("READY=1")
        self._status_s += self._round_s
        if self._ready and (len(lines) > 1 or self._status_s >= STATUS_S):
            lines.append(f"STATUS={self._status()}")
        self._systemd.tell(*lines)

    def _status(self) -> str:
        frames = self._stats.frames
        fps = (frames - self._status_frames) / max(self._status_s, self._round_s)
        self._status_s, self._status_frames = 0.0, frames
        latency = self._stats.latency
        return f"{fps:.1f} frames a second, {latency['p50_ms']:.0f} ms each, {frames} frames so far"

    def _end(self) -> None:
        stage, waited = self._stats.stages.current, f"{self._silent_s:.0f} s"
        if stage == "camera":
            name = self._source.name
            self.fault = (
                f"no frame and no sign of life from {name} for {waited}: it hangs; "
                "plug it in again, or let systemd start edgecnn anew"
            )
            self._stop.set()
            # A live source's read looks at stop; where the loop does not come back, end it here.
            if self._waited_for_loop():
                return
        else:
            what = WHERE[stage]
            self.fault = f"{what} has not answered for {waited}: it hangs, and edgecnn ends here"
        self._note(self.fault)
        self._systemd.tell("STOPPING=1", f"STATUS={self.fault}")
        rescuer = threading.Thread(target=self._rescue, daemon=True)
        rescuer.start()
        rescuer.join(LAST_S)
        self._leave(EXIT_CODE)

    def _waited_for_loop(self) -> bool:
        end_s = time.monotonic() + LAST_S
        while time.monotonic() < end_s:
            if self._closed.wait(0.05):
                return True
        return False

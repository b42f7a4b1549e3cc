"""Fewer frames a second before the board gets too hot or too busy, and more again after.

The rate is lowered by a quarter, and again every :data:`SETTLE_S` while it has to be; it is raised
by as much after :data:`CALM_S` in which the board was well below. Between the two nothing changes,
so that the rate does not swing.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from edgecnn.camera.vitals import Board, Vitals

CHECK_S = 2.0
"""Between two looks at the board."""

MARGIN_C = 5.0
"""Degrees below where the board slows itself down from which the rate is lowered."""

WELL_BELOW_C = 5.0
"""Degrees below that again from which the rate may be raised."""

BUSY, CALM = 0.8, 0.4
"""Share of the time in which something waited for a processor, from which the rate is lowered, and
up to which it may be raised. Not measured on a board: high, since the camera's own threads wait for
one another, too."""

LOADED, UNLOADED = 2.0, 1.25
"""The same as processes a processor, where the kernel has no pressure file; the camera's own come
to about one."""

STEP = 0.75
"""What a lowering leaves of the rate."""

SLOWEST_FPS = 1.0
"""Never less: a visitor is still seen, and a watchdog still fed."""

SETTLE_S, CALM_S = 10.0, 30.0
"""Seconds between two lowerings, in which a heat sink follows, and before the first, since a start
is a load of its own; seconds of calm before a raising."""


class Governor:
    """How many frames a second may be recognised at present.

    Args:
        look: how the board is.
        note: takes a line at each change.
        clock: in seconds.

    Attributes:
        limit_fps: None for as many as there are.
        lowered: how often the rate was lowered.
        lowest_fps: the lowest limit there was, None without one.
        vitals: of the last look.
    """

    def __init__(
        self,
        look: Callable[[], Vitals] | None = None,
        note: Callable[[str], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.limit_fps: float | None = None
        self.lowered = 0
        self.lowest_fps: float | None = None
        self.vitals = Vitals()
        self._look, self._note = look or Board().look, note or (lambda line: None)
        self._clock, self._due_s = clock, clock() + CHECK_S
        self._changed_s = self._calm_since_s = self._counted_s = clock()
        self._frames, self._full_fps = 0, 0.0

    def recognised(self) -> None:
        """Count a frame that was recognised; looks at the board where that is due."""
        self._frames += 1
        now_s = self._clock()
        if now_s >= self._due_s:
            fps = self._frames / max(now_s - self._counted_s, 1e-9)
            self._frames, self._counted_s, self._due_s = 0, now_s, now_s + CHECK_S
            self.vitals = self._look()
            self._decide(now_s, fps)

    def _decide(self, now_s: float, fps: float) -> None:
        vitals = self.vitals
        why = reason(vitals)
        if why or not is_calm(vitals):
            self._calm_since_s = now_s
        if why:
            if now_s - self._changed_s >= SETTLE_S and fps > SLOWEST_FPS:
                if self.limit_fps is None:
                    self._full_fps = fps
                self._lower(max(SLOWEST_FPS, STEP * min(fps, self.limit_fps or fps)), why, now_s)
        elif self.limit_fps is not None and now_s - self._calm_since_s >= CALM_S:
            self._raise(self.limit_fps / STEP, now_s)

    def _lower(self, fps: float, why: str, now_s: float) -> None:
        if self.limit_fps is not None and fps >= self.limit_fps:
            return
        self.limit_fps, self._changed_s = fps, now_s
        self.lowered += 1
        self.lowest_fps = min(fps, self.lowest_fps or fps)
        self._note(f"{why}: at most {fps:.1f} frames a second from now on")

    def _raise(self, fps: float, now_s: float) -> None:
        self._changed_s = self._calm_since_s = now_s
        if fps >= self._full_fps:
            self.limit_fps = None
            self._note("the board is at ease again: every frame counts")
        else:
            self.limit_fps = fps
            self._note(f"the board is at ease again: up to {fps:.1f} frames a second")


def reason(vitals: Vitals) -> str:
    """Why the rate has to be lowered, in words; empty where it need not."""
    degrees, limit = vitals.temperature_c, vitals.throttle_c
    if vitals.throttled:
        heat = "" if degrees is None else f" ({degrees:.0f} °C)"
        return f"the board slows itself down{heat}"
    if degrees is not None and degrees >= limit - MARGIN_C:
        return f"the board has {degrees:.0f} °C and slows itself down at {limit:.0f} °C"
    if vitals.pressure is not None and vitals.pressure >= BUSY:
        return f"programs waited for a processor {vitals.pressure:.0%} of the time"
    if vitals.load is not None and vitals.load >= LOADED:
        return f"{vitals.load:.1f} programs want each processor"
    return ""


def is_calm(vitals: Vitals) -> bool:
    """Whether the rate may be raised."""
    degrees = vitals.temperature_c
    cool = degrees is None or degrees <= vitals.throttle_c - MARGIN_C - WELL_BELOW_C
    idle = (vitals.pressure or 0.0) <= CALM and (vitals.load or 0.0) <= UNLOADED
    return cool and idle and not vitals.throttled

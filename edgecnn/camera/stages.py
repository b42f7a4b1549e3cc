"""Which stage the loop is in, and what each has cost: for ``--profile`` and for the watchdog."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from edgecnn.runtime.timing import Summary, summarise

LOOP = ("camera", "motion", "recognise", "sinks")
"""Stages of the loop, one after another: waiting for a frame; deciding whether it is looked at;
recognising; handing over to the sinks."""

KEPT = 2_000
"""Times of each stage that percentiles are taken over: the last minutes of months, in 64 kB."""


@dataclass
class Taken:
    """What one stage took.

    Attributes:
        count: how often it ran.
        seconds: all of them together.
        last_ms: the last 2,000, in milliseconds.
    """

    count: int = 0
    seconds: float = 0.0
    last_ms: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))

    @property
    def summary(self) -> Summary:
        """Percentiles."""
        return summarise(list(self.last_ms))


class Stages:
    """Where the loop is and was. One thread enters stages; others may read, and add their own.

    Attributes:
        current: one of :data:`LOOP`, or "" before and after the loop.
        entered: how many stages were entered so far; one that stands still is stuck.
        taken: by stage, in the order of their first end.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.current = ""
        self.entered = 0
        self.taken: dict[str, Taken] = {}
        self._clock = clock
        self._since_s = clock()

    def enter(self, stage: str) -> None:
        """End the stage at hand and begin another; "" begins none."""
        now_s = self._clock()
        if self.current:
            self.add(self.current, now_s - self._since_s)
        self.current, self._since_s = stage, now_s
        self.entered += 1

    def add(self, stage: str, seconds: float) -> None:
        """Count a stage that ran beside the loop, or within one of its stages."""
        taken = self.taken.setdefault(stage, Taken())
        taken.count += 1
        taken.seconds += seconds
        taken.last_ms.append(seconds * 1e3)

    @property
    def loop_seconds(self) -> float:
        """What the loop's own stages took together."""
        return sum(self.taken[stage].seconds for stage in LOOP if stage in self.taken)

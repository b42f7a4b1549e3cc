"""What a shadow costs the camera loop: ``make bench-shadow`` prints ``docs/shadow.md``'s table.

The shipped models, threads as on a board (one a processor, at most four), one face, beside a second
copy of themselves. Runs with and without the shadow take turns, so that whatever else the machine
does hits both; the ratio of the medians is what it costs.
"""

from __future__ import annotations

import os
import sys
import threading
from statistics import median

from bench_camera_loop import Paced, faces

from edgecnn.bundle import ASSETS, Bundle
from edgecnn.camera import pipeline
from edgecnn.camera.pipeline import Stats
from edgecnn.camera.shadow import Shadow, Wanted, plan
from edgecnn.camera.sources import Frame, Newest, Source
from edgecnn.images import Image

TURNS = 8
SECONDS = 6.0


class Endless(Source):
    """A camera that always has a frame: the inference alone sets the rate."""

    name, live, fps = "endless", True, 1000.0

    def __init__(self, pictures: list[Image]):
        self._pictures, self._index = pictures, 0

    def read(self) -> Frame | None:
        self._index += 1
        return Frame(self._pictures[self._index % len(self._pictures)], self._index / 30, 0)

    def close(self) -> None:
        """Nothing to let go of."""


def run(pictures: list[Image], busy: bool, with_shadow: bool) -> tuple[float, float, int]:
    """Frames a second of the loop, its p95 in milliseconds, and frames that were compared."""
    bundle, stats, stop = Bundle(ASSETS), Stats(), threading.Event()
    recogniser = pipeline.load(bundle)
    shadow = None
    if with_shadow:
        shadow = Shadow(plan(bundle, None, Wanted(ASSETS)), stats, stop, live=True)
        while not shadow._is_ready() and shadow.fault is None:
            stop.wait(0.05)
    source: Source = Endless(pictures) if busy else Newest(lambda: Paced(pictures), stop)
    timer = threading.Timer(SECONDS, stop.set)
    try:
        timer.start()
        pipeline.run(source, recogniser, [shadow] if shadow else [], stop=stop, stats=stats)
        compared = shadow.comparison.frames if shadow else 0
        assert shadow is None or shadow.fault is None, shadow
    finally:
        source.close()
        if shadow:
            shadow.close()
    return stats.fps, stats.latency["p95_ms"], compared


def main() -> int:
    """Measure each case and print its row."""
    pictures = faces()
    everything = os.sched_getaffinity(0)
    print("| processors | the loop | frames a second: alone, with a shadow | of the rate lost "
          "| p95 ms: alone, with a shadow | compared a second |")  # fmt: skip
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for cores in (everything, {min(everything)}):
        os.sched_setaffinity(0, cores)
        for busy in (False, True):
            found: dict[bool, list[tuple[float, float, int]]] = {False: [], True: []}
            for turn in range(TURNS):
                for with_shadow in (False, True) if turn % 2 else (True, False):
                    found[with_shadow].append(run(pictures, busy, with_shadow))
            (alone, alone_ms, _), (beside, beside_ms, compared) = (
                tuple(median(column) for column in zip(*found[k], strict=True))
                for k in (False, True)
            )
            what = "as fast as it can" if busy else "a camera of 30 frames a second"
            print(
                f"| {len(cores)} | {what} | {alone:.1f}, {beside:.1f} | {1 - beside / alone:.1%} | "
                f"{alone_ms:.1f}, {beside_ms:.1f} | {compared / SECONDS:.1f} |",
                flush=True,
            )
    os.sched_setaffinity(0, everything)
    print(f"load {os.getloadavg()[0]:.1f} at the end, {os.cpu_count()} processors")
    return 0


if __name__ == "__main__":
    sys.exit(main())

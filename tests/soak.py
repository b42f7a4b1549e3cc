"""The whole camera app over very many frames: does it keep its memory, threads and descriptors?

    make soak                       # 100,000 frames of the synthetic camera
    make soak FRAMES=5000 SOURCE=evening.mp4

The frames go through ``edgecnn.camera.app.watch`` with the shipped models, somebody enrolled, an
event file and a video. Memory is what the kernel says (``VmRSS``); growth is the most of the last
tenth over the most of the second one, since the first tenth warms up. The video is an ``.avi``,
whose index takes 16 bytes of memory a frame until it is finished; that of an ``.mp4`` takes 74.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgecnn.bundle import ASSETS, Bundle
from edgecnn.camera import app, sources
from edgecnn.camera.pipeline import Stats
from edgecnn.camera.sources.source import Frame, Source
from edgecnn.images import Image

MOST_GROWTH = 0.02
TOUR = 200
"""Frames of the synthetic camera's tour, shown again and again."""


@dataclass(frozen=True)
class Reading:
    """What the process held after so many frames."""

    frames: int
    rss_kb: int
    threads: int
    descriptors: int


def read_process(frames: int) -> Reading:
    """From the kernel's files on this process."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return Reading(
        frames,
        int(fields["VmRSS"].split()[0]),
        int(fields["Threads"]),
        len(os.listdir("/proc/self/fd")),
    )


class Again(Source):
    """A source that begins anew whenever it ends, and takes readings on the way.

    Args:
        open_: opens it.
        readings: gets one every ``every`` frames.
    """

    live = False

    def __init__(self, open_: Callable[[], Source], readings: list[Reading], every: int):
        self._open, self._source = open_, open_()
        self.name, self.fps = self._source.name, self._source.fps
        self._readings, self._every, self._count = readings, every, 0

    def read(self) -> Frame | None:
        frame = self._source.read()
        if frame is None:
            self._source.close()
            self._source = self._open()
            frame = self._source.read()
            if frame is None:
                return None
        if self._count % self._every == 0:
            gc.collect()
            self._readings.append(read_process(self._count))
        self._count += 1
        return Frame(frame.image_bgr, self._count / self.fps, self._count - 1)

    def close(self) -> None:
        self._source.close()


def synthetic(portraits: dict[str, Image]) -> Callable[[], Source]:
    """The demo's camera, its tour rendered once."""
    from edgecnn.cli import demo_faces

    camera = demo_faces.camera(portraits, TOUR, seed=0)

    def rewound() -> Source:
        camera.rewind()
        return camera

    return rewound


def soak(
    frames: int,
    folder: Path,
    source: str | None = None,
    every: int | None = None,
    stop: threading.Event | None = None,
) -> tuple[Stats, list[Reading]]:
    """Run it; what was counted, and the readings.

    Args:
        folder: takes gallery, events and video.
        source: what to watch, again and again; None for the synthetic camera.
        every: frames between two readings.
        stop: ends it early.
    """
    from edgecnn.cli import demo_faces

    portraits = demo_faces.load_portraits()
    demo_faces._enrol(
        demo_faces.FIRST,
        portraits[demo_faces.FIRST],
        folder / "photos",
        Bundle(ASSETS),
        folder / "gallery.sqlite",
    )
    readings: list[Reading] = []
    open_ = synthetic(portraits) if source is None else lambda: sources.open_source(source)
    step = every or max(1, frames // 100)
    before = app.open_source
    app.open_source = lambda text, stop=None, **more: Again(open_, readings, step)
    try:
        stats = app.watch(
            ASSETS,
            "synthetic",
            app.Outputs(folder / "out.avi", str(folder / "events.jsonl")),
            gallery=folder / "gallery.sqlite",
            threads=1,
            max_frames=frames,
            stop=stop,
        )
    finally:
        app.open_source = before
    return stats, readings


def growth(readings: list[Reading]) -> float:
    """Most memory of the last tenth over that of the second tenth, less 1."""
    tenth = max(1, len(readings) // 10)
    early = max(r.rss_kb for r in readings[tenth : 2 * tenth])
    late = max(r.rss_kb for r in readings[-tenth:])
    return late / early - 1


def leaks(readings: list[Reading]) -> list[str]:
    """What grew, in words; empty where nothing did."""
    tenth = max(1, len(readings) // 10)
    early, late = readings[tenth], readings[-1]
    found = []
    if growth(readings) >= MOST_GROWTH:
        found.append(f"memory grew by {growth(readings):.1%}")
    if late.threads > early.threads:
        found.append(f"threads: {early.threads} became {late.threads}")
    if late.descriptors > early.descriptors:
        found.append(f"descriptors: {early.descriptors} became {late.descriptors}")
    return found


def main() -> int:
    """Run it, print the readings, and fail where something grew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--source", help="of edgecnn camera, begun anew whenever it ends")
    parser.add_argument("--seconds", type=float, default=1e6, help="end early after so long")
    options = parser.parse_args()
    stop = threading.Event()
    timer = threading.Timer(options.seconds, stop.set)
    timer.daemon = True
    timer.start()
    start_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        stats, readings = soak(options.frames, Path(folder), options.source, stop=stop)
        lines = (Path(folder) / "events.jsonl").read_text().count("\n")
        video = (Path(folder) / "out.avi").stat().st_size
    print("| frames | memory, MB | threads | descriptors |\n| ---: | ---: | ---: | ---: |")
    for reading in readings[:: max(1, len(readings) // 10)] + readings[-1:]:
        print(
            f"| {reading.frames:,} | {reading.rss_kb / 1024:.1f} | {reading.threads} | "
            f"{reading.descriptors} |"
        )
    print(
        f"{stats.frames:,} frames in {time.monotonic() - start_s:.0f} s, {lines:,} events, a video "
        f"of {video / 1e6:.0f} MB; memory grew by {growth(readings):.2%}"
    )
    found = leaks(readings)
    print("\n".join(found), file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""The camera loop: does it run as fast as camera and inference allow? ``make bench-camera``.

Writes ``docs/benchmarks-camera.md``. A paced camera (no device, no decoding) gives 30 frames a
second through :class:`edgecnn.camera.sources.Newest`; recognising takes a given time, or is that of
the shipped models; an event file and a video are written. Each case runs with the sinks beside the
loop, and in turn with all of them in it, as it would be without threads.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bench_motion
import numpy as np

from edgecnn.bundle import ASSETS, Bundle
from edgecnn.camera import pipeline
from edgecnn.camera.pipeline import Recogniser, Result
from edgecnn.camera.sinks.beside import Backlog
from edgecnn.camera.sinks.events import EventSink
from edgecnn.camera.sinks.video import VideoSink
from edgecnn.camera.sources import Frame, Newest, Source
from edgecnn.images import Image

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks-camera.md"
FPS = 30.0
SECONDS = 8.0


class Paced(Source):
    """A camera that gives a frame every 1/30 s, whether or not it is waited for."""

    name, live, fps = "paced", True, FPS

    def __init__(self, pictures: list[Image]):
        self._pictures, self._index = pictures, 0
        self._began_s = time.monotonic()

    def read(self) -> Frame | None:
        due_s = self._began_s + (self._index + 1) / FPS
        time.sleep(max(0.0, due_s - time.monotonic()))
        frame = Frame(self._pictures[self._index % len(self._pictures)], due_s, self._index)
        self._index += 1
        return frame

    def close(self) -> None:
        """Nothing to let go of."""


class Timed(EventSink):
    """An event file that notes when the lines of each frame were written."""

    def __init__(self, path: Path):
        super().__init__(path)
        self.latencies_s: list[float] = []

    def write(self, result: Result) -> None:
        super().write(result)
        self.latencies_s.append(time.monotonic() - result.frame.taken_s)


class Slow(VideoSink):
    """A video whose disk is slow."""

    def write(self, result: Result) -> None:
        super().write(result)
        time.sleep(0.06)


def takes(ms: float) -> Recogniser:
    """Recognising that takes so long, and lets other threads run, as an interpreter does."""

    def recogniser(image_bgr: Image, time_s: float) -> list[Any]:
        time.sleep(ms / 1e3)
        return []

    return recogniser


@dataclass(frozen=True)
class Case:
    """One row: what, how it recognises, and the video sink."""

    what: str
    recogniser: Callable[[], Recogniser]
    video: type[VideoSink] = VideoSink


CASES = (
    Case("inference 10 ms: the camera is slower", lambda: takes(10)),
    Case("inference 30 ms: nearly alike", lambda: takes(30)),
    Case("inference 50 ms: the inference is slower", lambda: takes(50)),
    Case("inference 50 ms, a disk that takes 60 ms a frame", lambda: takes(50), Slow),
    Case("the shipped models, one face", lambda: pipeline.load(Bundle(ASSETS), threads=1)),
)


@dataclass(frozen=True)
class Found:
    """What a run came to, as ratios to what camera and inference allow.

    Attributes:
        alone_ms: inference before the run, median.
        mean_ms, p95_ms: inference within the run.
        rate: frames a second over what the slower of camera and inference allows, frame by frame.
        latency: 95th percentile from the picture to its lines in the event file, over a frame
            interval and the inference (95th percentile, within the run).
        dropped: frames that the video left out.
    """

    alone_ms: float
    mean_ms: float
    p95_ms: float
    rate: float
    latency: float
    dropped: int


def measure(case: Case, pictures: list[Image], folder: Path, in_line: bool) -> Found:
    """Run one case."""
    recogniser = case.recogniser()
    alone = []
    for i in range(20):
        start = time.perf_counter()
        recogniser(pictures[i % len(pictures)], i / FPS)
        alone.append(time.perf_counter() - start)
    events, video = Timed(folder / "events.jsonl"), case.video(folder / "out.mp4", 15.0)
    if in_line:
        events.backlog = video.backlog = Backlog(room=0)  # type: ignore[misc]
    stop = threading.Event()
    timer = threading.Timer(SECONDS, stop.set)
    with closing(video), closing(events), Newest(lambda: Paced(pictures), stop) as source:
        timer.start()
        stats = pipeline.run(source, recogniser, [events, video], stop=stop)
    took = stats.stages.taken["recognise"]
    slower_s = float(np.mean(np.maximum(1 / FPS, np.array(took.last_ms) / 1e3)))
    mean_s, p95_s = took.seconds / took.count, took.summary["p95_ms"] / 1e3
    late_s = float(np.percentile(events.latencies_s[3:], 95))
    return Found(
        float(np.median(alone)) * 1e3,
        mean_s * 1e3,
        p95_s * 1e3,
        stats.frames / stats.seconds * slower_s,
        late_s / (1 / FPS + p95_s),
        sum(stats.dropped.values()),
    )


def faces() -> list[Image]:
    """A portrait, moved a little from frame to frame, ``(480, 640, 3)`` each."""
    import cv2

    from edgecnn.cli.demo_faces import FIRST, load_portraits

    portrait = cv2.resize(load_portraits()[FIRST], (660, 500))
    return [np.ascontiguousarray(portrait[i : i + 480, i : i + 640]) for i in range(10)]


def rows(pictures: list[Image]) -> list[str]:
    """The table."""
    lines = [
        "| case | inference, ms: alone, in the run, p95 | rate, of what is allowed "
        "| latency p95, of what is allowed | video frames left out | rate, sinks in the loop "
        "| latency, sinks in the loop |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            beside = measure(case, pictures, Path(folder), in_line=False)
        with tempfile.TemporaryDirectory() as folder:
            inside = measure(case, pictures, Path(folder), in_line=True)
        lines.append(
            f"| {case.what} | {beside.alone_ms:.1f}, {beside.mean_ms:.1f}, {beside.p95_ms:.1f} | "
            f"{beside.rate:.1%} | "
            f"{beside.latency:.1%} | {beside.dropped} | {inside.rate:.1%} | {inside.latency:.1%} |"
        )
    return lines


def page(loop: list[str], motion: list[str]) -> str:
    """The text of the page."""
    lines = [
        "# The camera loop", "",
        "Written by `make bench-camera`. A camera without a device gives 30 frames of 640×480 a",
        "second; an event file and a video of 15 frames a second are written. What is allowed: for",
        "the rate, the slower of camera and inference, frame by frame; for the latency from a",
        "picture's arrival to its lines in the event file, one frame interval and the inference",
        "(95th percentile within the run). In the last two columns the sinks write in",
        f"the loop's own thread, as they would without threads. Here on {platform.machine()}, "
        f"{os.cpu_count()} processors,",
        f"which other programs used, too: a load of {os.getloadavg()[0]:.1f} at the end.", "",
        *loop, "",
        "## When nothing moves", "",
        "A camera that stands still, with the sensor and the JPEG of the synthetic one; frame by",
        "frame of 30 a second. What is taken for motion is looked at; anything else every half",
        "second, which is the longest that somebody can go unseen.", "",
        *motion, "",
    ]  # fmt: skip
    return "\n".join(lines)


def main() -> int:
    """Measure, and write the page."""
    loop = rows(faces())
    print("\n".join(loop), flush=True)
    text = page(loop, bench_motion.tables())
    PAGE.write_text(text, "utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

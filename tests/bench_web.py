"""What the page costs recognition: 200 viewers of the live picture at once, against none.

``make bench-web``. The camera's loop recognises as fast as it can, so that it feels whatever else
the processor does; no viewers and 200 take turns in one run. The viewers are a process of their own
on this very machine, so that what *they* take of its processor counts against the page, too.

On a machine that does other work besides, the ratio says little; the processor time that the page's
threads and the viewers took is right all the same, and bounds what they can take from recognition.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import sys
import tempfile
import threading
import time
from datetime import datetime, timezone
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgecnn.bundle import ASSETS, Bundle
from edgecnn.camera.pipeline import Recogniser, Result, load
from edgecnn.camera.sources import Frame
from edgecnn.web.server import WebSink, serving
from edgecnn.web.site import Settings, Site

VIEWERS = 200
PAIRS, PHASE_S, SETTLE_S = 10, 3.0, 0.5
SIZE_WH = (640, 480)


def frames() -> list[Any]:
    """Fifty frames of 640×480 in which a portrait moves."""
    import skimage

    portrait = cv2.imread(str(Path(skimage.__file__).parent / "data" / "astronaut.png"))
    made = []
    for i in range(50):
        where = np.array([[0.9, 0, 90 + 20 * np.sin(i / 8)], [0, 0.9, 10 + 8 * np.cos(i / 8)]])
        made.append(cv2.warpAffine(portrait, where, SIZE_WH, borderValue=(120, 120, 120)))
    return made


def watch(port: int, cookie: str, wire: Connection) -> None:
    """The viewers: as many as the wire says watch until it says another number; each time answers
    how many pictures each of those before got. A negative number ends it."""

    async def one(got: list[int], k: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        request = f"GET /live.mjpg HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n"
        writer.write(request.encode())
        try:
            while data := await reader.read(1 << 18):
                got[k] += data.count(b"--edgecnn-picture")
        finally:
            writer.close()

    async def everybody() -> None:
        got: list[int] = []
        tasks: list[asyncio.Task[None]] = []
        loop = asyncio.get_running_loop()
        while (count := await loop.run_in_executor(None, wire.recv)) >= 0:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            wire.send((got, time.process_time()))
            got = [0] * count
            tasks = [asyncio.create_task(one(got, k)) for k in range(count)]

    asyncio.run(everybody())


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        bundle, home = Bundle(ASSETS), Path(folder)
        site = Site.of(
            bundle, home / "gallery.sqlite", "bench", Settings(port=0, password=home / "password")
        )
        site.people().close()
        site.password.set_first("three old words")
        cookie = f"edgecnn={site.sessions.begin()}"
        recognise = load(bundle, home / "gallery.sqlite")
        with serving(site) as (sink, address):
            port = int(address.rstrip("/").rpartition(":")[2])
            here, there = multiprocessing.get_context("spawn").Pipe()
            viewers = multiprocessing.get_context("spawn").Process(
                target=watch, args=(port, cookie, there)
            )
            viewers.start()
            try:
                rates, got, cost = measure(site, sink, recognise, here)
            finally:
                here.send(-1)
                viewers.join()
    ratios = [b / a for a, b in zip(rates[0], rates[VIEWERS], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(
        f"{VIEWERS} viewers, each with {min(got)} to {max(got)} pictures in {PHASE_S:g} s\n"
        f"frames recognised in a second: {statistics.median(rates[0]):.1f} without viewers, "
        f"{statistics.median(rates[VIEWERS]):.1f} with {VIEWERS}\n"
        f"ratio of neighbouring turns: median {middle:.3f}, quartiles {low:.3f} and {high:.3f} "
        f"of {PAIRS} pairs"
    )
    for who, share in cost.items():
        print(f"{who}: {share:.1%} of one processor while {VIEWERS} watched")
    return 0


def page_s() -> float:
    """Processor time that the page's threads have taken so far, in seconds."""
    names = ("edgecnn-web", "edgecnn-jpeg", "edgecnn-looker")
    ours = [t.ident for t in threading.enumerate() if t.name in names and t.ident]
    return sum(time.clock_gettime(time.pthread_getcpuclockid(ident)) for ident in ours)


def measure(
    site: Site, sink: WebSink, recognise: Recogniser, wire: Connection
) -> tuple[dict[int, list[float]], list[int], dict[str, float]]:
    """Frames a second of each turn by the number of viewers, the pictures that viewers got, and
    the share of a processor that the page and the viewers took."""
    pictures, stop, done = frames(), threading.Event(), [0]

    def loop() -> None:
        began = time.monotonic()
        while not stop.is_set():
            at, image = time.monotonic(), pictures[done[0] % len(pictures)]
            outcome = recognise(image, at - began)
            frame = Frame(image, at - began, done[0], at)
            took_ms = (time.monotonic() - at) * 1e3
            sink.write(Result(frame, "bench", outcome, datetime.now(timezone.utc), took_ms))
            done[0] += 1

    thread = threading.Thread(target=loop)
    thread.start()
    rates: dict[int, list[float]] = {0: [], VIEWERS: []}
    got: list[int] = []
    spent = {"the page": 0.0, "the viewers": 0.0}
    watched_s, viewers_s, began_s = 0.0, 0.0, 0.0
    try:
        for turn in range(2 * PAIRS):
            # A, B, B, A: whatever else slowly changes hits both alike.
            count = VIEWERS if turn % 4 in (1, 2) else 0
            wire.send(count)
            pictures_got, so_far_s = wire.recv()
            got += pictures_got
            if pictures_got:
                spent["the viewers"] += so_far_s - viewers_s
                watched_s += time.monotonic() - began_s
            viewers_s, began_s = so_far_s, time.monotonic()
            page_before_s = page_s()
            end = time.monotonic() + 60
            while site.pictures.viewers != count:
                assert time.monotonic() < end, f"{site.pictures.viewers} of {count} viewers came"
                time.sleep(0.02)
            time.sleep(SETTLE_S)
            start, before = time.monotonic(), done[0]
            time.sleep(PHASE_S)
            rates[count].append((done[0] - before) / (time.monotonic() - start))
            if count:
                spent["the page"] += page_s() - page_before_s
    finally:
        stop.set()
        thread.join()
    return rates, got, {who: seconds / watched_s for who, seconds in spent.items()}


if __name__ == "__main__":
    sys.exit(main())

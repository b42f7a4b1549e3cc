"""What the page costs recognition: 200 viewers of the live picture at once, against none.

``make bench-web``. The camera's loop recognises as fast as it can, so that it feels whatever else
the processor does; no viewers and 200 take turns in one run. The viewers are a process of their own
on this very machine, so that what *they* take of its processor counts against the page, too.
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
from edgecnn.camera.pipeline import Result, load
from edgecnn.camera.sources import Frame
from edgecnn.web.server import serving
from edgecnn.web.site import Settings, Site

VIEWERS = 200
PHASES, PHASE_S, SETTLE_S = 6, 6.0, 2.0
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


def watch(port: int, cookie: str, count: int, wire: Connection) -> None:
    """The viewers: read whatever comes until told to stop; how many pictures each got."""

    async def one(got: list[int], k: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        request = f"GET /live.mjpg HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n"
        writer.write(request.encode())
        try:
            while data := await reader.read(1 << 18):
                got[k] += data.count(b"--edgecnn-picture")
        finally:
            writer.close()

    async def everybody() -> list[int]:
        got = [0] * count
        tasks = [asyncio.create_task(one(got, k)) for k in range(count)]
        await asyncio.get_running_loop().run_in_executor(None, wire.recv)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return got

    wire.send(asyncio.run(everybody()))


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        bundle, home = Bundle(ASSETS), Path(folder)
        settings = Settings(port=0, password=home / "password")
        site = Site.of(bundle, home / "gallery.sqlite", "bench", settings)
        site.people().close()
        recognise = load(bundle, home / "gallery.sqlite")
        pictures, stop, done = frames(), threading.Event(), [0]

        with serving(site) as (sink, address):
            port = int(address.rstrip("/").rpartition(":")[2])
            cookie = f"edgecnn={site.sessions.begin()}"
            site.password.set_first("three old words")

            def loop() -> None:
                began = time.monotonic()
                while not stop.is_set():
                    at, image = time.monotonic(), pictures[done[0] % len(pictures)]
                    outcome = recognise(image, at - began)
                    took_ms = (time.monotonic() - at) * 1e3
                    frame = Frame(image, at - began, done[0], at)
                    now = datetime.now(timezone.utc)
                    sink.write(Result(frame, "bench", outcome, now, took_ms))
                    done[0] += 1

            thread = threading.Thread(target=loop)
            thread.start()
            rates: dict[int, list[float]] = {0: [], VIEWERS: []}
            got: list[int] = []
            for phase in range(2 * PHASES):
                count = VIEWERS if phase % 2 else 0
                here, there = multiprocessing.get_context("spawn").Pipe()
                viewers = multiprocessing.get_context("spawn").Process(
                    target=watch, args=(port, cookie, count, there)
                )
                viewers.start()
                end = time.monotonic() + 30
                while site.pictures.viewers < count and time.monotonic() < end:
                    time.sleep(0.05)
                time.sleep(SETTLE_S)
                watching, start, before = site.pictures.viewers, time.monotonic(), done[0]
                time.sleep(PHASE_S)
                rates[count].append((done[0] - before) / (time.monotonic() - start))
                here.send(None)
                received = here.recv()
                viewers.join()
                got += received
                print(
                    f"{watching:4} viewers: {rates[count][-1]:6.1f} frames a second recognised"
                    + (f"; each got {min(received)} to {max(received)} pictures" if count else ""),
                    flush=True,
                )
            stop.set()
            thread.join()
    ratios = [b / a for a, b in zip(rates[0], rates[VIEWERS], strict=True)]
    print(
        f"recognition with {VIEWERS} viewers, of that without: {statistics.median(ratios):.3f} "
        f"(median of {PHASES} pairs, {min(ratios):.3f} to {max(ratios):.3f})"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

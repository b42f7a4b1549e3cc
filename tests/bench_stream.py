"""Training on more pictures than memory holds: ``make bench-stream``.

Writes ``docs/streaming.md``. Each number of pictures is generated, trained on in a process of its
own, whose memory is limited where the system can, and removed again.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

PAGE = Path(__file__).resolve().parent.parent / "docs" / "streaming.md"
COUNTS = (10_000, 100_000, 1_000_000)
CLASSES, SIDE, DIFFERENT = 10, 32, 1000
SETTINGS = {
    "network": "dense", "channels": [16], "epochs": 1, "batch_size": 512, "augment": False,
    "stream": True,
}  # fmt: skip
"""As little work as there can be: what is measured is where the pictures lie."""
ROUND = 50
"""Batches by which the work for a batch is timed."""


def generate(folder: Path, count: int) -> None:
    """``count`` JPEG files in ten classes: a bar at a place of its class on noise.

    There are :data:`DIFFERENT` pictures; bytes after a picture's end, which are not decoded, make
    each file another one, so that none is a copy to the split.
    """
    rng = np.random.default_rng(0)
    pictures = []
    for i in range(DIFFERENT):
        picture = rng.integers(0, 120, (SIDE, SIDE, 3), np.uint8)
        picture[:, 3 * (i % CLASSES) : 3 * (i % CLASSES) + 3] = 220
        pictures.append(cv2.imencode(".jpg", picture)[1].tobytes())
    for i in range(CLASSES):
        (folder / f"class{i}").mkdir(parents=True)
    for i in range(count):
        name = folder / f"class{i % CLASSES}" / f"{i:07}.jpg"
        name.write_bytes(pictures[i % DIFFERENT] + i.to_bytes(4, "big"))


def anonymous() -> int:
    """Bytes of this process's memory that no file stands behind (``RssAnon``)."""
    facts = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(facts["RssAnon"].split()[0]) << 10


class Peak(threading.Thread):
    """The most that :func:`anonymous` says, looked at 20 times a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most = 0

    def run(self) -> None:
        while True:
            self.most = max(self.most, anonymous())
            time.sleep(0.05)


def trained(folder: Path, limit_mb: int) -> dict[str, Any]:
    """What a training on ``folder`` took; in the child process."""
    if limit_mb:
        # Anonymous memory and threads' stacks, as reserved; pages of a file do not count.
        resource.setrlimit(resource.RLIMIT_DATA, (limit_mb << 20,) * 2)
    from edgecnn import training

    training.start_keras()
    from edgecnn.training import images

    peak, started = Peak(), time.monotonic()
    peak.start()
    base, reading = anonymous(), 0.0

    def progress(step: str, done: int, of: int, figures: dict[str, float]) -> None:
        nonlocal reading
        if step == "reading pictures" and done == of:
            reading = time.monotonic() - started

    run = images.train(folder / "photos", folder / "run", SETTINGS, progress=progress)
    most = peak.most
    (epoch,) = run.history
    return {
        "base": base, "most": most, "reading": reading, "epoch": float(epoch["seconds"]),
        "trained": len(run.split["train"]), "accuracy": run.metrics["accuracy"],
        **work(*images.samples(run, "train", 1024)),
    }  # fmt: skip


def work(pixels: Any, targets: Any) -> dict[str, float]:
    """Processor microseconds a picture: of the input, in its one thread, and of the network."""
    import keras

    from edgecnn.data.batches import Batches
    from edgecnn.networks import build
    from edgecnn.training import images

    batches = Batches(pixels, targets, CLASSES, images.DEFAULTS)
    ready, size = batches[0], images.DEFAULTS["batch_size"]
    model = build(images.DEFAULTS["network"], input_shape=pixels.shape[1:], classes=CLASSES)
    model.compile("adamw", keras.losses.CategoricalCrossentropy(from_logits=True))
    model.train_on_batch(*ready)
    found = []
    for clock, step in (
        (time.thread_time, lambda i: batches[i % len(batches)]),
        (time.process_time, lambda i: model.train_on_batch(*ready)),
    ):
        start = clock()
        for i in range(ROUND):
            step(i)
        found.append(1e6 * (clock() - start) / (ROUND * size))
    return {"input_us": found[0], "network_us": found[1]}


def measured(count: int, limit_mb: int) -> dict[str, Any]:
    """:func:`measure`, told at once, since the next may take an hour."""
    found = measure(count, limit_mb)
    print(json.dumps(found), file=sys.stderr, flush=True)
    return found


def measure(count: int, limit_mb: int) -> dict[str, Any]:
    """What training on ``count`` generated pictures took."""
    folder = Path(tempfile.mkdtemp(prefix="bench-stream-", dir=os.environ.get("TMPDIR")))
    try:
        generate(folder / "photos", count)
        child = [sys.executable, __file__, "--child", str(folder), "--limit-mb", str(limit_mb)]
        done = subprocess.run(child, stdout=subprocess.PIPE, text=True, check=True)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return {"count": count, **found}
    finally:
        shutil.rmtree(folder)


def page(rows: list[dict[str, Any]], limit_mb: int) -> str:
    """The text of the page."""
    table = [
        f"| {r['count']:,} | {r['count'] * SIDE * SIDE * 3 / 1e6:,.0f} | {r['base'] / 1e6:.0f} "
        f"| {r['most'] / 1e6:.0f} | {r['count'] / r['reading']:,.0f} "
        f"| {r['trained'] / r['epoch']:,.0f} | {r['input_us']:.0f} | {r['network_us']:.0f} |"
        for r in rows
    ]
    few, many = rows[0], rows[-1]
    growth = (many["most"] - few["most"]) / max(1, many["count"] - few["count"])
    return "\n".join([
        "# More pictures than memory holds", "",
        "`edgecnn train --task images` keeps pixels in memory where they take less than half of",
        "what is free, else in a file on the disk of `--out`, resized and uncompressed, so that",
        "each picture is decoded once. The kernel reads and drops its pages as they are needed;",
        "the file has no name and is gone with the process. `--stream` and `--no-stream` decide it",
        "by hand; the network is the same to the last bit (`tests/test_data_pixels.py`). It takes",
        "width × height × channels bytes a picture, 28 GB for a million of 96×96, and wants a disk",
        "that is quick at random places (an SSD).", "",
        f"Written by `make bench-stream`: generated JPEG pictures of {SIDE}×{SIDE} in {CLASSES} "
        "classes,",
        f"streamed, one epoch of a small dense network, {os.cpu_count()} processors"
        + (f", `RLIMIT_DATA` {limit_mb} MB." if limit_mb else "."),
        "Anonymous memory is what no file stands behind (`RssAnon`); pages of the pixels count as",
        "resident too, but the kernel takes them back whenever others want them. The last two",
        "columns are processor time a picture: of the input with augmentation, in its one thread,",
        f"and of the default network learning pictures of {SIDE}×{SIDE}, on all processors.", "",
        "| pictures | pixels, MB | anonymous at the start, MB | at most, MB | read, pictures/s "
        "| epoch, pictures/s | input, µs | network, µs |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |", *table, "",
        f"From {few['count']:,} to {many['count']:,} pictures anonymous memory grew by "
        f"{growth:.0f} bytes a picture (its name,",
        f"its digest, its places in the split), while pixels take {SIDE * SIDE * 3:,}, and 27,648 "
        "at 96×96."
        + (
            ""
            if many["count"] >= COUNTS[-1]
            else f" {COUNTS[-1]:,}\npictures were not measured here; at that growth they take "
            f"{(many['most'] + growth * (COUNTS[-1] - many['count'])) / 1e6:.0f} MB."
        ),
        f"The input of a picture takes {many['input_us']:.0f} µs of one thread, learning it at "
        "least "
        f"{many['network_us'] / (os.cpu_count() or 1):.0f} µs of the clock:",
        "the next batches, made meanwhile under TensorFlow, are ready."
        if many["input_us"] < many["network_us"] / (os.cpu_count() or 1)
        else "the input does not keep up.",
        "Pictures a second are by the clock and depend on what else the machine does; processor",
        "time does not.", "",
    ])  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, nargs="+", default=COUNTS)
    parser.add_argument("--limit-mb", type=int, default=4096, help="RLIMIT_DATA; 0 for none")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(trained(given.child, given.limit_mb)))
        return 0
    text = page([measured(count, given.limit_mb) for count in given.images], given.limit_mb)
    PAGE.write_text(text, "utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""One measurement in a fresh process: cold, then warm, with one number of threads; or a soak.

The orders come as JSON on the standard input, the answer goes to the standard output. A process of
its own, since only there the first call is a first call, and the peak of memory is the models'.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.bundle import Bundle
from edgecnn.camera.vitals import Board, Vitals
from edgecnn.errors import BundleError, EdgeCNNError
from edgecnn.faces.speed import Calls, stages
from edgecnn.images import Image, read_image
from edgecnn.runtime.timing import interleave, invoke_of

SAMPLE_S = 5.0
"""Between two looks at the board in a soak, and what each rate is taken over."""


def made_up_frame() -> Image:
    """``(480, 640, 3)`` uint8 BGR: coloured squares, always the same."""
    squares = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    return squares.repeat(16, 0).repeat(16, 1)


def image_stages(
    bundle: Bundle, frame: Image, threads: int | None, first_ms: dict[str, float] | None = None
) -> Calls:
    """What a picture takes: ``preprocess``, ``classify``, ``total``."""
    preprocess, model = bundle.entry("classifier").picture, bundle.model("classifier", threads)
    start_s = time.perf_counter()
    pixels = preprocess(frame)
    middle_s = time.perf_counter()
    model(pixels)
    if first_ms is not None:
        first_ms["preprocess"] = (middle_s - start_s) * 1e3
        first_ms["classify"] = (time.perf_counter() - middle_s) * 1e3
    return {
        "preprocess": lambda: preprocess(frame),
        "classify": lambda: model(pixels),
        "total": lambda: model(preprocess(frame)),
    }


def calls_of(
    bundle: Bundle,
    frame: Image,
    people: int,
    threads: int | None,
    first_ms: dict[str, float] | None = None,
) -> tuple[Calls, int]:
    """The stages of any bundle for pictures, and how many faces are in the frame.

    Raises:
        BundleError: the bundle is for texts.
    """
    if bundle.manifest.task == "text":
        raise BundleError(
            f"expected a bundle for pictures. {bundle.path} is for task text: time the file in it "
            "by edgecnn bench --model"
        )
    if bundle.manifest.task == "images":
        return image_stages(bundle, frame, threads, first_ms), 0
    return stages(bundle, frame, people, threads, first_ms)


def threads_once(orders: dict[str, Any]) -> dict[str, Any]:
    """Every stage cold and warm, the bare invokes, and memory, with ``orders["threads"]``."""
    start_s, threads = time.perf_counter(), orders["threads"]
    bundle, frame = Bundle(orders["bundle"]), _frame(orders)
    first_ms: dict[str, float] = {}
    calls, found = calls_of(bundle, frame, orders["people"], threads, first_ms)
    ready_ms = (time.perf_counter() - start_s) * 1e3
    took = interleave(calls, orders["runs"])
    peak_mb = _peak_mb()  # before models are loaded once more
    models = {e.file: bundle.model(n, threads) for n, e in bundle.manifest.models.items()}
    invokes = interleave({f: invoke_of(m) for f, m in models.items()}, orders["runs"])
    return {
        "faces": found,
        "cold": {
            "load_ms": ready_ms - sum(first_ms.values()),
            "stages_ms": first_ms,
            "first_frame_ms": ready_ms,
        },
        "stages": took,
        "invokes": invokes,
        "peak_mb": peak_mb,
    }


def soak(orders: dict[str, Any]) -> dict[str, Any]:
    """Frame after frame for ``orders["soak_s"]`` seconds, the board looked at in between."""
    bundle, board = Bundle(orders["bundle"]), Board()
    calls, _ = calls_of(bundle, _frame(orders), orders["people"], orders["threads"])
    calls["total"]()
    samples, frames, seen = [], 0, 0
    began_s = since_s = time.monotonic()
    while (now_s := time.monotonic()) - began_s < orders["soak_s"]:
        if now_s - since_s >= SAMPLE_S:
            samples.append(_sample(board.look(), now_s - began_s, frames - seen, now_s - since_s))
            since_s, seen = now_s, frames
        calls["total"]()
        frames += 1
    if now_s - since_s >= SAMPLE_S / 2 or not samples:
        samples.append(_sample(board.look(), now_s - began_s, frames - seen, now_s - since_s))
    return {"seconds": round(now_s - began_s, 1), "frames": frames, "samples": samples}


def _sample(vitals: Vitals, at_s: float, frames: int, seconds: float) -> dict[str, Any]:
    return {
        "at_s": round(at_s, 1),
        "fps": round(frames / seconds, 2),
        "temperature_c": vitals.temperature_c,
        "throttled": vitals.throttled,
    }


def _frame(orders: dict[str, Any]) -> Image:
    return read_image(Path(orders["image"])) if orders["image"] else made_up_frame()


def _peak_mb() -> float | None:
    """The most memory this process had. Not by ``getrusage``: that begins with its parent's."""
    try:
        told = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.M)
    except OSError:
        return None
    return round(int(told.group(1)) / 1024, 1) if told else None


def main() -> None:
    """Answer the orders."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a run time prints
    orders = json.load(sys.stdin)
    try:
        answer = soak(orders) if orders["soak_s"] else threads_once(orders)
    except EdgeCNNError as e:
        answer = {"fault": str(e)}
    json.dump(answer, answers)
    answers.close()


if __name__ == "__main__":
    main()

"""How fast this machine is with a bundle: each number of threads in a fresh process, cold and warm,
the Edge TPU where there is one, a soak in which it may grow hot, and what to do with it.

What it gives is a file of ``docs/boards``; ``docs/formats.md`` has its keys.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import edgecnn
from edgecnn.bundle import MANIFEST, Bundle
from edgecnn.camera import accelerator
from edgecnn.camera.bench_advice import advice, best_backend, best_threads
from edgecnn.camera.bench_child import made_up_frame
from edgecnn.camera.machine import machine
from edgecnn.errors import DataError
from edgecnn.images import read_image
from edgecnn.runtime.child import environment
from edgecnn.storage import sha256_of

SCHEMA = 1
MOST_THREADS = 4
LIMIT_S = 600
"""For one measurement beyond its soak; a board in software takes minutes."""


def measure_board(
    path: Path,
    *,
    image: Path | None = None,
    people: int = 100,
    runs: int = 100,
    soak_s: float = 0.0,
    note: Callable[[str], object] = lambda line: None,
) -> dict[str, Any]:
    """Measure everything, on this machine.

    Args:
        path: of the bundle.
        image: the frame to work on; a made-up one where None.
        people: how many are enrolled.
        runs: how often each stage is timed.
        soak_s: seconds of frame after frame at the end; 0 for none.
        note: takes a line before each part that takes long.

    Raises:
        BundleError, DataError: the bundle or the image cannot be read.
        ModelError: a measurement did not come to its end.
    """
    bundle = Bundle(path)
    frame = read_image(image) if image else made_up_frame()
    load = os.getloadavg()[0]
    orders = {
        "bundle": str(path),
        "image": str(image) if image else None,
        "people": people,
        "runs": runs,
        "soak_s": 0,
    }
    most = min(MOST_THREADS, len(os.sched_getaffinity(0)))
    threads: dict[str, Any] = {}
    for count in range(1, most + 1):
        note(f"{count} of {most} threads")
        threads[str(count)] = _child({**orders, "threads": count})
    faces = max(found.pop("faces") for found in threads.values())
    chosen = best_threads({int(n): found["stages"]["total"] for n, found in threads.items()})
    on_edgetpu = _on_edgetpu(bundle, runs)
    soaked = None
    if soak_s:
        note(f"{chosen} threads, frame after frame for {soak_s:g} s")
        soaked = {"threads": chosen, **_child({**orders, "threads": chosen, "soak_s": soak_s})}
    result: dict[str, Any] = {
        "schema": SCHEMA,
        "edgecnn": edgecnn.__version__,
        "measured": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine(),
        "load_before": round(load, 2),
        "bundle": {
            "task": bundle.manifest.task,
            "sha256": sha256_of(bundle.path / MANIFEST),
            "files": {
                e.file: bundle.manifest.files[e.file] for e in bundle.manifest.models.values()
            },
        },
        "frame": {"wh": [frame.shape[1], frame.shape[0]], "faces": faces, "made_up": image is None},
        "people": people,
        "threads": threads,
        "edgetpu": on_edgetpu,
        "soak": soaked,
        "use": {"threads": chosen},
    }
    result["use"]["backend"] = best_backend(result)
    return {**_rounded(result), "says": advice(result)}


def _rounded(facts: Any) -> Any:
    """Times to the microsecond; more would only make the file long."""
    if isinstance(facts, dict):
        return {key: _rounded(value) for key, value in facts.items()}
    return round(facts, 3) if isinstance(facts, float) else facts


def _on_edgetpu(bundle: Bundle, runs: int) -> dict[str, Any]:
    """Percentiles by file, and why there are none."""
    found = accelerator.tried(bundle, runs)
    if isinstance(found, str):
        return {"invokes": {}, "why": found}
    return {"invokes": found, "why": ""}


def _child(orders: dict[str, Any]) -> dict[str, Any]:
    """What :mod:`edgecnn.camera.bench_child` answers.

    Raises:
        DataError: it did not come to an end.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "edgecnn.camera.bench_child"],
            input=json.dumps(orders).encode(),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # where the run times log
            timeout=LIMIT_S + orders["soak_s"],
        )
    except subprocess.TimeoutExpired as e:
        raise DataError(f"no answer within {e.timeout:.0f} s: time fewer --runs") from e
    if done.returncode or not done.stdout:
        raise DataError(
            f"the measurement with {orders['threads']} threads ended with {done.returncode}: free "
            "some memory, and see edgecnn doctor"
        )
    answer: dict[str, Any] = json.loads(done.stdout)
    if "fault" in answer:
        raise DataError(answer["fault"])
    return answer

"""The shadow's process: frames in, what the new model makes of them out.

A model that is not trusted yet has no business in the camera's process: there, a crash of the run
time, a call that never comes back or a gigabyte that is never freed would end recognition. Here
they end the shadow. The process is first in line when memory runs short, and last for a processor.

On the standard input a JSON line of orders, then for each frame a JSON line (``height``, ``width``,
``time_s``) and its bytes; on the standard output a JSON line for the start and for each frame.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from edgecnn.bundle import Bundle
from edgecnn.camera.compare import seen
from edgecnn.camera.pipeline import Recogniser, load
from edgecnn.errors import EdgeCNNError
from edgecnn.faces.vault import Key

NICE = 10
"""Of a processor that the camera could fill alone, this one gets a tenth: the scheduler's weight is
110 beside 1,024 (Linux, kernel/sched/core.c, ``sched_prio_to_weight``)."""

MEMORY_BYTES = 1 << 30
"""What the new model may take beyond what the process has before it is loaded."""

PR_SET_PDEATHSIG = 1
"""Linux, prctl(2): a shadow that hangs does not outlive a camera that was killed."""


def _step_back() -> None:
    """Let everything else go first."""
    # Ctrl-C and systemd tell every process; this one ends with the camera's.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):  # not Linux
        Path("/proc/self/oom_score_adj").write_text("1000")
        held = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY_BYTES,) * 2)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _recogniser(orders: dict[str, Any]) -> Recogniser:
    secret = orders["key"]
    return load(
        Bundle(orders["bundle"]),
        Path(orders["gallery"]) if orders["gallery"] else None,
        orders["threads"],
        orders["strangers"],
        orders["missed"],
        Key(secret[0], bytes.fromhex(secret[1])) if secret else None,
        awaited=True,
    )


def _answer(frames: BinaryIO, recogniser: Recogniser) -> dict[str, Any] | None:
    """The next frame's, None where there is no other."""
    head = frames.readline()
    if not head:
        return None
    facts = json.loads(head)
    shape = facts["height"], facts["width"], 3
    pixels = bytearray(shape[0] * shape[1] * 3)
    view = memoryview(pixels)
    while view:
        got = frames.readinto(view)  # type: ignore[attr-defined]
        if not got:
            return None
        view = view[got:]
    image = np.frombuffer(pixels, np.uint8).reshape(shape)
    begun_s = time.perf_counter()
    outcome = recogniser(image, facts["time_s"])
    ms = (time.perf_counter() - begun_s) * 1e3
    return {"ms": ms, "seen": seen(outcome)}


def main() -> None:
    """Serve until the input ends."""
    # What a run time prints must not stand between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    frames = sys.stdin.buffer
    _step_back()
    orders = json.loads(frames.readline())
    try:
        recogniser = _recogniser(orders)
        say({"ready": True})
        while (answer := _answer(frames, recogniser)) is not None:
            say(answer)
    except EdgeCNNError as e:
        say({"fault": str(e)})
    except MemoryError:
        say({"fault": f"it takes more than {MEMORY_BYTES >> 20} MiB of memory"})


if __name__ == "__main__":
    main()

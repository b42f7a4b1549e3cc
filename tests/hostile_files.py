"""Model files as an attacker or a failing disk would leave them, and a process that opens them."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

COUNT = 2400
KINDS = ("flipped bits", "cut off", "swapped offsets", "random bytes")


def mutated(whole: bytes, seed: int) -> bytes:
    """One of :data:`KINDS` in turn; the same for the same seed."""
    rng, changed, kind = random.Random(seed), bytearray(whole), KINDS[seed % len(KINDS)]
    if kind == "flipped bits":
        for _ in range(rng.choice((1, 1, 2, 8))):
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    elif kind == "cut off":
        del changed[rng.randrange(len(changed)) :]
    elif kind == "swapped offsets":
        i, j = (4 * rng.randrange(len(changed) // 4) for _ in range(2))
        changed[i : i + 4], changed[j : j + 4] = changed[j : j + 4], changed[i : i + 4]
    else:
        end = rng.choice((64, 600, len(changed)))  # header, first tables, anywhere
        for _ in range(rng.choice((1, 2, 4, 16))):
            changed[rng.randrange(end)] = rng.randrange(256)
    return bytes(changed)


def open_all(folder: Path) -> dict[str, list[str]]:
    """What ``bench`` does with a file: tried elsewhere; what passed is loaded and run here.

    Returns:
        ``refused`` with each fault, and ``working`` with each file's name.
    """
    from edgecnn.errors import EdgeCNNError
    from edgecnn.runtime import trial
    from edgecnn.runtime.interpreter import Model

    files = sorted(folder.glob("*.tflite"))
    found: dict[str, list[str]] = {"refused": [], "working": []}
    for file, fault in zip(files, trial.faults(files), strict=True):
        if fault is None:
            try:
                model = Model(file, threads=1)
                for stored in zip(*map(trial.inputs_for, model.inputs), strict=True):
                    model.invoke(*stored)
                found["working"].append(file.name)
            except EdgeCNNError as e:
                fault = str(e)
        if fault is not None:
            found["refused"].append(fault)
    return found


if __name__ == "__main__":
    print(json.dumps(open_all(Path(sys.argv[1]))))

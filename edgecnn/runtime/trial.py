"""Does a ``.tflite`` file from elsewhere run? Found out in a process that may die of it.

:mod:`edgecnn.runtime.intact` tells what is wrong with a file; an odd graph can still end an
interpreter, hang it or take all memory. So a file that no bundle vouches for is loaded and run here
before this process loads it: ``python -m edgecnn.runtime.trial`` reads paths and forks for each, so
that a crash ends that one alone and many files cost one start.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import EdgeCNNError, ModelError
from edgecnn.runtime.child import environment
from edgecnn.runtime.interpreter import Model, Tensor, runtime_module

TIMEOUT_S = 60
"""Seconds for a file, which runs three times: far more than any network that a board is of use
for."""

MEMORY_BYTES = 1 << 30
"""What a model may take beyond what the run time takes itself and four times its own file: as much
as all memory of a middling board."""


def faults(
    paths: Sequence[str | Path], runtime: str | None = None, timeout_s: int = TIMEOUT_S
) -> list[str | None]:
    """Load and run each file in a process of its own.

    Args:
        runtime: which run time; the one that :class:`Model` takes by default.
        timeout_s: seconds for one file.

    Returns:
        In one line each, what is wrong with a file; None where it ran.

    Raises:
        MissingExtra: no run time is installed.
        ModelError: the process that tries them did not start or ended early.
    """
    runtime_module(runtime)  # what is missing here is no fault of the file's
    orders = {"paths": [str(p) for p in paths], "runtime": runtime, "timeout_s": timeout_s}
    # A fork copies one thread alone: numpy starts none this way.
    done = subprocess.run(
        [sys.executable, "-m", __name__],
        input=json.dumps(orders).encode(),
        env=environment(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # where the run times log
    )
    answers: list[str | None] = [json.loads(line) for line in done.stdout.splitlines()]
    if len(answers) != len(paths):
        raise ModelError(
            f"expected an answer on {len(paths)} files from the process that tries them. Received: "
            f"{len(answers)}, exit code {done.returncode}: free some memory and call again"
        )
    return answers


def check(*paths: str | Path) -> None:
    """Let each file run elsewhere before it is loaded here.

    Raises:
        ModelError: one is no model, crashes the run time, hangs, or takes too much memory.
        MissingExtra: no run time is installed.
    """
    for fault in faults(paths):
        if fault:
            raise ModelError(fault)


def inputs_for(tensor: Tensor) -> list[npt.NDArray[Any]]:
    """Three inputs of the tensor's type: zeros, the largest values, and noise.

    The largest is 1 for floats, and for wide integers, which are places in a table of unknown size.
    """
    kind = np.dtype(tensor.dtype)
    largest = np.iinfo(kind).max if kind.kind in "iu" and kind.itemsize < 4 else 1
    noise = np.random.default_rng(0).random(tensor.shape) * largest
    return [np.zeros(tensor.shape, kind), np.full(tensor.shape, largest, kind), noise.astype(kind)]


def _run(path: str, runtime: str | None) -> str | None:
    """Load and run a file here; what is wrong with it."""
    try:
        model = Model(path, threads=1, runtime=runtime)
        for stored in zip(*map(inputs_for, model.inputs), strict=True):
            model.invoke(*stored)
    except EdgeCNNError as e:
        return str(e)
    except MemoryError:
        return _too_much(path)
    except Exception as e:  # whatever the run time raises, this process exists to tell it
        first_line = (str(e).splitlines() or [""])[0]
        return f"{path} cannot be run ({type(e).__name__}: {first_line}): replace it"
    return None


def _hostile(path: str, does: str) -> str:
    return f"{path} {does}: it is damaged or hostile; do not use it"


def _too_much(path: str) -> str:
    return _hostile(path, f"takes more than {MEMORY_BYTES >> 20} MiB of memory")


def _limit(path: str, timeout_s: int) -> None:
    """Time, memory and core files of this process, where the system can limit them."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(timeout_s)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    statm = Path("/proc/self/statm")
    if statm.exists():  # Linux; elsewhere the limit does not hold
        held = int(statm.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        size = Path(path).stat().st_size if os.path.isfile(path) else 0
        resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY_BYTES + 4 * size,) * 2)


def _in_a_fork(path: str, runtime: str | None, timeout_s: int) -> str | None:
    here, there = os.pipe()
    child = os.fork()
    if not child:
        try:
            _limit(path, timeout_s)
            os.write(there, json.dumps(_run(path, runtime)).encode()[:4000])
            os._exit(0)
        finally:
            os._exit(1)
    os.close(there)
    with open(here, "rb") as answers:
        answer = answers.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == 0:
        fault: str | None = json.loads(answer)
        return fault
    if code == -signal.SIGALRM:
        return _hostile(path, f"does not end within {timeout_s} s")
    if code in (1, -signal.SIGKILL):  # by the system where that ran short of memory first
        return _too_much(path)
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return _hostile(path, f"crashes the run time ({name})")


def _child() -> None:
    orders = json.load(sys.stdin)
    runtime_module(orders["runtime"])  # once, before all forks
    for path in orders["paths"]:
        print(json.dumps(_in_a_fork(path, orders["runtime"], orders["timeout_s"])), flush=True)


if __name__ == "__main__":
    _child()

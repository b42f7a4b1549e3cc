"""A converter in a process of its own, since one can crash the process that it runs in.

The process is ``python -m converters.child MODULE``: it loads TensorFlow, reads the arguments of
``MODULE.as_child`` from its standard input, a list of strings as JSON, and calls that.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edgecnn.errors import ConversionError, needs
from edgecnn.runtime.child import environment

TIMEOUT_S = 1800.0
"""Long enough for 256 pictures through a network of 100 million multiply-accumulates."""


def require(extra: str, *packages: str) -> None:
    """Look for what the child will import, without importing it here.

    Raises:
        MissingExtra: one of ``packages`` is not installed; ``extra`` brings it.
    """
    with needs(extra, *packages):
        for package in packages:
            if importlib.util.find_spec(package) is None:
                raise ModuleNotFoundError(f"No module named {package!r}", name=package)


_waiting: dict[str, subprocess.Popen[bytes]] = {}
"""Children that :func:`ahead` has begun, by module."""


@contextmanager
def ahead(module: str) -> Iterator[None]:
    """Begin the child of the next :func:`run` of ``module``: while it loads TensorFlow, which takes
    seconds, so can this process. One that is not needed by the end of the block is ended."""
    _waiting[module] = _begin(module)
    try:
        yield
    finally:
        if module in _waiting:
            with _waiting.pop(module) as child:
                child.kill()


def _begin(module: str) -> subprocess.Popen[bytes]:
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    return subprocess.Popen(
        [sys.executable, "-m", "converters.child", module],
        env=environment(**quiet, KERAS_BACKEND="tensorflow"),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def run(
    module: str,
    arguments: Sequence[str | Path],
    network: str | Path,
    out: str | Path,
    timeout_s: float = TIMEOUT_S,
    called: str = "TensorFlow's converter",
    lacks: str = "TFLite has no int8 operation for",
) -> None:
    """Call ``MODULE.as_child(*ARGUMENTS)`` in a child; ``out`` is there afterwards.

    Args:
        network, called, lacks: what is converted, by what, and what a layer of it may be that this
            does not get along with, for the message.

    Raises:
        ConversionError: the child failed, crashed or took too long, or wrote nothing.
    """
    with _waiting.pop(module, None) or _begin(module) as child:
        try:
            _, errors = child.communicate(json.dumps([*map(str, arguments)]).encode(), timeout_s)
        except subprocess.TimeoutExpired:
            raise ConversionError(
                f"the converter did not end within {timeout_s:g} s: use a smaller network or fewer "
                "calibration pictures"
            ) from None
        finally:
            child.kill()  # nothing where it has ended
    written = Path(out)
    if child.returncode or not written.is_file() or not written.stat().st_size:
        why = reason(child.returncode, errors.decode("utf-8", "replace"))
        raise ConversionError(
            f"{called} failed on {network} ({why}): look for a layer that {lacks}"
        )


def reason(code: int, errors: str) -> str:
    """Why the child ended, in one line: the signal, or the last line that names an error."""
    if code < 0:
        name = signal.Signals(-code).name
        return f"{name}, out of memory?" if name == "SIGKILL" else f"it crashed with {name}"
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    named = [line for line in lines if "Error" in line or "error:" in line]
    return (named or lines or [f"exit code {code}"])[-1][:300]


def _serve(module: str) -> None:
    serving = importlib.import_module(module)
    importlib.import_module("keras")  # and TensorFlow with it
    serving.as_child(*json.load(sys.stdin))


if __name__ == "__main__":
    _serve(sys.argv[1])

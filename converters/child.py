"""A converter in a process of its own, since one can crash the process that it runs in."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
from collections.abc import Sequence
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


def run(
    module: str,
    arguments: Sequence[str | Path],
    network: str | Path,
    out: str | Path,
    timeout_s: float = TIMEOUT_S,
    called: str = "TensorFlow's converter",
    lacks: str = "TFLite has no int8 operation for",
) -> None:
    """Run ``python -m MODULE ARGUMENTS`` and see to it that ``out`` is there afterwards.

    Args:
        network, called, lacks: what is converted, by what, and what a layer of it may be that this
            does not get along with, for the message.

    Raises:
        ConversionError: the child failed, crashed or took too long, or wrote nothing.
    """
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    try:
        child = subprocess.run(
            [sys.executable, "-m", module, *map(str, arguments)],
            env=environment(**quiet, KERAS_BACKEND="tensorflow"),
            capture_output=True,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired:
        raise ConversionError(
            f"the converter did not end within {timeout_s:g} s: use a smaller network or fewer "
            "calibration pictures"
        ) from None
    written = Path(out)
    if child.returncode or not written.is_file() or not written.stat().st_size:
        why = reason(child.returncode, child.stderr.decode("utf-8", "replace"))
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

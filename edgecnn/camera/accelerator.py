"""Whether this machine's Edge TPU runs a bundle, found out in a process that may die of it.

A libedgetpu that was built from another TensorFlow than the run time crashes both, and nothing can
catch that; one that computes something else than the workstation did is of no use. So a bundle's
compiled models are loaded, compared with its ``golden.npz`` and timed here alone, before anything
else loads them: ``python -m edgecnn.camera.accelerator BUNDLE RUNS`` prints one JSON object.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgecnn.bundle import Bundle
from edgecnn.errors import DataError, EdgeCNNError, ModelError
from edgecnn.runtime.child import environment
from edgecnn.runtime.timing import Summary, interleave, invoke_of

TIMEOUT_S = 120
"""For the start, and three models or so that are sent over USB."""


def choose(bundle: Bundle, wanted: str, note: Callable[[str], object]) -> None:
    """Let a bundle's models run where they are wanted from now on.

    Args:
        wanted: ``"cpu"``, ``"edgetpu"``, or ``"auto"``: the Edge TPU where the bundle is compiled
            for one and it answers, else the CPU.
        note: takes a line where the choice was not the user's own.

    Raises:
        DataError: the Edge TPU is wanted, and the bundle is not compiled for it.
        ModelError: it is wanted, and there is none, or it computes something else.
    """
    if wanted == "cpu":
        return
    if not bundle.compiled:
        if wanted == "edgetpu":
            raise DataError(
                f"expected a bundle with models for the Edge TPU. {bundle.path} has none: "
                f"edgecnn compile {bundle.path}"
            )
        return
    found = tried(bundle)
    if isinstance(found, str):
        if wanted == "edgetpu":
            raise ModelError(found)
        note(f"the models run on the CPU, not on an Edge TPU ({found})")
        return
    bundle.edgetpu = True
    if wanted == "auto":
        note("the models run on the Edge TPU; --accelerator cpu does without it")


def tried(bundle: Bundle, runs: int = 0) -> dict[str, Summary] | str:
    """Percentiles of each compiled model's invoke by the file it was made from, none for no
    ``runs``; or, in words, why the Edge TPU cannot be used."""
    if not bundle.compiled:
        return "the bundle has no compiled model: edgecnn compile"
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__, str(bundle.path), str(runs)],
            env=environment(),
            capture_output=True,
            timeout=TIMEOUT_S + runs,
        )
    except subprocess.TimeoutExpired as e:
        return f"it did not answer within {e.timeout:.0f} s: unplug it, and see edgecnn doctor"
    if done.returncode < 0:
        return (
            f"{signal.Signals(-done.returncode).name} in the run time: libedgetpu and the run time "
            "are not of one TensorFlow; edgecnn doctor"
        )
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip() or "it does not say why"
        return f"the process that tries it failed: {said.splitlines()[-1]}"
    found: dict[str, Any] = json.loads(done.stdout)
    return found["why"] or dict(found["invokes"])


def _try(path: Path, runs: int) -> dict[str, Any]:
    invokes: dict[str, Summary] = {}
    try:
        bundle = Bundle(path, edgetpu=True)
        bundle.self_test()
        for name in bundle.compiled if runs else ():
            call, file = invoke_of(bundle.model(name)), bundle.entry(name).file
            invokes |= interleave({file: call}, runs)
    except EdgeCNNError as e:
        return {"why": str(e)}
    return {"why": "", "invokes": invokes}


if __name__ == "__main__":
    print(json.dumps(_try(Path(sys.argv[1]), int(sys.argv[2]))))

"""How fast a compiled model runs on an Edge TPU, found out in a process that may die of it.

A libedgetpu that was built from another TensorFlow than the run time crashes both, and nothing can
catch that. So the accelerator is met here alone: ``python -m edgecnn.runtime.edgetpu FILE RUNS``
prints one JSON object.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.runtime.child import environment
from edgecnn.runtime.interpreter import runtime_module
from edgecnn.runtime.timing import Summary, interleave

LIBRARY = "libedgetpu.so.1"
SUFFIX = "_edgetpu.tflite"
"""What ``edgecnn compile`` adds to the name of the file that it was made from."""

TIMEOUT_S = 120


def compiled(folder: Path, file: str) -> Path | None:
    """The compiled twin of a model, beside it; None where there is none."""
    twin = folder / (file.removesuffix(".tflite") + SUFFIX)
    return twin if twin.is_file() else None


def time_model(path: Path, runs: int) -> Summary | str:
    """Percentiles of the bare invoke, the first one left out; or, in words, why there are none."""
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(path), str(runs)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=TIMEOUT_S + runs,
    )
    if done.returncode:
        return (
            f"the run time ended with {done.returncode} on the Edge TPU: libedgetpu and the run "
            "time are not of one TensorFlow; edgecnn doctor"
        )
    found: dict[str, Any] = json.loads(done.stdout)
    why: str | None = found.get("why")
    return why if why is not None else found


def _measure(path: str, runs: int) -> dict[str, Any]:
    module = runtime_module()
    try:
        delegate = module.load_delegate(LIBRARY)
    except OSError:
        return {"why": f"no {LIBRARY} here"}
    except ValueError:  # it says no more, whatever is the matter
        return {"why": "no Edge TPU answers: plugged in, and permitted (group plugdev or apex)?"}
    try:
        interpreter = module.Interpreter(model_path=path, experimental_delegates=[delegate])
        interpreter.allocate_tensors()
        for details in interpreter.get_input_details():
            noise = np.random.default_rng(0).integers(0, 256, details["shape"], np.uint8)
            interpreter.set_tensor(details["index"], noise.astype(details["dtype"]))
        return dict(interleave({"invoke": interpreter.invoke}, runs)["invoke"])
    except (ValueError, RuntimeError) as e:
        return {"why": f"{Path(path).name} does not run there ({str(e).splitlines()[0]})"}


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1], int(sys.argv[2]))))

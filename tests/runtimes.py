"""Old run times beside the new one: ``make test-runtimes``.

``python tests/runtimes.py`` makes an environment for each in ``.venv-runtimes``, which later runs
use again, and runs the tests that need them. ``python tests/runtimes.py MODEL`` tells, operation by
operation, where the run times' answers to a ``.tflite`` file part, and how that grows.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matrix import interpreters

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ROOT / ".venv-runtimes"
ANSWERS = Path(__file__).with_name("runtime_answers.py")

RUN_TIMES = {
    "tflite-runtime 2.14.0": ("3.11", "3.10", "3.9"),
    "tflite-runtime 2.9.1": ("3.9", "3.8", "3.7"),
}
"""The last one there is, what 32-bit ARM has; and one of those that compute zeros for dense layers
with a scale a channel. To the Pythons with wheels, the one to take first at the beginning."""

NEW = "ai-edge-litert"
"""What they are compared with, of the environment that runs this."""


def python_of(name: str) -> Path:
    """The interpreter that has the run time ``name``; there is none before :func:`install`."""
    return Path(sys.executable) if name == NEW else _home(name) / "bin" / "python"


def installed() -> list[str]:
    """The old run times that have an environment here."""
    return [name for name in RUN_TIMES if (_home(name) / "installed").is_file()]


def install(name: str) -> bool:
    """Make the environment of a run time where it is missing; false without a Python for it."""
    home = _home(name)
    if name in installed():
        return True
    found = interpreters(RUN_TIMES[name])
    if not found:
        return False
    subprocess.run([next(iter(found.values())), "-m", "venv", "--clear", home], check=True)
    packages = (name.replace(" ", "=="), "numpy<2")
    pip = [python_of(name), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *packages], check=True)
    (home / "installed").touch()
    return True


def _home(name: str) -> Path:
    return ENVIRONMENTS / name.replace(" ", "-")


def answers(name: str, folder: Path) -> dict[str, list[Any]]:
    """What a run time answers to all models in ``folder``: by model, an array ``(N, ...)`` an
    output; see :mod:`runtime_answers`."""
    import numpy as np

    with tempfile.TemporaryDirectory() as results:
        command = [python_of(name), ANSWERS, folder, results]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stderr[-2000:]}")
        found = {}
        for file in sorted(Path(results).iterdir()):
            with np.load(file) as arrays:
                found[file.stem] = [arrays[f"output{i}"] for i in range(len(arrays))]
    return found


@dataclass(frozen=True)
class Parting:
    """How far two run times are apart in what one operation computes.

    Attributes:
        kind: of the operation; its result is integers.
        alone: largest difference on the very same inputs, in steps of the last bit.
        alone_share: of the values that differ, 0…1.
        chained: largest difference within the whole network, each run time by itself.
        chained_share: as above.
    """

    kind: str
    alone: int
    alone_share: float
    chained: int
    chained_share: float


def partings(model: Path, pixels: Any) -> dict[str, list[Parting | None]]:
    """For each old run time here, where it parts from the new one, operation by operation; None for
    one whose result is not integers.

    Args:
        pixels: ``(N, *shape of the input)`` in the input's type.
    """
    import numpy as np
    import taken_apart

    from converters import flatbuffer

    kinds = [o.kind for o in flatbuffer.read(model).operations]
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        taken_apart.chained(model, folder / "chained.tflite")
        np.savez(folder / "chained.npz", input0=pixels)
        chained = {name: answers(name, folder)["chained"] for name in (NEW, *installed())}
        (folder / "chained.tflite").unlink()
        sources = taken_apart.apart(model, folder / "alone.tflite")
        made = [*chained[NEW], pixels]  # the model's input has number -1
        np.savez(folder / "alone.npz", **{f"input{i}": made[k] for i, (k, _) in enumerate(sources)})
        alone = {name: answers(name, folder)["alone"] for name in (NEW, *installed())}
    return {
        name: [
            Parting(kind, *apart(alone[NEW][i], alone[name][i]),
                    *apart(chained[NEW][i], chained[name][i]))
            if alone[NEW][i].dtype.kind in "iu" else None
            for i, kind in enumerate(kinds)
        ]
        for name in installed()
    }  # fmt: skip


def apart(a: Any, b: Any) -> tuple[int, float]:
    """Largest difference of two arrays of integers, and the share of values that differ."""
    import numpy as np

    steps = np.abs(a.astype(np.int64) - b.astype(np.int64))
    return int(steps.max()), float((steps > 0).mean())


def tell(model: Path) -> None:
    """Print the table of :func:`partings` for four pictures of noise."""
    import numpy as np

    from converters import flatbuffer

    picture = flatbuffer.read(model).input()
    pixels = np.random.default_rng(0).integers(0, 256, (4, *picture.shape))
    is_float = picture.dtype == "float32"
    pixels = ((pixels - 127.5) / 128 if is_float else pixels).astype(picture.dtype)
    for name, rows in partings(model, pixels).items():
        print(f"{model}: {name} beside {NEW}, steps of the last bit and share of values apart")
        print(f"{'':<31}{'on equal inputs':>16}{'in the network':>18}")
        for i, row in enumerate(rows):
            if row is None:
                continue
            print(f"{i:<5}{row.kind:<26}{row.alone:>6}{row.alone_share:>10.2%}"
                  f"{row.chained:>8}{row.chained_share:>10.2%}")  # fmt: skip


def main(models: list[str]) -> int:
    missing = [name for name in RUN_TIMES if not install(name)]
    for name in missing:
        print(f"{name}: not run, no Python {' or '.join(RUN_TIMES[name])} here", flush=True)
    if missing == list(RUN_TIMES):
        return 1
    for model in models:
        tell(Path(model))
    if models:
        return 0
    tests = [ROOT / "tests" / "test_converters_runtimes.py", "-p", "no:cacheprovider"]
    return subprocess.run([sys.executable, "-m", "pytest", *tests], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

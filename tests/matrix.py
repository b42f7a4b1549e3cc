"""Run the tests on every Python found here: ``python tests/matrix.py [board|workstation|all]``.

``--but 3.11`` leaves one out.

The board part installs the base package and the extras that a board may have, and runs the tests
of what runs there; the workstation part installs all extras and runs the whole suite. Each Python
gets an environment in ``.venv-matrix``, which later runs use again. Needs nothing but the standard
library.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ROOT / ".venv-matrix"
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
"""What ai-edge-litert and TensorFlow both have wheels for."""

BOARD_TESTS = (
    "bundle", "camera", "cli_camera", "cli_doctor", "cli_people", "cli_privacy", "devices_boards",
    "devices_doctor", "devices_facts", "devices_pairings", "devices_selftest", "errors", "events",
    "faces", "images", "privacy", "runtime", "storage",
)  # fmt: skip
"""``tests/test_NAME*.py`` that a board's install can run."""

PARTS = {
    "board": ("-e .[mqtt,metrics,encrypt]", "pytest>=8.3", "pytest-xdist>=3.6"),
    "workstation": ("-e .[dev,demo]",),
}
"""Part to what pip installs."""


def interpreters(versions: tuple[str, ...] = PYTHONS) -> dict[str, Path]:
    """Version, such as ``3.12``, to an interpreter that really runs and can make environments."""
    home = Path.home()
    found: dict[str, Path] = {}
    for wanted in versions:
        name = f"python{wanted}"
        places = [Path(p) / name for p in os.environ.get("PATH", "").split(os.pathsep) if p]
        for folder in (
            Path(os.environ.get("PYENV_ROOT", home / ".pyenv")) / "versions",
            home / ".local" / "share" / "uv" / "python",
        ):
            places += sorted(folder.glob(f"*{wanted}*/bin/{name}"))
        for place in places:
            if place.is_file() and _runs(place, wanted):
                found[wanted] = place
                break
    return found


def _runs(python: Path, wanted: str) -> bool:
    code = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"
    try:
        # A pyenv shim is a file that may refuse to run: only its answer counts.
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.strip() == wanted


def tests_of(part: str) -> list[str]:
    """Arguments for pytest."""
    parallel = ["-n", "2", "--dist", "loadfile"]
    if part == "workstation":
        return [*parallel, "--ignore-glob=*/test_project_*"]
    files = {f for name in BOARD_TESTS for f in ROOT.glob(f"tests/test_{name}*.py")}
    return [*parallel, *(str(f) for f in sorted(files))]


def run(part: str, python: Path, version: str) -> bool:
    """Install and test one part on one Python; true where all went well."""
    environment = ENVIRONMENTS / f"{part}-{version}"
    inside = environment / "bin" / "python"
    packages = [word for package in PARTS[part] for word in package.split(" ")]
    commands = [
        *([] if inside.exists() else [[python, "-m", "venv", environment]]),
        [inside, "-m", "pip", "install", "--quiet", *packages],
        [inside, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests_of(part)],
    ]
    return all(subprocess.run(c, cwd=ROOT).returncode == 0 for c in commands)


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the tests on every Python found here.")
    parser.add_argument("part", nargs="?", choices=(*PARTS, "all"), default="all")
    parser.add_argument("--but", action="append", default=[], metavar="3.11", help="not on this")
    asked = parser.parse_args()
    pythons = interpreters(tuple(v for v in PYTHONS if v not in asked.but))
    lines = [
        f"{v}: {'left out' if v in asked.but else 'not installed here, not tested'}"
        for v in PYTHONS
        if v not in pythons
    ]
    failed = not pythons
    for part in PARTS if asked.part == "all" else (asked.part,):
        for version, python in pythons.items():
            print(f"== {part} on Python {version} ({python})", flush=True)
            start = time.monotonic()
            passed = run(part, python, version)
            failed |= not passed
            took = time.monotonic() - start
            lines.append(f"{version} {part}: {'passed' if passed else 'FAILED'} in {took:.0f} s")
    print("\n".join(["", *lines]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

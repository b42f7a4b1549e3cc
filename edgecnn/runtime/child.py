"""What a Python process started by this one needs to find these packages."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""Where the packages stand: a checkout, or the place that they are installed in."""


def environment(**more: str) -> dict[str, str]:
    """This process's environment and ``more``, with :data:`ROOT` first among the places that Python
    looks in: the packages are found also where they are not installed, but run from a checkout."""
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, **more, "PYTHONPATH": os.pathsep.join(p for p in paths if p)}

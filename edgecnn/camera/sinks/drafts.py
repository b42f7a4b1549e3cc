"""What a recording that was killed, or whose power went, has left under its hidden name."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from glob import escape
from pathlib import Path
from typing import Any

from edgecnn.storage import storing

YOUNG_S = 60.0
"""A draft without a frame may be about to get one."""


def hold(file: Any) -> None:
    """Mark a draft as being recorded, until the file is closed or the process ends."""
    fcntl.flock(file, fcntl.LOCK_EX)


def recover(path: Path, has_frame: Callable[[Any], bool]) -> list[Path]:
    """Give a name to what recordings of ``path`` that were killed have left; remove empty ones.

    A recording that still runs is let be. ``evening.tape`` has left ``evening-cut.tape``, then
    ``evening-cut-2.tape`` and so on.

    Args:
        has_frame: whether an open file is a recording with at least one frame that can be read.

    Raises:
        StorageError: the folder cannot be written.
    """
    named = []
    with storing(path):
        for draft in sorted(path.parent.glob(f".{escape(path.stem)}-????????{path.suffix}")):
            with open(draft, "rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                if has_frame(file):
                    named.append(draft.rename(_free_name(path)))
                elif time.time() - os.fstat(file.fileno()).st_mtime > YOUNG_S:
                    draft.unlink()
    return named


def told(found: Path) -> str:
    """What the user should read of such a recording."""
    return f"{found} is what a recording that was cut off has left"


def _free_name(path: Path) -> Path:
    number, name = 1, path.with_stem(f"{path.stem}-cut")
    while name.exists():
        number += 1
        name = path.with_stem(f"{path.stem}-cut-{number}")
    return name

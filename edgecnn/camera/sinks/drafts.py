"""What a recording that was killed, or whose power went, has left under its hidden name."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Any

from edgecnn.storage import storing

YOUNG_S = 60.0
"""A draft without a frame may be about to get one."""


def hold(file: Any) -> None:
    """Mark what is written to ``file`` as being recorded, until that is closed or the process
    ends; where the file system knows no locks, it is not marked."""
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX)


@contextmanager
def beside(draft: Path) -> Iterator[None]:
    """:func:`hold` for a draft that others write, by a file of its own: on some network drives a
    lock keeps everybody else from writing."""
    lock = _lock_of(draft)
    with open(lock, "wb") as file:
        hold(file)
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def recover(path: Path, has_frame: Callable[[Any], bool]) -> list[Path]:
    """Give a name to what recordings of ``path`` that were killed have left; remove empty ones.

    A recording that still runs is let be, and so is another user's. ``evening.tape`` has left
    ``evening-cut.tape``, then ``evening-cut-2.tape`` and so on.

    Args:
        has_frame: whether an open file is a recording with at least one frame that can be read.

    Raises:
        StorageError: the folder cannot be written.
    """
    named = []
    with storing(path):
        for draft in sorted(path.parent.glob(f".{escape(path.stem)}-????????{path.suffix}")):
            with suppress(PermissionError, FileNotFoundError):  # or it has just got its name
                lock = _lock_of(draft)
                if (lock.exists() and _is_held(lock)) or _is_held(draft):
                    continue
                with open(draft, "rb") as file:
                    is_one = has_frame(file)
                    is_old = time.time() - os.fstat(file.fileno()).st_mtime > YOUNG_S
                if is_one:
                    named.append(draft.rename(_free_name(path)))
                elif is_old:
                    draft.unlink()
                if is_one or is_old:
                    lock.unlink(missing_ok=True)
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


def _lock_of(draft: Path) -> Path:
    return draft.with_name(f"{draft.name}.lock")


def _is_held(path: Path) -> bool:
    """Whether somebody holds a file, or nobody can say."""
    with open(path, "r+b") as file:  # network drives lock what is open for writing alone
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False

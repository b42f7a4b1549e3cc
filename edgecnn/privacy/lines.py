"""Files of events, written anew without some of their lines."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgecnn.errors import StorageError
from edgecnn.storage import storing, whole_file

Event = dict[str, Any]


def is_events(path: Path) -> bool:
    """Whether a file is one of ours: its first line is a JSON object with an event's keys."""
    try:
        with open(path, "rb") as file:
            return {"schema", "event"} <= _parsed(file.readline(1 << 16)).keys()
    except OSError:
        return False


def _parsed(line: bytes) -> Event:
    """The object of a line; empty where it has none, as half a line has."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def writers(path: Path) -> list[int]:
    """Processes that have a file open to write to it.

    Those whose open files may not be looked at (other users', unless root asks) are not seen, and
    none where there is no ``/proc``.
    """
    meant, found = path.stat(), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            for handle in (process / "fd").iterdir():
                there = handle.stat()
                if (there.st_dev, there.st_ino) == (meant.st_dev, meant.st_ino):
                    facts = (process / "fdinfo" / handle.name).read_text()
                    flags = next(f.split()[1] for f in facts.splitlines() if f.startswith("flags"))
                    if int(flags, 8) & (os.O_WRONLY | os.O_RDWR):
                        found.append(int(process.name))
        except OSError:
            continue  # it ended meanwhile, or is another user's
    return sorted(set(found) - {os.getpid()})


def check_free(path: Path) -> None:
    """Whether nobody is writing to a file.

    Raises:
        StorageError: a process is. It would go on writing to the old file, which has no name.
    """
    if pids := writers(path):
        raise StorageError(
            f"{path} is being written to by process {', '.join(map(str, pids))}: stop the camera, "
            "then do the same again; nothing was changed"
        )


def rewrite(path: Path, keep: Callable[[Event], bool]) -> int:
    """Write a file anew with the lines that ``keep`` is true of; whole or not at all.

    Lines that hold no event are kept. Owner and permissions stay.

    Returns:
        How many lines went; the file is untouched where none did.

    Raises:
        StorageError: it cannot be written, or somebody else is writing to it.
    """
    with storing(path):
        check_free(path)
        before = path.stat()
        with open(path, "rb") as old:
            gone = sum(not _stays(line, keep) for line in old)
            size = old.tell()
        if not gone:
            return 0
        with whole_file(path, mode=before.st_mode & 0o777) as draft:
            with open(path, "rb") as old, open(draft, "wb") as new:
                new.writelines(line for line in old if _stays(line, keep))
            os.chown(draft, before.st_uid, before.st_gid)
            if path.stat().st_size != size:
                raise StorageError(
                    f"{path} grew while it was read: stop the camera, then do the same again"
                )
    return gone


def _stays(line: bytes, keep: Callable[[Event], bool]) -> bool:
    event = _parsed(line)
    return not event or keep(event)

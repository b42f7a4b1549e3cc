"""Put files of a folder of classes aside, and bring them back; nothing is deleted."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from edgecnn.errors import StorageError
from edgecnn.storage import sync_folder

RECORD = "moved.jsonl"
"""In the side folder: a line a file, ``{"name", "kind", "told"}``."""


def move(root: Path, aside: Path, names: Sequence[tuple[str, str, str]]) -> int:
    """Move ``root/class/file`` to ``aside/class/file``; how many were moved.

    Each is recorded before it moves. A file that is gone already is passed over.

    Args:
        names: ``class/file``, kind of the finding and why; a name that comes twice moves once.

    Raises:
        StorageError: the side folder lies in ``root``, holds a file of that name, is on another
            disk, or cannot be written; what was moved until then stays there.
    """
    if aside.resolve().is_relative_to(root.resolve()):
        raise StorageError(
            f"expected a side folder outside {root}, where it would be a class. Received: {aside}"
        )
    moved = 0
    try:
        aside.mkdir(parents=True, exist_ok=True)
        with open(aside / RECORD, "a", encoding="utf-8") as record:
            for name, kind, told in dict((entry[0], entry) for entry in names).values():
                source, target = root / name, aside / name
                if not source.exists():
                    continue
                if target.exists():
                    raise StorageError(f"{target} is there already: name another side folder")
                target.parent.mkdir(exist_ok=True)
                record.write(json.dumps({"name": name, "kind": kind, "told": told}) + "\n")
                record.flush()
                os.fsync(record.fileno())
                os.rename(source, target)
                moved += 1
        sync_folder(aside)
    except StorageError:
        raise
    except OSError as e:
        raise StorageError(
            f"could not move files of {root} to {aside} ({e.strerror}): {moved} are there, the "
            "others where they were; name a side folder on the same disk"
        ) from e
    return moved

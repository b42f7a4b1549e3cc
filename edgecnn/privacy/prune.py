"""What is older than somebody wants to keep: lines of events, and recordings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

from edgecnn.privacy.lines import Event, is_events, rewrite, writers
from edgecnn.privacy.traces import files_of
from edgecnn.storage import storing

RECORDINGS = {".mp4", ".avi", ".tape"}
"""What the camera records to."""


@dataclass
class Pruned:
    """What went, and what could not.

    Attributes:
        lines: files of events, and how many lines went; ``emptied``: those that went as a whole.
        recordings: videos and tapes that went.
        busy: files that are being written to, and were left as they are.
        unlisted: folders that cannot be listed; what is in them was left as it is.
    """

    lines: dict[Path, int] = field(default_factory=dict)
    emptied: list[Path] = field(default_factory=list)
    recordings: list[Path] = field(default_factory=list)
    busy: list[Path] = field(default_factory=list)
    unlisted: list[Path] = field(default_factory=list)


def prune(paths: Sequence[Path], older_than: timedelta, now: datetime | None = None) -> Pruned:
    """Remove what is older, in files and folders; anything else in them is left alone.

    An event is as old as its ``time``, a recording as its last change.

    Args:
        now: with a time zone; None for the time of day.

    Raises:
        DataError: there is no such file or folder.
        StorageError: a file cannot be written or removed.
    """
    limit = (now or datetime.now(timezone.utc)) - older_than
    done = Pruned()
    for path in files_of(paths):
        if os.path.isdir(path):
            done.unlisted.append(path)
            continue
        recording = path.suffix.lower() in RECORDINGS
        if not recording and not is_events(path):
            continue
        with storing(path):
            if writers(path):
                done.busy.append(path)
            elif not recording:
                count = rewrite(path, lambda event: not _is_older(event, limit))
                if count:
                    done.lines[path] = count
                if path.stat().st_size == 0:
                    path.unlink()
                    done.emptied.append(path)
            elif path.stat().st_mtime < limit.timestamp():
                path.unlink()
                done.recordings.append(path)
    return done


def _is_older(event: Event, limit: datetime) -> bool:
    try:
        # Python 3.10 knows no Z.
        return datetime.fromisoformat(str(event["time"]).replace("Z", "+00:00")) < limit
    except (KeyError, ValueError, TypeError):
        return False  # what has no time is nothing of ours

"""Events as lines of a file or of the standard output, each there as soon as it happened."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import sys
from pathlib import Path

from edgecnn.errors import StorageError
from edgecnn.events.schema import Event
from edgecnn.storage import storing

STDOUT = "-"

KEEP = 5
"""Older files that stay beside the one that is written to."""

LONGEST_LINE = 1 << 16
"""Bytes, far beyond any event's; how far back the beginning of a torn line is looked for."""


class JsonLines:
    """Appends to a file; another program can follow it with ``tail -F``.

    A file that would outgrow ``max_bytes`` becomes ``FILE.1``, that one ``FILE.2``, and so on; what
    would be ``FILE.(keep + 1)`` goes. What :meth:`write` has returned from is one whole line in one
    of the files, wherever ``kill -9`` or a full disk interrupts a later one.

    Args:
        path: the file, made where it is missing, or ``-`` for the standard output.
        max_bytes: None for a file that grows.
        keep: how many older files stay, 1 at least.

    Raises:
        StorageError: the file cannot be opened or written to, or another process rotates it.
    """

    def __init__(self, path: str | Path, max_bytes: int | None = None, keep: int = KEEP):
        self.path = str(path)
        self._max_bytes, self._keep = max_bytes, keep
        self._file: int | None = None
        self._size, self._regular = 0, False
        if self.path == STDOUT:
            return
        with storing(path):
            folder = Path(path).parent
            folder.mkdir(parents=True, exist_ok=True)
            self._open()
            if max_bytes and self._regular and not os.access(folder, os.W_OK):
                self.close()  # better told now than in the night when the first file is full
                raise OSError(errno.EACCES, f"{folder} takes no second file")

    def write(self, event: Event) -> None:
        """Append one event and hand it to the system.

        Raises:
            StorageError: it is not there, and neither is a part of it; a later one may be.
        """
        line = json.dumps(event, ensure_ascii=False, allow_nan=False) + "\n"
        if self.path == STDOUT:
            _print(line)
            return
        data = line.encode()
        with storing(self.path):
            full = self._max_bytes and self._size + len(data) > self._max_bytes
            if full and self._size and self._regular:  # a pipe cannot be moved away
                self._rotate()
            self._append(data)

    def close(self) -> None:
        """Close the file; the standard output stays open."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> None:
        self.close()
        self._file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        state = os.fstat(self._file)
        self._regular = stat.S_ISREG(state.st_mode)
        self._size = state.st_size if self._regular else 0
        if self._max_bytes and self._regular:
            self._lock()
        if self._size:
            self._mend()

    def _lock(self) -> None:
        """Two that rotate one file would move it away under each other."""
        assert self._file is not None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            self.close()
            raise StorageError(
                f"another process rotates {self.path}: give this one another --events"
            ) from e

    def _mend(self) -> None:
        """Take away the beginning of a line that a kill or a power cut left at the end."""
        assert self._file is not None
        length = min(self._size, LONGEST_LINE)
        _, newline, tail = os.pread(self._file, length, self._size - length).rpartition(b"\n")
        if not tail:
            return
        if (newline or length == self._size) and tail.startswith(b"{") and not _whole(tail):
            self._size -= len(tail)
            os.ftruncate(self._file, self._size)
        else:  # somebody else's line, which ours is not to be glued to
            self._append(b"\n")

    def _append(self, data: bytes) -> None:
        if self._file is None:  # an earlier rotation failed half-way
            self._open()
        assert self._file is not None
        # One call a line: a reader never meets half of one.
        written = os.write(self._file, data)
        if written < len(data):
            if self._regular:
                os.ftruncate(self._file, self._size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += written

    def _rotate(self) -> None:
        files = [self.path, *(f"{self.path}.{i}" for i in range(1, self._keep + 1))]
        # The oldest first and up to the first gap: wherever this is interrupted, no file is lost,
        # and the next time none beyond the gap has to go.
        gap = next((i for i, file in enumerate(files) if not os.path.exists(file)), self._keep)
        for i in range(gap, 0, -1):
            os.replace(files[i - 1], files[i])
        self._open()


def _print(line: str) -> None:
    try:
        sys.stdout.write(line)
        sys.stdout.flush()
    except BrokenPipeError:
        raise  # who reads has had enough, which ends the run
    except OSError as e:
        raise StorageError(f"could not print an event ({e.strerror or e})") from e


def _whole(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True

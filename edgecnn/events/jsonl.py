"""Events as lines of a file or of the standard output, each there as soon as it happened."""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
from pathlib import Path

from edgecnn.events.schema import Event
from edgecnn.storage import storing

STDOUT = "-"

KEEP = 5
"""Older files that stay beside the one that is written to."""


class JsonLines:
    """Appends to a file; another program can follow it with ``tail -F``.

    A file that would outgrow ``max_bytes`` becomes ``FILE.1``, that one ``FILE.2``, and so on; what
    would be ``FILE.(keep + 1)`` goes. Each line is whole and in one file, wherever a kill or a full
    disk interrupts that.

    Args:
        path: the file, made where it is missing, or ``-`` for the standard output.
        max_bytes: None for a file that grows.
        keep: how many older files stay, 1 at least.

    Raises:
        StorageError: the file cannot be opened or written to.
    """

    def __init__(self, path: str | Path, max_bytes: int | None = None, keep: int = KEEP):
        self.path = str(path)
        self._max_bytes, self._keep = max_bytes, keep
        self._file: int | None = None
        self._size, self._regular = 0, False
        if self.path != STDOUT:
            with storing(path):
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                self._open()

    def write(self, event: Event) -> None:
        """Append one event and hand it to the system."""
        line = json.dumps(event, ensure_ascii=False, allow_nan=False) + "\n"
        if self.path == STDOUT:
            sys.stdout.write(line)
            sys.stdout.flush()
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
            with storing(self.path):
                os.close(self._file)
            self._file = None

    def _open(self) -> None:
        self._file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        state = os.fstat(self._file)
        self._regular = stat.S_ISREG(state.st_mode)
        self._size = state.st_size if self._regular else 0
        if self._size and os.pread(self._file, 1, self._size - 1) != b"\n":
            self._append(b"\n")  # a power cut left half a line: ours is not glued to it

    def _append(self, data: bytes) -> None:
        assert self._file is not None
        # One call a line: a reader, or a kill, never meets half of one.
        written = os.write(self._file, data)
        if written < len(data):
            if self._regular:
                os.ftruncate(self._file, self._size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += written

    def _rotate(self) -> None:
        self.close()
        numbered = [f"{self.path}.{i}" for i in range(1, self._keep + 1)]
        # Up to the first gap: where an earlier rotation was interrupted, nothing more has to go.
        last = next((i for i, p in enumerate(numbered) if not os.path.exists(p)), self._keep - 1)
        for older, newer in zip(numbered[last:0:-1], numbered[last - 1 :: -1], strict=False):
            os.replace(newer, older)
        if os.path.exists(self.path):
            os.replace(self.path, numbered[0])
        self._open()

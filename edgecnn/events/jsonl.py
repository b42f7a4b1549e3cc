"""Events as lines of a file or of the standard output, each there as soon as it happened."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TextIO

from edgecnn.events.schema import Event
from edgecnn.storage import storing

STDOUT = "-"


class JsonLines:
    """Appends to a file; another program can follow it with ``tail -f``.

    Args:
        path: the file, made where it is missing, or ``-`` for the standard output.

    Raises:
        StorageError: the file cannot be opened or written to.
    """

    def __init__(self, path: str | Path):
        self.path = str(path)
        self._file: TextIO = sys.stdout
        if self.path != STDOUT:
            with storing(path):
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                # It stays open from event to event: close() closes it.
                self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115

    def write(self, event: Event) -> None:
        """Append one event and hand it to the system."""
        # One write call a line: a reader, or a kill, never meets half of one.
        line = json.dumps(event, ensure_ascii=False, allow_nan=False) + "\n"
        if self.path == STDOUT:
            self._file.write(line)
            self._file.flush()
            return
        with storing(self.path):
            self._file.write(line)
            self._file.flush()

    def close(self) -> None:
        """Close the file; the standard output stays open."""
        if self.path != STDOUT:
            with storing(self.path):
                self._file.close()

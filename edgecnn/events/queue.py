"""Events that wait on disk until their receiver has them: one SQLite file a receiver.

What :meth:`DiskQueue.append` has returned from is committed and outlives ``kill -9`` and a power
cut. When the queue is full the oldest give way, and are counted. An event may be delivered twice
(the power may go between delivery and :meth:`DiskQueue.done`), never silently not at all.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from edgecnn.errors import StorageError
from edgecnn.events.schema import Event
from edgecnn.storage import storing

LIMIT = 100_000
"""Events, of about 300 bytes: months of visits, or an hour of 25 frames a second with one face
each, in 40 MB."""

SUFFIX = ".queue.sqlite"
VERSION = 1

TABLE = """
CREATE TABLE IF NOT EXISTS events
(id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT, name TEXT, text TEXT)
"""


class Waiting(NamedTuple):
    """An event in the queue.

    Attributes:
        number: its place; later ones are higher.
        key: the same whenever this event is delivered, and of no other event.
        text: the event as JSON.
    """

    number: int
    key: str
    text: str


class DiskQueue:
    """First in, first out; safe to use from several threads.

    Args:
        path: the file, made where it is missing, readable by its owner alone.
        limit: most events that wait.

    Raises:
        StorageError: it cannot be written, is no queue, or another process delivers from it.
    """

    def __init__(self, path: str | Path, limit: int = LIMIT):
        self.path, self.limit = Path(path), limit
        self._mutex = threading.Lock()
        self._closed = False
        with storing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._owner = os.open(f"{self.path}.lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            self._take()
            self._db = _connect(self.path)
        except BaseException:
            os.close(self._owner)
            raise

    def append(self, events: Sequence[Event]) -> int:
        """Add events; they are on disk when this returns.

        Returns:
            How many of the oldest gave way, because the queue is full.

        Raises:
            StorageError: none of them is on disk.
        """
        rows = [
            (uuid.uuid4().hex, e.get("name"), json.dumps(e, ensure_ascii=False, allow_nan=False))
            for e in events
        ]
        with self._storing(), self._db:
            self._db.executemany("INSERT INTO events (key, name, text) VALUES (?, ?, ?)", rows)
            # Numbers are given in order and never again, so their span bounds the count.
            return self._db.execute(
                "DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?", [self.limit]
            ).rowcount

    def first(self) -> Waiting | None:
        """The oldest event, which stays; None where nothing waits."""
        with self._storing():
            found = self._db.execute("SELECT id, key, text FROM events ORDER BY id LIMIT 1")
            row = found.fetchone()
        return row and Waiting(*row)

    def done(self, number: int) -> None:
        """Take an event out."""
        with self._storing(), self._db:
            self._db.execute("DELETE FROM events WHERE id = ?", [number])

    def __len__(self) -> int:
        with self._storing():
            return int(self._db.execute("SELECT count(*) FROM events").fetchone()[0])

    def close(self) -> None:
        """Close the file; what waits stays in it."""
        with self._mutex:
            if not self._closed:
                self._closed = True
                self._db.close()
                os.close(self._owner)

    def _take(self) -> None:
        """Two that deliver from one file would deliver everything twice."""
        try:
            fcntl.flock(self._owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            raise StorageError(
                f"another edgecnn camera delivers from {self.path}: "
                "give this one another --camera-id or --queue"
            ) from e

    @contextmanager
    def _storing(self) -> Iterator[None]:
        with self._mutex:
            if self._closed:
                raise StorageError(f"{self.path} is closed")
            with _said(self.path):
                yield


def forget(folder: str | Path, name: str) -> int:
    """Take all that waits about a person out of the queues in a folder, without a trace.

    Queues that a camera delivers from at the moment are included.

    Returns:
        How many events there were.

    Raises:
        StorageError: a queue cannot be written to.
    """
    count = 0
    for path in sorted(Path(folder).glob(f"*{SUFFIX}")):
        with closing(_connect(path)) as db, _said(path):
            with db:
                count += db.execute("DELETE FROM events WHERE name = ?", [name]).rowcount
            db.execute("VACUUM")
            # What was delivered lately is in the log beside the file, too.
            (busy, _, _) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if busy:
                raise sqlite3.OperationalError("it is in use")
    return count


def _connect(path: Path) -> sqlite3.Connection:
    with storing(path):
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    db = sqlite3.connect(path, timeout=10.0, check_same_thread=False)
    try:
        with _said(path):
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA secure_delete = ON")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version not in (0, VERSION):
                raise sqlite3.DatabaseError(f"its version is {version}, expected {VERSION}")
            if version != VERSION:
                with db:
                    db.execute(TABLE)
                    db.execute(f"PRAGMA user_version = {VERSION}")
    except BaseException:
        db.close()
        raise
    return db


@contextmanager
def _said(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as e:
        raise StorageError(
            f"could not use the queue {path} ({e}): free some space, choose another --queue, "
            "or remove the file with what waits in it"
        ) from e

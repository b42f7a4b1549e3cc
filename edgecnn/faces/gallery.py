"""The people a board knows: one SQLite file.

::

    meta        key, value      schema, embedder_sha256, dimension, created
    people      id, name, folded
    embeddings  id, person, vector (float32, little-endian), quality 0…1, source, created

What was acknowledged survives ``kill -9`` and a lost power supply: a rollback journal with
``synchronous=EXTRA``, which also waits for the folder once the journal is gone. (A write-ahead log
would be faster, and would keep the forgotten in a second file.) ``forget`` overwrites
(``secure_delete``) and packs the file anew (``VACUUM``, its scratch copy in memory).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import GalleryError, StorageError
from edgecnn.faces.names import clean_name, composed, folded
from edgecnn.images import Floats

SCHEMA = 1
APPLICATION_ID = 0x65434E4E
"""``eCNN``: tells a gallery from any other SQLite file, in its header."""

BUSY_S = 10.0
"""Seconds to wait for another process that is writing."""

STATEMENTS = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
                     folded TEXT NOT NULL UNIQUE);
CREATE TABLE embeddings (id INTEGER PRIMARY KEY,
                         person INTEGER NOT NULL REFERENCES people (id) ON DELETE CASCADE,
                         vector BLOB NOT NULL, quality REAL NOT NULL, source TEXT NOT NULL,
                         created TEXT NOT NULL);
CREATE INDEX embeddings_of ON embeddings (person);
"""


@dataclass(frozen=True, eq=False)
class Sample:
    """An embedding of a person.

    Attributes:
        name: whose.
        embedding: ``(D,)`` float32 of length 1.
        quality: 0…1.
        source: where it came from, such as the name of a photo; for people to read.
        created: UTC, ISO 8601 to the second; empty for now.
    """

    name: str
    embedding: Floats
    quality: float = 1.0
    source: str = ""
    created: str = ""


@dataclass(frozen=True)
class Person:
    """An enrolled person: how many embeddings, their mean quality, and when the first came."""

    name: str
    embeddings: int
    quality: float
    since: str


class Gallery:
    """The people in a file. One thread may use it at a time; processes may share the file.

    Names are told apart by case, and two that differ by nothing else are refused: *Ann* and *ann*
    would be a slip of the pen, and a face with two names is given neither.

    Attributes:
        path: the file.
        embedder_sha256: the embedder that made the embeddings.
        dimension: their length; 0 while there are none.
    """

    def __init__(self, path: str | Path, embedder_sha256: str | None = None, create: bool = False):
        """Open a gallery.

        Args:
            embedder_sha256: of the embedder in use; None takes the file's, whichever that is.
            create: make the file where it does not exist; this needs ``embedder_sha256``.

        Raises:
            GalleryError: there is no file, it is not a gallery or damaged, or it belongs to
                another embedder.
            StorageError: it could not be created.
        """
        self.path = Path(path)
        self._expected, self._create = embedder_sha256, create
        self._open()

    def _open(self) -> None:
        if not self.path.is_file():
            if not (self._create and self._expected):
                raise GalleryError(
                    f"there is no gallery {self.path}: make one with edgecnn enroll, or check "
                    "the path"
                )
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                # Faces are nobody else's business: readable by the owner alone from the start.
                os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
            except OSError as e:
                raise StorageError(
                    f"could not create the gallery {self.path}: {e.strerror}: name a place that "
                    "can be written to with --gallery"
                ) from e
        with self._faults():
            self._db = sqlite3.connect(
                self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
        try:
            with self._faults():
                for pragma in ("secure_delete=ON", "synchronous=EXTRA", "foreign_keys=ON",
                               "temp_store=MEMORY"):  # fmt: skip
                    self._db.execute(f"PRAGMA {pragma}")
                self._check()
        except BaseException:
            self._db.close()
            raise
        self._read_at: tuple[int, int, int, int] | None = None

    def _check(self) -> None:
        tables = self._one("SELECT count(*) FROM sqlite_master")
        if not tables and self._create and self._expected:
            self._begin_file(self._expected)
        if self._one("PRAGMA application_id") != APPLICATION_ID:
            raise GalleryError(
                f"{self.path} is not a gallery of edgecnn: name another file with --gallery"
            )
        if (damage := self._one("PRAGMA quick_check")) != "ok":
            raise sqlite3.DatabaseError(str(damage).splitlines()[0])
        schema, self.embedder_sha256 = self._meta("schema"), self._meta("embedder_sha256")
        if schema != str(SCHEMA):
            raise GalleryError(
                f"expected a gallery of schema {SCHEMA}. {self.path} has {schema}: "
                "use the version of edgecnn that made it, or enroll again from photos"
            )
        self.dimension = int(self._meta("dimension"))
        if self._expected not in (None, self.embedder_sha256):
            raise GalleryError(
                f"{self.path} was made with the embedder {self.embedder_sha256[:12]}, the one in "
                f"use is {str(self._expected)[:12]}: enroll everybody again from photos, or use "
                "the bundle that the gallery was made with"
            )

    def _begin_file(self, embedder_sha256: str) -> None:
        with self._change():
            if self._one("SELECT count(*) FROM sqlite_master"):
                return  # another process was quicker
            for statement in STATEMENTS.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA application_id={APPLICATION_ID}")
            facts = {
                "schema": str(SCHEMA),
                "embedder_sha256": embedder_sha256,
                "dimension": "0",
                "created": _now(),
            }
            self._db.executemany("INSERT INTO meta VALUES (?, ?)", facts.items())

    def close(self) -> None:
        """Close the file; nothing is pending."""
        self._db.close()

    def __enter__(self) -> Gallery:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def people(self) -> list[Person]:
        """Everybody, by name."""
        with self._faults():
            rows = self._db.execute(
                "SELECT name, count(*), avg(quality), min(created) FROM people "
                "JOIN embeddings ON person = people.id GROUP BY people.id ORDER BY name"
            ).fetchall()
        return [Person(*row) for row in rows]

    def samples(self) -> list[Sample]:
        """All embeddings, by person and in the order in which they came."""
        with self._faults():
            rows = self._db.execute(
                "SELECT name, vector, quality, source, embeddings.created FROM embeddings "
                "JOIN people ON person = people.id ORDER BY name, embeddings.id"
            ).fetchall()
            self.dimension = int(self._meta("dimension"))
            if any(len(row[1]) != self.dimension * 4 for row in rows):
                raise sqlite3.DatabaseError("an embedding of another length")
        return [Sample(name, _vector(blob), *rest) for name, blob, *rest in rows]

    def embeddings(self) -> tuple[list[str], Floats]:
        """The person of each embedding, and the embeddings ``(N, D)`` float32, rows of length 1."""
        self._read_at = self._state()
        samples = self.samples()
        rows = [s.embedding for s in samples]
        matrix = np.stack(rows) if rows else np.zeros((0, self.dimension), np.float32)
        return [s.name for s in samples], matrix

    def changed(self) -> bool:
        """Whether anybody, in this process or another, changed the gallery since it was read.

        True before the first :meth:`embeddings`. A file that was put in the place of the old one
        is opened anew.
        """
        state = self._state()
        if self._read_at is not None and state[:2] != self._read_at[:2]:
            self._db.close()
            self._open()
        return state != self._read_at

    def add(
        self,
        name: str,
        embedding: npt.NDArray[np.floating],
        quality: float = 1.0,
        source: str = "",
    ) -> None:
        """Add an embedding ``(D,)`` of length 1; whoever has none before is enrolled by it.

        Raises:
            GalleryError: the name cannot be used, or the embedding is not one of this gallery.
        """
        self.add_all([Sample(name, np.asarray(embedding, np.float32), quality, source)])

    def add_all(self, samples: Iterable[Sample]) -> int:
        """Add embeddings, all or none; one that its person has already, to the bit, is skipped.

        Returns:
            How many were new.

        Raises:
            GalleryError: as for :meth:`add`.
        """
        added = 0
        with self._change():
            self.dimension = int(self._meta("dimension"))
            for sample in samples:
                blob = self._blob(sample.embedding)
                person = self._enrolled(clean_name(sample.name))
                if self._one(
                    "SELECT count(*) FROM embeddings WHERE person = ? AND vector = ?", person, blob
                ):
                    continue
                self._db.execute(
                    "INSERT INTO embeddings (person, vector, quality, source, created) "
                    "VALUES (?, ?, ?, ?, ?)",
                    (person, blob, float(sample.quality), sample.source, sample.created or _now()),
                )
                added += 1
        return added

    def rename(self, old: str, new: str) -> None:
        """Give a person another name.

        Raises:
            GalleryError: nobody is called ``old``, somebody is called ``new``, or it cannot be
                used.
        """
        new = clean_name(new)
        with self._change():
            person = self._known(old)
            same = self._one("SELECT id FROM people WHERE folded = ?", folded(new))
            if same not in (None, person):
                raise GalleryError(
                    f"{self._name(same)} is enrolled already, so {old} cannot become {new}: "
                    "forget one of them first, or choose another name"
                )
            self._db.execute(
                "UPDATE people SET name = ?, folded = ? WHERE id = ?", (new, folded(new), person)
            )
        self._pack()

    def forget(self, *names: str) -> int:
        """Remove people, all or none of ``names``, and every trace of them from the file.

        Returns:
            How many embeddings went.

        Raises:
            GalleryError: somebody is not enrolled; nobody was removed.
        """
        with self._change():
            people = [self._known(name) for name in names]
            count = 0
            for person in people:
                count += self._one("SELECT count(*) FROM embeddings WHERE person = ?", person)
                self._db.execute("DELETE FROM people WHERE id = ?", (person,))
        self._pack()
        return count

    def _pack(self) -> None:
        try:
            with self._faults():
                self._db.execute("VACUUM")
        except (GalleryError, StorageError) as e:
            raise StorageError(
                f"the change to {self.path} is made, but the file could not be packed anew "
                f"({e.__cause__}): do the same to anybody once more when that is mended"
            ) from e

    def _blob(self, embedding: npt.NDArray[np.floating]) -> bytes:
        vector = np.asarray(embedding, "<f4")
        length = float(np.linalg.norm(vector)) if vector.ndim == 1 else 0.0
        if not abs(length - 1) < 1e-3 or self.dimension not in (0, len(vector)):
            raise GalleryError(
                f"expected an embedding ({self.dimension or 'D'},) of length 1. Received: shape "
                f"{vector.shape}, length {length:.4g}: it was not made by this gallery's embedder"
            )
        if not self.dimension:
            self.dimension = len(vector)
            self._db.execute(
                "UPDATE meta SET value = ? WHERE key = 'dimension'", (str(self.dimension),)
            )
        return vector.tobytes()

    def _enrolled(self, name: str) -> int:
        """The number of a person, enrolled now if need be."""
        row = self._db.execute(
            "SELECT id, name FROM people WHERE folded = ?", (folded(name),)
        ).fetchone()
        if row is None:
            cursor = self._db.execute(
                "INSERT INTO people (name, folded) VALUES (?, ?)", (name, folded(name))
            )
            return int(cursor.lastrowid or 0)
        if row[1] != name:
            raise GalleryError(
                f"{row[1]!r} is enrolled already, and {name!r} is the same but for its case: "
                "use that spelling, or rename first"
            )
        return int(row[0])

    def _known(self, name: str) -> int:
        clean = composed(name)
        person = self._one("SELECT id FROM people WHERE name = ?", clean)
        if person is not None:
            return int(person)
        alike = self._one("SELECT name FROM people WHERE folded = ?", folded(clean))
        hint = f"did you mean {alike!r}?" if alike else "edgecnn people list shows who is"
        raise GalleryError(f"nobody called {clean!r} is enrolled in {self.path}: {hint}")

    def _meta(self, key: str) -> str:
        return str(self._one("SELECT value FROM meta WHERE key = ?", key))

    def _name(self, person: int) -> str:
        return str(self._one("SELECT name FROM people WHERE id = ?", person))

    def _one(self, query: str, *values: Any) -> Any:
        """The first column of the first row, or None."""
        row = self._db.execute(query, values).fetchone()
        return None if row is None else row[0]

    def _state(self) -> tuple[int, int, int, int]:
        """Changes with the file, with other processes' commits, and with our own."""
        try:
            file = os.stat(self.path)
        except OSError:
            return -1, -1, 0, 0
        with self._faults():
            version = self._one("PRAGMA data_version")
        return file.st_dev, file.st_ino, version, self._db.total_changes

    @contextmanager
    def _change(self) -> Iterator[None]:
        """A transaction: all of the block, or nothing where it raises."""
        with self._faults():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self._db.in_transaction:  # SQLite itself rolls back on a full disk
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """SQLite's complaints in our words."""
        try:
            yield
        except sqlite3.Error as e:
            text = str(e)
            if "full" in text or "disk I/O" in text:
                raise StorageError(
                    f"could not write the gallery {self.path} ({text}); it is as it was before: "
                    "free some space"
                ) from e
            if "readonly" in text:
                raise StorageError(
                    f"the gallery {self.path} may not be written to ({text}): change its "
                    "permissions, or name another with --gallery"
                ) from e
            if "locked" in text:
                raise GalleryError(
                    f"{self.path} has been in use by another program for {BUSY_S:g} s: "
                    "try again when that has ended"
                ) from e
            raise GalleryError(
                f"{self.path} cannot be read as a gallery ({text}): it is damaged or of another "
                "kind; put a copy in its place, or enroll again from photos"
            ) from e


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _vector(blob: bytes) -> Floats:
    return np.frombuffer(blob, "<f4").astype(np.float32)

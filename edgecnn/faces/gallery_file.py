"""The file behind a gallery: opened, checked, and changed whole or not at all.

What was acknowledged survives ``kill -9`` and a lost power supply: a rollback journal with
``synchronous=EXTRA``, which also waits for the folder once the journal is gone. (A write-ahead log
would be faster, and would keep the forgotten in a second file.) What is deleted is overwritten
(``secure_delete``), and :meth:`GalleryFile.removal` writes the file anew (``VACUUM``, its scratch
copy in memory) and overwrites the journal before that is deleted.

A gallery may be encrypted (:mod:`edgecnn.faces.vault`), and become so, or plain, while others have
it open: which vault its cells need is looked up in each transaction.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from edgecnn.errors import GalleryError, StorageError
from edgecnn.faces import schema
from edgecnn.faces.vault import Key, Vault, lock, unlock
from edgecnn.storage import owner_of, storing

BUSY_S = 10.0
"""Seconds to wait for another process that is writing."""


class _Lock(NamedTuple):
    """A key, and the vault it gives with what ``meta`` said of the cipher."""

    key: Key | None
    cipher: str | None = None
    vault: Vault | None = None


class GalleryFile:
    """One SQLite file. One thread may use it at a time; processes may share it.

    Attributes:
        path: where it is.
        embedder_sha256: the embedder that made the embeddings in it.

    Raises:
        GalleryError: there is no file, it may not be opened, it is not a gallery or damaged, or it
            belongs to another embedder.
        StorageError: it could not be created.
    """

    def __init__(
        self, path: Path, embedder_sha256: str | None, create: bool, key: Key | None = None
    ):
        """
        Args:
            embedder_sha256: of the embedder in use; None takes the file's, whichever that is.
            create: make the file where it does not exist; this needs ``embedder_sha256``.
            key: of an encrypted gallery, asked for by the first transaction; a gallery that is
                made here is encrypted with it.
        """
        self.path, self._lock = path, _Lock(key)
        self._expected, self._create = embedder_sha256, create
        self.open()

    def open(self) -> None:
        """Open the file, or open it anew after :meth:`close`."""
        try:
            there = stat.S_ISREG(os.stat(self.path).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            there = False
        except OSError as e:  # its folder may not be entered
            raise self._refused(self.path.parent, str(e.strerror)) from e
        if not there:
            self._touch()
        with self.faults():
            self._db = sqlite3.connect(
                self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
        try:
            with self.faults():
                for pragma in ("secure_delete=ON", "synchronous=EXTRA", "foreign_keys=ON",
                               "temp_store=MEMORY"):  # fmt: skip
                    self._db.execute(f"PRAGMA {pragma}")
                if self._journal.exists():
                    self._clear_up()
                self._check()
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file; nothing is pending."""
        self._db.close()

    @property
    def _journal(self) -> Path:
        return Path(f"{self.path}-journal")

    def _clear_up(self) -> None:
        """A process was killed amid a change, or is at one: the journal may hold the forgotten."""
        self._db.execute("PRAGMA journal_mode=PERSIST")
        # Where it may not be written to, or whoever is at it goes on for long, it is not ours.
        with suppress(StorageError, GalleryError):
            self._overwrite_journal()

    def _touch(self) -> None:
        if not (self._create and self._expected):
            raise GalleryError(
                f"there is no gallery {self.path}: make one with edgecnn enroll, or check the path"
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

    def _check(self) -> None:
        if self._is_empty() and self._create and self._expected:
            with self._transaction():
                if self._is_empty():  # else another process was quicker
                    schema.create(self._db, self._expected)
                    if self._lock.key:
                        self.relock(self._lock.key, self._expected)
        if self.one("PRAGMA application_id") != schema.APPLICATION_ID:
            raise GalleryError(
                f"{self.path} is not a gallery of edgecnn: name another file with --gallery"
            )
        if (damage := self.one("PRAGMA quick_check")) != "ok":
            raise sqlite3.DatabaseError(str(damage).splitlines()[0])
        number, self.embedder_sha256 = self.meta("schema"), self.meta("embedder_sha256")
        if number not in map(str, (*schema.STEPS, schema.ENCRYPTED)):
            raise GalleryError(
                f"expected a gallery of schema 1 to {schema.ENCRYPTED}. {self.path} has {number}: "
                "use the version of edgecnn that made it, or enroll again from photos"
            )
        if self._expected not in (None, self.embedder_sha256):
            raise GalleryError(
                f"{self.path} was made with the embedder {self.embedder_sha256[:12]}, the one in "
                f"use is {str(self._expected)[:12]}: enroll everybody again from photos, or use "
                "the bundle that the gallery was made with"
            )

    def _is_empty(self) -> bool:
        return not self.one("SELECT count(*) FROM sqlite_master")

    @property
    def schema(self) -> int:
        """The schema of the file as it is now, which another process may have changed."""
        return int(self.meta("schema"))

    def meta(self, key: str) -> str:
        """A fact of the table ``meta``."""
        return str(self.one("SELECT value FROM meta WHERE key = ?", key))

    @property
    def vault(self) -> Vault:
        """How to read and write cells, inside :meth:`reading` or :meth:`change`."""
        assert self._lock.vault is not None, "outside a transaction"
        return self._lock.vault

    def relock(self, key: Key | None, embedder_sha256: str | None = None) -> None:
        """Write with this key from now on, None for plain, inside :meth:`change`.

        The cells that are there stay as they are: the caller writes them anew.
        """
        sha = embedder_sha256 or self.embedder_sha256
        cipher = lock(key, sha) if key else None
        number = schema.ENCRYPTED if key else schema.SCHEMA
        self.do("DELETE FROM meta WHERE key = 'cipher'")
        if cipher:
            self.do("INSERT INTO meta VALUES ('cipher', ?)", cipher)
        self.do("UPDATE meta SET value = ? WHERE key = 'schema'", str(number))
        self._lock = _Lock(key, cipher, unlock(self.path, cipher, key, sha))

    def _unlock(self) -> None:
        """Have the vault that the file needs now.

        Raises:
            GalleryError: the key is missing, or is not the one.
        """
        key, cipher, vault = self._lock
        now = self.one("SELECT value FROM meta WHERE key = 'cipher'")
        if vault is None or now != cipher:
            self._lock = _Lock(key, now, unlock(self.path, now, key, self.embedder_sha256))

    def one(self, query: str, *values: Any) -> Any:
        """The first column of the first row, or None."""
        row = self._db.execute(query, values).fetchone()
        return None if row is None else row[0]

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """All rows."""
        return self._db.execute(query, values).fetchall()

    def do(self, statement: str, *values: Any) -> sqlite3.Cursor:
        """Run a statement that changes something, inside :meth:`change`."""
        return self._db.execute(statement, values)

    def state(self) -> tuple[int, int, int, int]:
        """Changes with the file, with other processes' commits, and with our own."""
        try:
            file = os.stat(self.path)
        except OSError:
            return -1, -1, 0, 0
        with self.faults():
            version = self.one("PRAGMA data_version")
        return file.st_dev, file.st_ino, version, self._db.total_changes

    @contextmanager
    def reading(self) -> Iterator[None]:
        """All of the block sees the file as it is at its beginning."""
        with self.faults():
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN")
            try:
                self._unlock()
                yield
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    @contextmanager
    def change(self) -> Iterator[None]:
        """A transaction, in the newest schema: all of the block, or nothing where it raises."""
        with self._transaction():
            self._unlock()
            schema.bring_up_to_date(self._db, self.schema)
            yield

    @contextmanager
    def removal(self) -> Iterator[None]:
        """A change of whose removed or overwritten rows nothing is left, in no file.

        The journal, which holds them until the change is made, is kept until it is overwritten,
        too: otherwise they would stand in free blocks of the disk. (A flash card may still keep
        old blocks, out of any program's reach.)
        """
        with self.faults():
            self._db.execute("PRAGMA journal_mode=PERSIST")
        try:
            with self.change():
                yield
            self._pack()
        finally:
            self._overwrite_journal()

    def _overwrite_journal(self) -> None:
        with self.faults(), storing(self._journal):
            try:
                self._db.execute("BEGIN EXCLUSIVE")  # so that nobody else is using it
                if self._journal.exists():
                    with open(self._journal, "r+b") as file:
                        file.write(bytes(self._journal.stat().st_size))
                        file.flush()
                        os.fsync(file.fileno())
            finally:
                if self._db.in_transaction:
                    self._db.execute("COMMIT")
                self._db.execute("PRAGMA journal_mode=DELETE")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self.faults():
            self._db.execute("BEGIN IMMEDIATE")
            before = self._lock
            try:
                yield
            except BaseException:
                self._lock = before
                if self._db.in_transaction:  # SQLite itself rolls back on a full disk
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _pack(self) -> None:
        """Write the file anew, without the gaps that deletions leave."""
        try:
            with self.faults():
                self._db.execute("VACUUM")
        except (GalleryError, StorageError) as e:
            raise StorageError(
                f"the change to {self.path} is made, but the file could not be packed anew "
                f"({e.__cause__}): do the same to anybody once more when that is mended"
            ) from e

    def _is_closed(self) -> bool:
        return os.path.exists(self.path) and not os.access(self.path, os.R_OK)

    def _refused(self, closed: Path, why: str) -> GalleryError:
        owner = owner_of(closed)
        return GalleryError(
            f"the gallery {self.path} may not be opened by this user ({why}), since {closed} "
            f"belongs to {owner}: do this as {owner}, or change its permissions"
        )

    @contextmanager
    def faults(self) -> Iterator[None]:
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
            if "unable to open" in text and self._is_closed():
                raise self._refused(self.path, text) from e
            if "locked" in text:
                raise GalleryError(
                    f"{self.path} has been in use by another program for {BUSY_S:g} s: "
                    "try again when that has ended"
                ) from e
            raise GalleryError(
                f"{self.path} cannot be read as a gallery ({text}): it is damaged or of another "
                "kind; put a copy in its place, or enroll again from photos"
            ) from e

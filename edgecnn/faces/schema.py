"""The tables of a gallery, and how an older file comes by the newer ones.

::

    meta        key, value      schema, embedder_sha256, dimension, created
    people      id, name, folded
    embeddings  id, person, vector (float32, little-endian), quality 0…1, source, created
    negatives   the same columns: faces that are not that person              from schema 2
    adaptation  id (1), map (float32, little-endian, D × D), shift, facts (JSON)        "

An encrypted gallery is one of schema 3: the same tables, with ``cipher`` in ``meta``, and names,
vectors, sources, maps and facts sealed (:mod:`edgecnn.faces.vault`). Versions that cannot open it
refuse it by its number; plain galleries stay at schema 2.

A file of an older schema is read as it is, also where it cannot be written to; the first change
brings it up to date, in the same transaction.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime, timezone

STEPS = {
    1: """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
                     folded TEXT NOT NULL UNIQUE);
CREATE TABLE embeddings (id INTEGER PRIMARY KEY,
                         person INTEGER NOT NULL REFERENCES people (id) ON DELETE CASCADE,
                         vector BLOB NOT NULL, quality REAL NOT NULL, source TEXT NOT NULL,
                         created TEXT NOT NULL);
CREATE INDEX embeddings_of ON embeddings (person);
""",
    2: """
CREATE TABLE negatives (id INTEGER PRIMARY KEY,
                        person INTEGER NOT NULL REFERENCES people (id) ON DELETE CASCADE,
                        vector BLOB NOT NULL, quality REAL NOT NULL, source TEXT NOT NULL,
                        created TEXT NOT NULL);
CREATE INDEX negatives_of ON negatives (person);
CREATE TABLE adaptation (id INTEGER PRIMARY KEY CHECK (id = 1), map BLOB NOT NULL,
                         shift REAL NOT NULL, facts TEXT NOT NULL);
""",
}
"""Schema number to what it adds to the one before."""

SCHEMA = max(STEPS)

ENCRYPTED = 3
"""The number of an encrypted gallery, whose tables are those of :data:`SCHEMA`."""

APPLICATION_ID = 0x65434E4E
"""``eCNN``: tells a gallery from any other SQLite file, in its header."""


def create(db: sqlite3.Connection, embedder_sha256: str) -> None:
    """Make an empty file a gallery, inside the caller's transaction."""
    _add(db, 0)
    db.execute(f"PRAGMA application_id={APPLICATION_ID}")
    facts = {
        "schema": str(SCHEMA),
        "embedder_sha256": embedder_sha256,
        "dimension": "0",
        "created": now(),
    }
    db.executemany("INSERT INTO meta VALUES (?, ?)", facts.items())


def bring_up_to_date(db: sqlite3.Connection, schema: int) -> None:
    """Add what a gallery of an older ``schema`` lacks, inside the caller's transaction."""
    if schema < SCHEMA:
        _add(db, schema)
        db.execute("UPDATE meta SET value = ? WHERE key = 'schema'", (str(SCHEMA),))


def _add(db: sqlite3.Connection, schema: int) -> None:
    for number in range(schema + 1, SCHEMA + 1):
        for statement in STEPS[number].split(";"):
            db.execute(statement)


def now() -> str:
    """The time of day, UTC, ISO 8601 to the second."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

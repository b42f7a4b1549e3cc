"""Rows of a gallery: names, embeddings and the adaptation, to and from its tables.

Each function takes the file first, and stands inside its ``reading()`` or, where it writes, its
``change()``.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgecnn.errors import GalleryError
from edgecnn.faces.adapt import Adaptation
from edgecnn.faces.gallery_file import GalleryFile
from edgecnn.faces.names import composed, folded
from edgecnn.faces.schema import now
from edgecnn.faces.types import Sample
from edgecnn.faces.vault import Key
from edgecnn.images import Floats

TABLES = ("embeddings", "negatives")


class Row(NamedTuple):
    """A row of one of :data:`TABLES`, its cells opened; ``vector`` is little-endian float32."""

    id: int
    person: int
    vector: bytes
    quality: float
    source: str
    created: str

    def place(self, table: str, column: str) -> tuple[object, ...]:
        """What a cell is sealed with, so that it opens nowhere else, and the row as it is."""
        return table, column, self.id, self.person, self.quality, self.created


def people(file: GalleryFile) -> dict[int, str]:
    """Number and name of everybody."""
    return {
        number: file.vault.open_text(name, "people", "name", number, mark)
        for number, name, mark in file.rows("SELECT id, name, folded FROM people")
    }


def called(file: GalleryFile, name: str) -> tuple[int, str] | None:
    """Number and name of whoever has this name, its case aside."""
    mark = file.vault.mark(folded(name))
    for number, cell in file.rows("SELECT id, name FROM people WHERE folded = ?", mark):
        return int(number), file.vault.open_text(cell, "people", "name", number, mark)
    return None


def known(file: GalleryFile, name: str) -> int:
    """The number of somebody who is enrolled.

    Raises:
        GalleryError: nobody is called so.
    """
    clean = composed(name)
    found = called(file, clean)
    if found and found[1] == clean:
        return found[0]
    hint = f"did you mean {found[1]!r}?" if found else "edgecnn people list shows who is"
    raise GalleryError(f"nobody called {clean!r} is enrolled in {file.path}: {hint}")


def spelt(file: GalleryFile, name: str) -> int | None:
    """The number of a person; None where nobody is called so.

    Raises:
        GalleryError: somebody has the same name but for its case.
    """
    found = called(file, name)
    if found and found[1] != name:
        raise GalleryError(
            f"{found[1]!r} is enrolled already, and {name!r} is the same but for its case: "
            "use that spelling, or rename first"
        )
    return found[0] if found else None


def enrolled(file: GalleryFile, name: str) -> int:
    """The number of a person, enrolled now if need be.

    Raises:
        GalleryError: somebody has the same name but for its case.
    """
    number = spelt(file, name)
    if number is None:
        number = _next(file, "people")
        file.do("INSERT INTO people VALUES (?, ?, ?)", number, *_name(file, number, name))
    return number


def set_name(file: GalleryFile, number: int, name: str) -> None:
    """Call somebody who is enrolled so."""
    file.do(
        "UPDATE people SET name = ?, folded = ? WHERE id = ?", *_name(file, number, name), number
    )


def _name(file: GalleryFile, number: int, name: str) -> tuple[str | bytes, str]:
    mark = file.vault.mark(folded(name))
    return file.vault.seal_text(name, "people", "name", number, mark), mark


def _next(file: GalleryFile, table: str) -> int:
    """The number of the next row: cells are sealed with it before the row is there."""
    return int(file.one(f"SELECT coalesce(max(id), 0) + 1 FROM {table}"))


def dimension(file: GalleryFile) -> int:
    """Length of the embeddings; 0 while there are none."""
    return int(file.meta("dimension"))


def of(file: GalleryFile, table: str, person: int | None = None) -> list[Row]:
    """The rows of one of :data:`TABLES`, in the order in which they came: a person's, or all."""
    columns = "SELECT id, person, vector, quality, source, created FROM"
    size = dimension(file) * 4
    some, values = ("", ()) if person is None else ("WHERE person = ?", (person,))
    found = []
    for sealed in map(Row._make, file.rows(f"{columns} {table} {some} ORDER BY id", *values)):
        blob = file.vault.open(sealed.vector, *sealed.place(table, "vector"))
        source = file.vault.open_text(sealed.source, *sealed.place(table, "source"))
        if len(blob) != size:
            raise sqlite3.DatabaseError("an embedding of another length")
        found.append(sealed._replace(vector=blob, source=source))
    return found


def read(file: GalleryFile, table: str) -> list[Sample]:
    """All samples of one of :data:`TABLES`, by person and in the order in which they came."""
    names = people(file)
    rows = of(file, table)
    if any(row.person not in names for row in rows):
        raise sqlite3.DatabaseError("an embedding of nobody")
    rows.sort(key=lambda row: (names[row.person], row.id))
    return [
        Sample(names[row.person], vector(row.vector), row.quality, row.source, row.created)
        for row in rows
    ]


def insert(file: GalleryFile, table: str, person: int, sample: Sample) -> bool:
    """Whether it was new: the same bits of the same person are not added twice.

    Raises:
        GalleryError: the embedding is not one of this gallery.
    """
    blob = _blob(file, sample.embedding)
    if any(row.vector == blob for row in of(file, table, person)):
        return False
    number, quality, created = _next(file, table), float(sample.quality), sample.created or now()
    row = Row(number, person, blob, quality, sample.source, created)
    file.do(
        f"INSERT INTO {table} (vector, source, id, person, quality, created) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        *_sealed(file, table, row), number, person, quality, created,
    )  # fmt: skip
    return True


def _sealed(file: GalleryFile, table: str, row: Row) -> tuple[bytes, str | bytes]:
    return (
        file.vault.seal(row.vector, *row.place(table, "vector")),
        file.vault.seal_text(row.source, *row.place(table, "source")),
    )


def remove(file: GalleryFile, sample: Sample) -> int:
    """How many embeddings went: one, or none where the person has no such one."""
    blob = _blob(file, sample.embedding)
    mine = of(file, "embeddings", known(file, sample.name))
    return drop(file, "embeddings", [row.id for row in mine if row.vector == blob])


def cells(file: GalleryFile) -> list[bytes]:
    """Texts and blobs of all tables, as they are stored."""
    tables = {"meta": "value", "people": "name, folded", "adaptation": "map, facts"}
    tables |= dict.fromkeys(TABLES, "vector, source")
    there = {name for (name,) in file.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return [
        cell if isinstance(cell, bytes) else str(cell).encode()
        for table in tables.keys() & there
        for row in file.rows(f"SELECT {tables[table]} FROM {table}")
        for cell in row
    ]


def drop(file: GalleryFile, table: str, numbers: Iterable[int]) -> int:
    """Delete rows by their numbers; how many that was."""
    return sum(file.do(f"DELETE FROM {table} WHERE id = ?", n).rowcount for n in numbers)


def relock(file: GalleryFile, key: Key | None) -> None:
    """Write every cell anew, sealed with a key, or plain where it is None."""
    names, adaptation = people(file), read_adaptation(file)
    rows = {table: of(file, table) for table in TABLES}
    file.relock(key)
    for number, name in names.items():
        set_name(file, number, name)
    for table, found in rows.items():
        for row in found:
            file.do(
                f"UPDATE {table} SET vector = ?, source = ? WHERE id = ?",
                *_sealed(file, table, row), row.id,
            )  # fmt: skip
    write_adaptation(file, adaptation)


def read_adaptation(file: GalleryFile) -> Adaptation | None:
    """The map that was fitted to these people, where there is one."""
    side = dimension(file)
    for cell, shift, facts in file.rows("SELECT map, shift, facts FROM adaptation"):
        blob = file.vault.open(cell, "adaptation", "map", shift)
        facts = file.vault.open_text(facts, "adaptation", "facts", shift)
        if len(blob) != side * side * 4:
            raise sqlite3.DatabaseError("an adaptation of another size")
        return Adaptation(vector(blob).reshape(side, side), shift, json.loads(facts))
    return None


def write_adaptation(file: GalleryFile, adaptation: Adaptation | None) -> None:
    """Put it in the place of the one before, or nothing.

    Raises:
        GalleryError: it is for embeddings of another length.
    """
    file.do("DELETE FROM adaptation")
    if adaptation is None:
        return
    side = dimension(file)
    if adaptation.matrix.shape != (side, side):
        raise GalleryError(
            f"expected an adaptation ({side}, {side}). Received: {adaptation.matrix.shape}: "
            "it was not fitted to this gallery"
        )
    shift, blob = float(adaptation.shift), adaptation.matrix.astype("<f4").tobytes()
    file.do(
        "INSERT INTO adaptation VALUES (1, ?, ?, ?)",
        file.vault.seal(blob, "adaptation", "map", shift), shift,
        file.vault.seal_text(json.dumps(adaptation.facts), "adaptation", "facts", shift),
    )  # fmt: skip


def vector(blob: bytes) -> Floats:
    """Stored bytes as ``(D,)`` float32."""
    return np.frombuffer(blob, "<f4").astype(np.float32)


def _blob(file: GalleryFile, embedding: npt.NDArray[np.floating]) -> bytes:
    numbers = np.asarray(embedding, "<f4")
    length = float(np.linalg.norm(numbers)) if numbers.ndim == 1 else 0.0
    side = dimension(file)
    if not abs(length - 1) < 1e-3 or side not in (0, len(numbers)):
        raise GalleryError(
            f"expected an embedding ({side or 'D'},) of length 1. Received: shape "
            f"{numbers.shape}, length {length:.4g}: it was not made by this gallery's embedder"
        )
    if not side:
        file.do("UPDATE meta SET value = ? WHERE key = 'dimension'", str(len(numbers)))
    return numbers.tobytes()

"""Rows of a gallery: names, embeddings and the adaptation, to and from its tables.

Each function takes the file first. Those that write stand inside its ``change()``.
"""

from __future__ import annotations

import json
import sqlite3

import numpy as np
import numpy.typing as npt

from edgecnn.errors import GalleryError
from edgecnn.faces.adapt import Adaptation
from edgecnn.faces.gallery_file import GalleryFile
from edgecnn.faces.names import composed, folded
from edgecnn.faces.schema import now
from edgecnn.faces.types import Sample
from edgecnn.images import Floats

TABLES = ("embeddings", "negatives")


def known(file: GalleryFile, name: str) -> int:
    """The number of somebody who is enrolled.

    Raises:
        GalleryError: nobody is called so.
    """
    clean = composed(name)
    person = file.one("SELECT id FROM people WHERE name = ?", clean)
    if person is not None:
        return int(person)
    alike = file.one("SELECT name FROM people WHERE folded = ?", folded(clean))
    hint = f"did you mean {alike!r}?" if alike else "edgecnn people list shows who is"
    raise GalleryError(f"nobody called {clean!r} is enrolled in {file.path}: {hint}")


def enrolled(file: GalleryFile, name: str) -> int:
    """The number of a person, enrolled now if need be.

    Raises:
        GalleryError: somebody has the same name but for its case.
    """
    for person, taken in file.rows("SELECT id, name FROM people WHERE folded = ?", folded(name)):
        if taken != name:
            raise GalleryError(
                f"{taken!r} is enrolled already, and {name!r} is the same but for its case: "
                "use that spelling, or rename first"
            )
        return int(person)
    row = file.do("INSERT INTO people (name, folded) VALUES (?, ?)", name, folded(name))
    return int(row.lastrowid or 0)


def dimension(file: GalleryFile) -> int:
    """Length of the embeddings; 0 while there are none."""
    return int(file.meta("dimension"))


def read(file: GalleryFile, table: str) -> list[Sample]:
    """All samples of one of :data:`TABLES`, by person and in the order in which they came."""
    rows = file.rows(
        f"SELECT name, vector, quality, source, t.created FROM {table} AS t "
        "JOIN people ON person = people.id ORDER BY name, t.id"
    )
    if any(len(row[1]) != dimension(file) * 4 for row in rows):
        raise sqlite3.DatabaseError("an embedding of another length")
    return [Sample(name, vector(blob), *rest) for name, blob, *rest in rows]


def of(file: GalleryFile, person: int) -> list[tuple[str, Floats]]:
    """Source and embedding of a person's photos."""
    rows = file.rows("SELECT source, vector FROM embeddings WHERE person = ?", person)
    return [(source, vector(blob)) for source, blob in rows]


def insert(file: GalleryFile, table: str, person: int, sample: Sample) -> bool:
    """Whether it was new: the same bits of the same person are not added twice.

    Raises:
        GalleryError: the embedding is not one of this gallery.
    """
    blob = _blob(file, sample.embedding)
    if file.one(f"SELECT count(*) FROM {table} WHERE person = ? AND vector = ?", person, blob):
        return False
    file.do(
        f"INSERT INTO {table} (person, vector, quality, source, created) VALUES (?, ?, ?, ?, ?)",
        person, blob, float(sample.quality), sample.source, sample.created or now(),
    )  # fmt: skip
    return True


def remove(file: GalleryFile, sample: Sample) -> int:
    """How many embeddings went: one, or none where the person has no such one."""
    return file.do(
        "DELETE FROM embeddings WHERE person = ? AND vector = ?",
        known(file, sample.name), _blob(file, sample.embedding),
    ).rowcount  # fmt: skip


def read_adaptation(file: GalleryFile) -> Adaptation | None:
    """The map that was fitted to these people, where there is one."""
    side = dimension(file)
    for blob, shift, facts in file.rows("SELECT map, shift, facts FROM adaptation"):
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
    blob = adaptation.matrix.astype("<f4").tobytes()
    facts = json.dumps(adaptation.facts)
    file.do("INSERT INTO adaptation VALUES (1, ?, ?, ?)", blob, float(adaptation.shift), facts)


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

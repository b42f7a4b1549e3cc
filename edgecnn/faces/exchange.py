"""People from one gallery to another: a JSON file.

::

    {"format": "edgecnn-people", "schema": 2, "embedder_sha256": "…", "dimension": 128,
     "people": [{"name": "Ann",
        "embeddings": [{"vector": "base64 of float32, little-endian", "quality": 0.9,
                        "source": "a.jpg", "created": "2026-01-31T12:00:00Z"}],
        "negatives": [the same: faces that are not Ann]}],
     "adaptation": {"map": "base64 of D × D float32, by rows", "shift": 0.01, "facts": {}} or null}

A file of schema 1 has no ``negatives`` and no ``adaptation``, and is read as well.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edgecnn.errors import GalleryError
from edgecnn.faces.adapt import Adaptation
from edgecnn.faces.gallery import Gallery
from edgecnn.faces.redundant import MOST, choose
from edgecnn.faces.types import Sample
from edgecnn.images import Floats
from edgecnn.storage import whole_file

FORMAT, SCHEMA = "edgecnn-people", 2
SQLITE = b"SQLite format 3\0"
"""What a database begins with (its file format, section 1.3)."""


class Export(NamedTuple):
    """What a file of :func:`export_people` holds."""

    embedder_sha256: str
    samples: list[Sample]
    negatives: list[Sample]
    adaptation: Adaptation | None


def export_people(gallery: Gallery, path: str | Path) -> int:
    """Write everybody into a file that its owner alone can read, whole or not at all.

    Returns:
        How many people.

    Raises:
        GalleryError: ``path`` is a gallery, which would be lost.
        StorageError: the file could not be written.
    """
    if _is_database(path):
        raise GalleryError(
            f"expected a file for JSON. {path} is a gallery, and would be lost: name another file, "
            "and take it in with edgecnn people import"
        )
    samples, negatives, adaptation = gallery.samples(), gallery.negatives(), gallery.adaptation()
    people = [
        {
            "name": name,
            "embeddings": _rows(name, samples),
            "negatives": _rows(name, negatives),
        }
        for name in dict.fromkeys(s.name for s in samples)
    ]
    facts = {
        "format": FORMAT,
        "schema": SCHEMA,
        "embedder_sha256": gallery.embedder_sha256,
        "dimension": gallery.dimension,
        "people": people,
        "adaptation": adaptation
        and {
            "map": _text(adaptation.matrix),
            "shift": adaptation.shift,
            "facts": adaptation.facts,
        },
    }
    with whole_file(path, mode=0o600) as draft:
        draft.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return len(people)


def refuse_to_lose(old: Path, new: Path | None) -> None:
    """Raise where a gallery would give way in which people are who are not in the other.

    Raises:
        GalleryError: there are such people, or ``old`` is encrypted, so that nobody can tell.
    """
    if not old.is_file():
        return
    with Gallery(old) as gallery:
        sealed = gallery.encrypted
        lost = set() if sealed else {sample.name for sample in gallery.samples()}
    if new is not None:
        with Gallery(new) as gallery:
            lost -= set() if gallery.encrypted else {sample.name for sample in gallery.samples()}
        sealed = sealed and old.read_bytes() != new.read_bytes()
    if sealed or lost:
        who = ", ".join(sorted(lost)) or "encrypted, those who are enrolled"
        raise GalleryError(
            f"{old} would give way, and with it {who}: take them out by edgecnn people export, and "
            "in again later, or choose another --out; where they may go, remove that file"
        )


def _is_database(path: str | Path) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(SQLITE)) == SQLITE
    except OSError:  # whoever writes there says so
        return False


def read_export(path: str | Path) -> Export:
    """What stands in a file of :func:`export_people`.

    Raises:
        GalleryError: the file cannot be read, or is none of these.
    """
    try:
        facts: Any = json.loads(Path(path).read_text("utf-8"))
        if facts["format"] != FORMAT or facts["schema"] not in range(1, SCHEMA + 1):
            raise GalleryError(
                f"expected {FORMAT} of schema 1 to {SCHEMA}. {path} is {facts['format']} "
                f"{facts['schema']}: export again with this version of edgecnn"
            )
        return Export(
            str(facts["embedder_sha256"]),
            [_sample(p, e) for p in facts["people"] for e in p["embeddings"]],
            [_sample(p, e) for p in facts["people"] for e in p.get("negatives", ())],
            _adaptation(facts.get("adaptation"), int(facts["dimension"])),
        )
    except GalleryError:
        raise
    except OSError as e:
        raise GalleryError(f"{path} cannot be read ({e.strerror}): check the path") from e
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise GalleryError(
            f"{path} is not a file of edgecnn people export ({type(e).__name__}: {e}): export again"
        ) from e


def import_people(gallery: Gallery, path: str | Path) -> int:
    """Add everybody in a file of :func:`export_people`, all or nobody; what is there stays.

    Nobody gets more than :data:`edgecnn.faces.redundant.MOST` embeddings by it.

    Returns:
        How many embeddings were new.

    Raises:
        GalleryError: the file is of another embedder or cannot be read, or a name clashes.
    """
    found = read_export(path)
    if found.embedder_sha256 != gallery.embedder_sha256:
        raise GalleryError(
            f"{path} was made with the embedder {found.embedder_sha256[:12]}, {gallery.path} with "
            f"{gallery.embedder_sha256[:12]}: enroll everybody again from photos, or import into "
            "a gallery of the same embedder"
        )
    samples = _bounded(gallery.samples(), found.samples)
    return gallery.take_in(samples, found.negatives, found.adaptation)


def _bounded(have: Sequence[Sample], new: Sequence[Sample]) -> list[Sample]:
    """As many of those that are not there yet as there is room for, what matters most first."""
    out = []
    for name in dict.fromkeys(s.name for s in new):
        there = [s.embedding.tobytes() for s in have if s.name == name]
        mine = [s for s in new if s.name == name and s.embedding.tobytes() not in there]
        room = max(0, MOST - len(there))
        if len(mine) > room:
            points = np.array([s.embedding for s in mine])
            verdicts = choose(points, [s.quality for s in mine], most=room, enough=np.inf)
            mine = [s for s, verdict in zip(mine, verdicts, strict=True) if verdict.kept]
        out += mine
    return out


def _rows(name: str, samples: Sequence[Sample]) -> list[dict[str, Any]]:
    return [
        {
            "vector": _text(s.embedding),
            "quality": s.quality,
            "source": s.source,
            "created": s.created,
        }
        for s in samples
        if s.name == name
    ]


def _sample(person: Mapping[str, Any], row: Mapping[str, Any]) -> Sample:
    return Sample(
        str(person["name"]),
        _floats(row["vector"]),
        float(row["quality"]),
        str(row["source"]),
        str(row["created"]),
    )


def _adaptation(facts: Mapping[str, Any] | None, dimension: int) -> Adaptation | None:
    if facts is None:
        return None
    matrix = _floats(facts["map"]).reshape(dimension, dimension)
    return Adaptation(matrix, float(facts["shift"]), dict(facts["facts"]))


def _text(numbers: npt.NDArray[np.floating]) -> str:
    return base64.b64encode(numbers.astype("<f4").tobytes()).decode()


def _floats(text: str) -> Floats:
    numbers = np.frombuffer(base64.b64decode(text, validate=True), "<f4")
    if not np.isfinite(numbers).all():
        raise ValueError("numbers that are none")
    return numbers

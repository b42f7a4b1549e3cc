"""People from one gallery to another: a JSON file.

::

    {"format": "edgecnn-people", "schema": 1, "embedder_sha256": "…", "dimension": 128,
     "people": [{"name": "Ann", "embeddings": [
        {"vector": "base64 of float32, little-endian", "quality": 0.9, "source": "a.jpg",
         "created": "2026-01-31T12:00:00Z"}]}]}
"""

from __future__ import annotations

import base64
import json
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.errors import GalleryError
from edgecnn.faces.gallery import Gallery, Sample
from edgecnn.storage import storing, whole_file

FORMAT, SCHEMA = "edgecnn-people", 1


def export_people(gallery: Gallery, path: str | Path) -> int:
    """Write everybody into a file that its owner alone can read, whole or not at all.

    Returns:
        How many people.

    Raises:
        StorageError: the file could not be written.
    """
    people = [
        {
            "name": name,
            "embeddings": [
                {
                    "vector": base64.b64encode(s.embedding.astype("<f4").tobytes()).decode(),
                    "quality": s.quality,
                    "source": s.source,
                    "created": s.created,
                }
                for s in samples
            ],
        }
        for name, samples in groupby(gallery.samples(), key=lambda s: s.name)
    ]
    facts = {
        "format": FORMAT,
        "schema": SCHEMA,
        "embedder_sha256": gallery.embedder_sha256,
        "dimension": gallery.dimension,
        "people": people,
    }
    with whole_file(path) as draft:
        draft.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", "utf-8")
    with storing(path):
        Path(path).chmod(0o600)
    return len(people)


def read_export(path: str | Path) -> tuple[str, list[Sample]]:
    """The embedder's SHA-256 and the embeddings in a file of :func:`export_people`.

    Raises:
        GalleryError: the file cannot be read, or is none of these.
    """
    try:
        facts: Any = json.loads(Path(path).read_text("utf-8"))
        if (facts["format"], facts["schema"]) != (FORMAT, SCHEMA):
            raise GalleryError(
                f"expected {FORMAT} of schema {SCHEMA}. {path} is {facts['format']} "
                f"{facts['schema']}: export again with this version of edgecnn"
            )
        samples = [
            Sample(
                str(person["name"]),
                np.frombuffer(base64.b64decode(e["vector"], validate=True), "<f4"),
                float(e["quality"]),
                str(e["source"]),
                str(e["created"]),
            )
            for person in facts["people"]
            for e in person["embeddings"]
        ]
        return str(facts["embedder_sha256"]), samples
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

    Returns:
        How many embeddings were new.

    Raises:
        GalleryError: the file is of another embedder or cannot be read, or a name clashes.
    """
    embedder_sha256, samples = read_export(path)
    if embedder_sha256 != gallery.embedder_sha256:
        raise GalleryError(
            f"{path} was made with the embedder {embedder_sha256[:12]}, {gallery.path} with "
            f"{gallery.embedder_sha256[:12]}: enroll everybody again from photos, or import into "
            "a gallery of the same embedder"
        )
    return gallery.add_all(samples)

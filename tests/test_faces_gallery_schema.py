"""What schema 2 added to a gallery: negatives, an adaptation, and the way there from schema 1."""

import json
import sqlite3

import numpy as np
import pytest

from edgecnn.errors import GalleryError, StorageError
from edgecnn.faces.adapt import Adaptation
from edgecnn.faces.exchange import export_people, import_people
from edgecnn.faces.gallery import Gallery
from edgecnn.faces.redundant import MOST
from edgecnn.faces.schema import APPLICATION_ID, SCHEMA
from edgecnn.faces.types import Sample

SHA = "ab" * 32

SCHEMA_1 = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
                     folded TEXT NOT NULL UNIQUE);
CREATE TABLE embeddings (id INTEGER PRIMARY KEY,
                         person INTEGER NOT NULL REFERENCES people (id) ON DELETE CASCADE,
                         vector BLOB NOT NULL, quality REAL NOT NULL, source TEXT NOT NULL,
                         created TEXT NOT NULL);
CREATE INDEX embeddings_of ON embeddings (person);
"""
"""As edgecnn 0.1 wrote it."""


def embedding(seed, dimension=32):
    vector = np.random.default_rng(seed).normal(size=dimension).astype(np.float32)
    return vector / np.linalg.norm(vector)


@pytest.fixture
def old(tmp_path):
    """A gallery of schema 1 with Ann in it."""
    path = tmp_path / "gallery.sqlite"
    db = sqlite3.connect(path)
    with db:
        db.executescript(SCHEMA_1)
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        facts = {"schema": "1", "embedder_sha256": SHA, "dimension": "32", "created": "2026"}
        db.executemany("INSERT INTO meta VALUES (?, ?)", facts.items())
        db.execute("INSERT INTO people VALUES (1, 'Ann', 'ann')")
        db.execute(
            "INSERT INTO embeddings VALUES (1, 1, ?, 0.9, 'a.jpg', '2026-01-31T12:00:00Z')",
            (embedding(1).tobytes(),),
        )
    db.close()
    return path


@pytest.fixture
def gallery(tmp_path):
    with Gallery(tmp_path / "gallery.sqlite", SHA, create=True) as opened:
        opened.add("Ann", embedding(1), 0.9, "a.jpg")
        opened.add("Bob", embedding(2), 0.9, "b.jpg")
        yield opened


def tables(path):
    db = sqlite3.connect(path)
    rows = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    schema = db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()[0]
    found = [name for (name,) in rows], schema
    db.close()
    return found


def test_an_old_gallery_is_read_as_it_is(old):
    before = old.read_bytes()
    with Gallery(old, SHA) as gallery:
        (ann,) = gallery.people()
        assert (ann.name, ann.embeddings, ann.negatives) == ("Ann", 1, ())
        assert gallery.negatives() == [] and gallery.adaptation() is None
        assert gallery.index().best(embedding(1))[0] == "Ann"
    assert old.read_bytes() == before


def test_an_old_gallery_that_cannot_be_written_to_is_read(old):
    # The uid that runs the tests may be root, whom no permission stops: say it to SQLite.
    with Gallery(old, SHA) as gallery:
        gallery._file.do("PRAGMA query_only=ON")
        assert gallery.index().people == ["Ann"] and gallery.negatives() == []
        with pytest.raises(StorageError, match="may not be written"):
            gallery.teach(Sample("Ann", embedding(3), source="eve.jpg"))
    assert tables(old)[1] == "1"


def test_the_first_change_brings_an_old_gallery_up_to_date(old, tmp_path):
    with Gallery(old, SHA) as gallery, Gallery(old, SHA) as camera:
        assert camera.index().people == ["Ann"]
        assert gallery.teach(Sample("Ann", embedding(3), source="eve.jpg"))
        assert camera.changed()
        assert [n.source for n in camera.negatives()] == ["eve.jpg"]
    new = tmp_path / "new.sqlite"
    with Gallery(new, SHA, create=True):
        pass
    assert tables(old) == tables(new) == (tables(new)[0], str(SCHEMA))
    with Gallery(old, SHA) as again:
        assert [s.source for s in again.samples()] == ["a.jpg"]


def test_a_failed_first_change_leaves_the_old_schema(old):
    with Gallery(old, SHA) as gallery, pytest.raises(GalleryError, match="nobody called 'Bob'"):
        gallery.forget("Bob")
    assert tables(old) == (["embeddings", "meta", "people"], "1")


def test_teach_list_and_take_back(gallery):
    assert gallery.teach(Sample("Ann", embedding(3), 0.8, "eve.jpg"))
    assert not gallery.teach(Sample("Ann", embedding(3), 0.8, "eve.jpg"))
    assert gallery.teach(Sample("Ann", embedding(4), 0.8, "kim.jpg"))
    assert [p.negatives for p in gallery.people()] == [("eve.jpg", "kim.jpg"), ()]
    with pytest.raises(GalleryError, match=r"'eve\.jpg' was taught as not Bob"):
        gallery.unteach("Bob", "eve.jpg")
    assert gallery.unteach("Ann", "eve.jpg") == 1
    assert [n.source for n in gallery.negatives()] == ["kim.jpg"]
    assert b"eve.jpg" not in gallery.path.read_bytes()


def test_what_cannot_be_taught(gallery):
    near = embedding(1) + 0.3 * embedding(9)
    near /= np.linalg.norm(near)
    with pytest.raises(GalleryError, match=r"c\.jpg is one that Ann is enrolled with \(a\.jpg\)"):
        gallery.teach(Sample("Ann", near, source="c.jpg"))
    with pytest.raises(GalleryError, match="did you mean 'Ann'"):
        gallery.teach(Sample("ann", embedding(3)))
    with pytest.raises(GalleryError, match="expected an embedding"):
        gallery.teach(Sample("Ann", embedding(3, 16)))
    # Bob's own photo may be what Ann is not: that is what look-alikes are.
    assert gallery.teach(Sample("Ann", embedding(2), source="b.jpg"))


def test_to_forget_takes_negatives_and_adaptation_along_without_trace(gallery, tmp_path):
    gallery.teach(Sample("Ann", embedding(3), source="zenobia-eve.jpg"))
    gallery.teach(Sample("Bob", embedding(1), source="zenobia-ann.jpg"))
    gallery.teach(Sample("Bob", embedding(4), source="kim.jpg"))
    matrix = np.random.default_rng(0).normal(size=(32, 32)).astype(np.float32)
    gallery.adapt(Adaptation(matrix, 0.01, {"photos": 2}))
    gallery.forget("Ann")
    assert [n.source for n in gallery.negatives()] == ["kim.jpg"]
    assert gallery.adaptation() is None
    everything = b"".join(p.read_bytes() for p in tmp_path.iterdir())
    assert b"zenobia" not in everything
    for gone in (embedding(1), embedding(3), *matrix):
        blob = gone.astype("<f4").tobytes()
        assert all(blob[i : i + 16] not in everything for i in range(0, len(blob), 16))


def test_an_adaptation_is_kept_to_the_bit_and_goes_when_people_change(gallery):
    matrix = np.random.default_rng(0).normal(size=(32, 32)).astype(np.float32)
    gallery.adapt(Adaptation(matrix, -0.02, {"photos": 2}))
    found = gallery.adaptation()
    np.testing.assert_array_equal(found.matrix, matrix)
    assert (found.shift, found.facts) == (-0.02, {"photos": 2})
    np.testing.assert_array_equal(gallery.index().adaptation.matrix, matrix)
    gallery.rename("Ann", "Zoe")
    gallery.add("Bob", embedding(2))  # is there already: nothing changes
    assert gallery.adaptation() is not None
    gallery.add("Bob", embedding(5))
    assert gallery.adaptation() is None
    gallery.adapt(Adaptation(matrix))
    gallery.add_all([], drop=[Sample("Bob", embedding(5))])
    assert gallery.adaptation() is None
    with pytest.raises(GalleryError, match=r"expected an adaptation \(32, 32\)"):
        gallery.adapt(Adaptation(np.eye(4, dtype=np.float32)))


def test_all_of_it_moves_by_json(gallery, tmp_path):
    gallery.teach(Sample("Ann", embedding(3), 0.8, "eve.jpg"))
    gallery.adapt(Adaptation(np.eye(32, dtype=np.float32) * 2, 0.1, {"photos": 2}))
    file = tmp_path / "people.json"
    export_people(gallery, file)
    with Gallery(tmp_path / "empty.sqlite", SHA, create=True) as empty:
        assert import_people(empty, file) == 2
        (eve,) = empty.negatives()
        assert (eve.name, eve.source, eve.quality) == ("Ann", "eve.jpg", 0.8)
        np.testing.assert_array_equal(eve.embedding, embedding(3))
        assert empty.adaptation().shift == 0.1 and empty.adaptation().facts == {"photos": 2}
    with Gallery(tmp_path / "other.sqlite", SHA, create=True) as other:
        other.add("Cid", embedding(7))
        assert import_people(other, file) == 2
        assert len(other.negatives()) == 1
        assert other.adaptation() is None  # it was fitted without Cid


def test_an_export_of_schema_1_is_read(gallery, tmp_path):
    file = tmp_path / "people.json"
    export_people(gallery, file)
    facts = json.loads(file.read_text())
    del facts["adaptation"]
    for person in facts["people"]:
        del person["negatives"]
    file.write_text(json.dumps({**facts, "schema": 1}))
    with Gallery(tmp_path / "other.sqlite", SHA, create=True) as other:
        assert import_people(other, file) == 2


def test_an_import_gives_nobody_more_than_the_bound(gallery, tmp_path):
    gallery.add_all([Sample("Ann", embedding(100 + i)) for i in range(MOST + 4)])
    export_people(gallery, tmp_path / "people.json")
    with Gallery(tmp_path / "other.sqlite", SHA, create=True) as other:
        other.add_all([Sample("Ann", embedding(200 + i)) for i in range(5)])
        assert import_people(other, tmp_path / "people.json") == MOST - 5 + 1
        assert {p.name: p.embeddings for p in other.people()} == {"Ann": MOST, "Bob": 1}

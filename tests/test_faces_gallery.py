"""The gallery: names, atomic changes, other processes, kill -9, damage, and forgetting."""

import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgecnn.errors import GalleryError, StorageError
from edgecnn.faces.exchange import export_people, import_people, refuse_to_lose
from edgecnn.faces.gallery import Gallery
from edgecnn.faces.names import LONGEST_NAME, clean_name
from edgecnn.faces.redundant import MOST
from edgecnn.faces.types import Sample
from edgecnn.faces.vault import FILE, Key

SHA, OTHER_SHA = "ab" * 32, "cd" * 32


def embedding(seed, dimension=128):
    vector = np.random.default_rng(seed).normal(size=dimension).astype(np.float32)
    return vector / np.linalg.norm(vector)


@pytest.fixture
def gallery(tmp_path):
    with Gallery(tmp_path / "gallery.sqlite", SHA, create=True) as opened:
        yield opened


def names(gallery):
    return [p.name for p in gallery.people()]


def test_a_new_gallery_is_empty_and_private(gallery):
    assert gallery.people() == [] and gallery.embedder_sha256 == SHA
    assert gallery.embeddings()[1].shape == (0, 0)
    assert stat.S_IMODE(gallery.path.stat().st_mode) == 0o600


def test_what_is_added_is_there_after_reopening(gallery):
    gallery.add("Bob", embedding(1), 0.5, "b.jpg")
    gallery.add("Ann", embedding(2), 1.0, "a.jpg")
    gallery.add("Bob", embedding(3), 0.7)
    with Gallery(gallery.path, SHA) as again:
        owners, matrix = again.embeddings()
        assert owners == ["Ann", "Bob", "Bob"] and again.dimension == 128
        np.testing.assert_array_equal(matrix, [embedding(2), embedding(1), embedding(3)])
        ann, bob = again.people()
    assert (ann.name, ann.embeddings, ann.quality) == ("Ann", 1, 1.0)
    assert (bob.embeddings, bob.quality) == (2, pytest.approx(0.6))
    assert bob.since.endswith("Z") and len(bob.since) == 20


@pytest.mark.parametrize(
    ("name", "kept"),
    [("  Ann ", "Ann"), ("Jose\u0301", "José"), ("李小龍", "李小龍"), ("x" * LONGEST_NAME,) * 2],
)
def test_names_are_cleaned(name, kept):
    assert clean_name(name) == kept


@pytest.mark.parametrize(
    "name", ["", "  ", "a\nb", "a\0b", "a\u202eb", "x" * (LONGEST_NAME + 1), "Unknown"]
)
def test_names_that_cannot_be_used(gallery, name):
    with pytest.raises(GalleryError, match="choose another name"):
        gallery.add(name, embedding(1))
    assert gallery.people() == []


def test_names_that_differ_by_case_alone_are_refused(gallery):
    gallery.add("Ann", embedding(1))
    with pytest.raises(GalleryError, match="'Ann' is enrolled already"):
        gallery.add("ANN", embedding(2))
    with pytest.raises(GalleryError, match="did you mean 'Ann'"):
        gallery.forget("ann")
    gallery.rename("Ann", "ann")
    assert names(gallery) == ["ann"]


@pytest.mark.parametrize(
    "vector",
    [np.ones(128), np.zeros(128), np.full(128, np.nan), embedding(1, 64), np.eye(128), []],
    ids=["long", "zero", "nan", "64 wide", "matrix", "empty"],
)
def test_embeddings_of_another_kind_are_refused(gallery, vector):
    gallery.add("Ann", embedding(1))
    with pytest.raises(GalleryError, match="expected an embedding"):
        gallery.add("Bob", np.asarray(vector))
    assert names(gallery) == ["Ann"]


def test_all_or_none_are_added_and_the_same_bits_once(gallery):
    rows = [Sample("Ann", embedding(1)), Sample("Ann", embedding(1)), Sample("Bob", embedding(2))]
    assert gallery.add_all(rows) == 2
    assert gallery.add_all(rows) == 0
    with pytest.raises(GalleryError):
        gallery.add_all([Sample("Cid", embedding(3)), Sample("", embedding(4))])
    assert names(gallery) == ["Ann", "Bob"]


def test_rename(gallery):
    gallery.add("Ann", embedding(1))
    gallery.add("Bob", embedding(2))
    gallery.rename("Ann", " Cid ")
    assert names(gallery) == ["Bob", "Cid"]
    with pytest.raises(GalleryError, match="Bob is enrolled already"):
        gallery.rename("Cid", "Bob")
    with pytest.raises(GalleryError, match="nobody called 'Ann'"):
        gallery.rename("Ann", "Dan")
    with pytest.raises(GalleryError, match="choose another name"):
        gallery.rename("Bob", "\t")
    assert names(gallery) == ["Bob", "Cid"]
    assert b"Ann" not in gallery.path.read_bytes()


def test_to_forget_leaves_no_trace_in_any_file(gallery, tmp_path):
    gone = [Sample("Zenobia Quux", embedding(i), source="zenobia-photo.jpg") for i in range(60)]
    gallery.add_all(gone[:30])
    gallery.add_all([Sample(f"P{i}", embedding(100 + i)) for i in range(40)])
    gallery.add_all(gone[30:])
    with Gallery(gallery.path) as camera:  # another reader, as a running camera is
        camera.embeddings()
        assert gallery.forget("Zenobia Quux") == 60
        assert "Zenobia Quux" not in camera.embeddings()[0]
        everything = b"".join(p.read_bytes() for p in tmp_path.iterdir())
    assert [p.name for p in tmp_path.iterdir()] == ["gallery.sqlite"]
    for trace in (b"enobia", b"quux"):
        assert trace not in everything
    for sample in gone:
        blob = sample.embedding.tobytes()
        assert all(blob[i : i + 16] not in everything for i in range(0, len(blob), 16))
    assert len(gallery.people()) == 40


def test_to_forget_somebody_unknown_forgets_nobody(gallery):
    gallery.add("Ann", embedding(1))
    with pytest.raises(GalleryError, match="nobody called 'Bob'"):
        gallery.forget("Ann", "Bob")
    assert names(gallery) == ["Ann"]


def test_changes_are_noticed_wherever_they_are_made(gallery):
    assert gallery.changed()
    gallery.embeddings()
    assert not gallery.changed()
    gallery.add("Ann", embedding(1))
    assert gallery.changed()
    gallery.embeddings()
    with Gallery(gallery.path) as other:
        assert not gallery.changed()
        other.add("Bob", embedding(2))
        assert gallery.changed()
        assert gallery.embeddings()[0] == ["Ann", "Bob"]
        assert not gallery.changed()


def test_a_file_put_in_the_place_of_the_old_one_is_noticed(gallery, tmp_path):
    gallery.embeddings()
    with Gallery(tmp_path / "new", SHA, create=True) as new:
        new.add("Bob", embedding(2))
    os.replace(tmp_path / "new", gallery.path)
    assert gallery.changed()
    assert gallery.embeddings()[0] == ["Bob"]
    gallery.path.unlink()
    assert gallery.changed()
    assert gallery.embeddings()[0] == []


def test_another_embedders_gallery_is_refused_with_the_cure(gallery):
    with pytest.raises(GalleryError, match=r"abababababab.*cdcdcdcdcdcd.*again from photos"):
        Gallery(gallery.path, OTHER_SHA)
    with Gallery(gallery.path) as any_embedder:
        assert any_embedder.embedder_sha256 == SHA


def test_no_file(tmp_path):
    with pytest.raises(GalleryError, match="edgecnn enroll"):
        Gallery(tmp_path / "none.sqlite", SHA)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="--gallery"):
        Gallery(tmp_path / "file" / "gallery.sqlite", SHA, create=True)


@pytest.mark.parametrize("content", [b"not a database, but long enough to look at" * 30, b"x", b""])
def test_files_that_are_no_gallery(tmp_path, content):
    path = tmp_path / "gallery.sqlite"
    path.write_bytes(content)
    with pytest.raises(GalleryError, match="gallery"):
        Gallery(path, SHA)
    assert path.read_bytes() == content


def test_somebody_elses_sqlite_file_is_not_touched(tmp_path):
    path = tmp_path / "bookmarks.sqlite"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE t (x)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(GalleryError, match="not a gallery of edgecnn"):
        Gallery(path, SHA, create=True)
    assert path.read_bytes() == before


@pytest.mark.parametrize("keep", [0.9, 0.5, 0.05])
def test_a_cut_off_gallery_is_an_error(gallery, keep):
    gallery.add_all([Sample(f"P{i}", embedding(i)) for i in range(50)])
    gallery.close()
    content = gallery.path.read_bytes()
    gallery.path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(GalleryError, match="enroll again from photos"):
        Gallery(gallery.path, SHA, create=True)


def test_another_schema_is_an_error(gallery):
    gallery.close()
    db = sqlite3.connect(gallery.path)
    with db:
        db.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    db.close()
    with pytest.raises(GalleryError, match="schema 1"):
        Gallery(gallery.path, SHA)


WRITER = """
import sys
import numpy as np
from edgecnn.faces.gallery import Gallery
with Gallery(sys.argv[1], sys.argv[2], create=True) as gallery:
    for i in range(100000):
        gallery.add(f"P{i}", np.eye(128, dtype=np.float32)[i % 128])
        print(i, flush=True)
"""


@pytest.mark.parametrize("after", [1, 7, 20])
def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path, after):
    path = tmp_path / "gallery.sqlite"
    root = Path(__file__).parents[1]
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), SHA], stdout=subprocess.PIPE, cwd=root
    )
    assert writer.stdout is not None
    for _ in range(after):
        last = int(writer.stdout.readline())
    writer.send_signal(signal.SIGKILL)
    acknowledged = [last, *map(int, writer.stdout.read().split())]
    writer.wait()
    writer.stdout.close()
    with Gallery(path, SHA) as gallery:
        present = set(names(gallery))
        assert {f"P{i}" for i in range(max(acknowledged) + 1)} <= present
        gallery.add("Ann", embedding(1))
        assert gallery.forget("P0") == 1


def test_people_move_by_json(gallery, tmp_path):
    gallery.add("Ann", embedding(1), 0.5, "a.jpg")
    gallery.add("Bob", embedding(2))
    file = tmp_path / "people.json"
    assert export_people(gallery, file) == 2
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with Gallery(tmp_path / "other.sqlite", SHA, create=True) as other:
        other.add("Cid", embedding(3))
        other.add("Ann", embedding(1))
        assert import_people(other, file) == 1
        assert import_people(other, file) == 0
        assert names(other) == ["Ann", "Bob", "Cid"]
        (bob,) = [s for s in other.samples() if s.name == "Bob"]
        np.testing.assert_array_equal(bob.embedding, embedding(2))
        assert bob.created == gallery.people()[1].since


def test_an_export_takes_no_galleries_place(gallery, tmp_path):
    gallery.add("Ann", embedding(1))
    with Gallery(tmp_path / "other.sqlite", SHA, create=True) as other:
        other.add("Bob", embedding(2))
        for taken in (gallery.path, other.path):
            with pytest.raises(GalleryError, match="would be lost"):
                export_people(gallery, taken)
        assert names(gallery) == ["Ann"] and names(other) == ["Bob"]


def test_a_gallery_gives_way_where_nobody_is_lost(gallery, tmp_path):
    old = tmp_path / "old.sqlite"
    refuse_to_lose(old, None)  # there is none
    with Gallery(old, SHA, create=True) as before:
        refuse_to_lose(old, None)  # nobody is in it
        before.add("Ann", embedding(1))
        with pytest.raises(GalleryError, match="with it Ann: take them out"):
            refuse_to_lose(old, None)
        gallery.add("Ann", embedding(2))
        refuse_to_lose(old, gallery.path)
        before.relock(Key(FILE, bytes(32)))
    with pytest.raises(GalleryError, match="encrypted, those who are enrolled"):
        refuse_to_lose(old, gallery.path)
    shutil.copy(old, tmp_path / "same.sqlite")
    refuse_to_lose(old, tmp_path / "same.sqlite")


def test_what_came_by_an_earlier_export_takes_no_room_from_what_is_new(gallery, tmp_path):
    file = tmp_path / "people.json"
    with Gallery(tmp_path / "other.sqlite", SHA, create=True) as other:
        for new in (range(10), range(10, MOST)):
            gallery.add_all(Sample("Ann", embedding(i)) for i in new)
            export_people(gallery, file)
            assert import_people(other, file) == len(new)


def test_an_export_of_another_embedder_is_refused(gallery, tmp_path):
    gallery.add("Ann", embedding(1))
    export_people(gallery, tmp_path / "people.json")
    with (
        Gallery(tmp_path / "other.sqlite", OTHER_SHA, create=True) as other,
        pytest.raises(GalleryError, match=r"abababababab.*cdcdcdcdcdcd"),
    ):
        import_people(other, tmp_path / "people.json")


def _with(**changes):
    return lambda facts: {**facts, **changes}


@pytest.mark.parametrize(
    "spoil",
    [
        _with(schema=3),
        _with(adaptation={"map": "AAAA", "shift": 0, "facts": {}}),
        _with(format="else"),
        _with(people=None),
        _with(people=[{"name": "Bob"}]),
        _with(people=[{"name": "Bob", "embeddings": [{"vector": "%%%"}]}]),
        lambda facts: [],
    ],
)
def test_a_spoilt_export_changes_nothing(gallery, tmp_path, spoil):
    gallery.add("Ann", embedding(1))
    file = tmp_path / "people.json"
    export_people(gallery, file)
    file.write_text(json.dumps(spoil(json.loads(file.read_text()))))
    with pytest.raises(GalleryError, match="export again"):
        import_people(gallery, file)
    assert names(gallery) == ["Ann"]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[1, 2"])
def test_an_export_that_is_no_json(gallery, tmp_path, content):
    (tmp_path / "people.json").write_bytes(content)
    with pytest.raises(GalleryError, match="export again"):
        import_people(gallery, tmp_path / "people.json")
    with pytest.raises(GalleryError, match="check the path"):
        import_people(gallery, tmp_path / "none.json")

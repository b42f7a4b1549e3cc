"""To forget, and the proof of it: true where nothing is left, and false where something is."""

import sqlite3

import numpy as np
import pytest

from edgecnn.errors import DataError, GalleryError
from edgecnn.events.queue import DiskQueue
from edgecnn.faces.exchange import export_people
from edgecnn.faces.gallery import Gallery
from edgecnn.faces.types import Sample
from edgecnn.faces.vault import FILE, Key
from edgecnn.privacy import forget as module
from edgecnn.privacy.forget import forget
from edgecnn.privacy.traces import Hit

SHA = "ab" * 32
KEYS = pytest.mark.parametrize("key", [None, Key(FILE, bytes(32))], ids=["plain", "encrypted"])


def embedding(seed, dimension=128):
    vector = np.random.default_rng(seed).normal(size=dimension).astype(np.float32)
    return vector / np.linalg.norm(vector)


def filled(path, key):
    gallery = Gallery(path, SHA, create=True, key=key)
    gallery.add_all([Sample("Ann", embedding(i), source=f"ann{i}.jpg") for i in range(3)])
    gallery.add_all([Sample("Annabel", embedding(i), source="joanna.jpg") for i in range(10, 13)])
    gallery.teach(Sample("Ann", embedding(20), source="sister.jpg"))
    return gallery


@KEYS
def test_nothing_is_left_of_ann_and_annabel_is_no_trace_of_her(tmp_path, key):
    with filled(tmp_path / "gallery.sqlite", key) as gallery:
        done = forget(gallery, ["Ann"])
        assert done.embeddings == 3 and done.report.clean and done.report.files == 1
        assert done.report.size == gallery.path.stat().st_size
        assert [p.name for p in gallery.people()] == ["Annabel"]


def test_a_copy_of_her_photo_under_another_name_is_somebody_elses(tmp_path):
    with filled(tmp_path / "gallery.sqlite", None) as gallery:
        gallery.add("Zoe", embedding(0))
        assert forget(gallery, ["Ann"]).report.clean


class Careless(Gallery):
    """Deletes as SQLite does where nobody asks for more."""

    def forget(self, *names):
        self._file.do("PRAGMA secure_delete=OFF")
        with self._file.change():
            self._file.do("DELETE FROM people WHERE folded = ?", self._file.vault.mark("ann"))
        return 3


@KEYS
def test_a_careless_deletion_is_found_out(tmp_path, key):
    filled(tmp_path / "gallery.sqlite", key).close()
    with Careless(tmp_path / "gallery.sqlite", SHA, key=key) as gallery:
        report = forget(gallery, ["Ann"]).report
    found = {hit.what for hit in report.hits}
    assert found == ({"the name", "an embedding"} if key is None else {"an embedding"})


def test_a_journal_that_was_left_behind_is_found_out(tmp_path, monkeypatch):
    with filled(tmp_path / "gallery.sqlite", None) as gallery:
        journal = tmp_path / "gallery.sqlite-journal"
        real = gallery.forget

        def leaves(*names):
            count = real(*names)
            journal.write_bytes(bytes(600) + embedding(1).tobytes() + b"Ann\0")
            return count

        monkeypatch.setattr(gallery, "forget", leaves)
        report = forget(gallery, ["Ann"]).report
        assert {(hit.path, hit.what) for hit in report.hits} == {
            (journal, "the name"), (journal, "an embedding"),
        }  # fmt: skip
        journal.unlink()


def test_the_journal_is_overwritten_before_it_goes(tmp_path, monkeypatch):
    """What is in the journal while the change is made, and what when it is deleted."""
    with filled(tmp_path / "gallery.sqlite", None) as gallery:
        journal = tmp_path / "gallery.sqlite-journal"
        handle = None
        real = type(gallery._file)._pack

        def pack(file):
            nonlocal handle
            assert embedding(1).tobytes() in journal.read_bytes()  # so there is something to do
            # Keeps the blocks in sight once the name is gone.
            handle = open(journal, "rb")  # noqa: SIM115
            real(file)

        monkeypatch.setattr(type(gallery._file), "_pack", pack)
        gallery.forget("Ann")
        assert not journal.exists()
        with handle:
            rest = handle.read()
        assert len(rest) > 4096 and set(rest) == {0}


def test_a_journal_of_a_killed_process_is_overwritten_by_the_next_one(tmp_path):
    path = tmp_path / "gallery.sqlite"
    filled(path, None).close()
    journal = tmp_path / "gallery.sqlite-journal"
    journal.write_bytes(bytes(600) + embedding(1).tobytes())  # cold: its header is zero
    with open(journal, "rb") as handle:
        with Gallery(path, SHA) as gallery:
            assert len(gallery.people()) == 2
        assert not journal.exists()
        assert set(handle.read()) == {0}


def test_other_files_are_searched_and_events_written_anew(tmp_path):
    with filled(tmp_path / "gallery.sqlite", None) as gallery:
        also = tmp_path / "also"
        also.mkdir()
        events = also / "events.jsonl"
        event = '{"schema": 1, "event": "face", "name": "%s"}\n'
        events.write_text(event % "Ann" + event % "Annabel")
        export_people(gallery, also / "people.json")
        db = sqlite3.connect(also / "queue.sqlite")
        db.execute("CREATE TABLE t (text)")
        with db:
            db.execute("INSERT INTO t VALUES (?)", (event % "Ann",))
        db.close()
        done = forget(gallery, ["Ann"], [also])
    assert done.taken == {events: 1} and events.read_text() == event % "Annabel"
    assert {(h.path.name, h.what) for h in done.report.hits} == {
        ("people.json", "the name"), ("people.json", "an embedding"),
        ("queue.sqlite", "the name"),
    }  # fmt: skip
    assert Hit(also / "queue.sqlite", "the name", 1) in done.report.hits
    assert done.report.files == 4


def test_what_waits_in_a_queue_goes_while_it_is_delivered_from(tmp_path):
    path = tmp_path / "queues" / "webhook.queue.sqlite"
    with filled(tmp_path / "gallery.sqlite", None) as gallery:
        queue = DiskQueue(path)
        queue.append([{"event": "arrived", "name": name} for name in ("Ann", "Annabel", "Ann")])
        done = forget(gallery, ["Ann"], [tmp_path / "queues"])
        assert done.taken == {path: 2} and done.report.clean
        assert len(queue) == 1 and "Annabel" in queue.first().text
        queue.close()


@pytest.mark.parametrize(
    ("names", "also", "error"),
    [
        (["Eve"], [], GalleryError),
        (["Ann", "Eve"], [], GalleryError),
        (["Ann"], ["none"], DataError),
    ],
)
def test_what_cannot_be_done_changes_nothing(tmp_path, names, also, error):
    events = tmp_path / "events.jsonl"
    events.write_text('{"schema": 1, "event": "face", "name": "Ann"}\n')
    before = events.read_bytes()
    with filled(tmp_path / "gallery.sqlite", None) as gallery:
        with pytest.raises(error):
            forget(gallery, names, [events, *(tmp_path / a for a in also)])
        assert len(gallery.people()) == 2
    assert events.read_bytes() == before


def test_a_name_that_random_bytes_hold_is_not_taken_for_her(tmp_path):
    cells = [b"xxAnnyy", b"Annabel"]
    name = module.Traces.of("Ann")
    assert module._unexplained(b"..xxAnnyy..Annabel..", name, cells) == 0
    assert module._unexplained(b"..xxAnnyy..Anna..", name, cells) == 1
    assert module._unexplained(b"Ann", name, []) == 1

"""What a search for somebody finds, in whatever spelling and file, and what it passes by."""

import base64
import bz2
import gzip
import json
import lzma
import os
import sqlite3
import tarfile
import zipfile

import numpy as np
import pytest

from edgecnn.errors import DataError
from edgecnn.privacy import traces
from edgecnn.privacy.traces import Hit, Traces, files_of, search


def embedding(seed, dimension=128):
    vector = np.random.default_rng(seed).normal(size=dimension).astype(np.float32)
    return vector / np.linalg.norm(vector)


def hits(path, *wanted):
    """What is found in one file, without its path."""
    report = search([path], wanted)
    assert all(h.path == path for h in report.hits)
    return {h.what: h.count for h in report.hits}


def name_hits(tmp_path, content, name="Zoë Ann"):
    path = tmp_path / "file"
    path.write_bytes(content)
    return hits(path, Traces.of(name)).get("the name", 0)


@pytest.mark.parametrize(
    "content",
    [
        "Zoë Ann", "zoë ann", "ZOË ANN", "by Zoë Ann, today", "Zoe\u0308 Ann", '{"x": "Zoë Ann"}',
        json.dumps({"name": "Zoë Ann"}), r'{"name": "Zo\u00EB Ann"}', "/people/Zo%C3%AB%20Ann",
        "Zoë Ann_1.jpg", "x\nZoë Ann\n",
    ],
)  # fmt: skip
def test_spellings_of_a_name(tmp_path, content):
    assert name_hits(tmp_path, content.encode()) == 1


@pytest.mark.parametrize("content", ["", "Zoë", "Ann", "Zoë Annabel", "Joëzoë ann", "Zoë  Ann"])
def test_what_is_another_name(tmp_path, content):
    assert name_hits(tmp_path, content.encode()) == 0


def test_in_a_binary_file_any_place_counts(tmp_path):
    # SQLite writes one column right behind the other.
    assert name_hits(tmp_path, b"\0\1Zo\xc3\xab Annzo\xc3\xab ann\x7f") == 2
    assert name_hits(tmp_path, b"\0" + "Zoë Ann".encode("utf-16-le")) == 1
    assert name_hits(tmp_path, "Zoë Ann".encode("utf-16-le")) == 1


def test_a_short_name_in_a_binary_file_counts_between_quotes(tmp_path):
    noise = bytes(np.random.default_rng(0).integers(0, 256, 1 << 20, np.uint8))
    assert name_hits(tmp_path, noise + b"Al" + noise, "Al") == 0
    assert name_hits(tmp_path, noise + b'{"name": "Al"}' + noise, "Al") == 1
    assert name_hits(tmp_path, b"Al, who was here", "Al") == 1


@pytest.mark.parametrize("before", [0, 1, 13, 1000])
def test_an_embedding_in_any_place_and_as_an_export_writes_it(tmp_path, before):
    face, other = embedding(1), embedding(2)
    path = tmp_path / "file"
    path.write_bytes(bytes(before) + face.tobytes() + bytes(99))
    assert hits(path, Traces.of("Ann", [face]))["an embedding"] == 4
    assert hits(path, Traces.of("Ann", [other])) == {}
    path.write_bytes(b"x" * before + base64.b64encode(face.tobytes()))
    assert hits(path, Traces.of("Ann", [face]))["an embedding"] >= 4
    assert hits(path, Traces.of("Ann", [other])) == {}


def test_each_is_counted_once_wherever_windows_meet(tmp_path, monkeypatch):
    monkeypatch.setattr(traces, "STEP", 100)
    monkeypatch.setattr(traces, "OVERLAP", 40)
    for at in (*range(0, 300, 10), *range(85, 145)):
        for filler in (b".", b"\0"):
            content = filler * at + b"Zoe Ann" + filler * (400 - at)
            assert name_hits(tmp_path, content, "Zoe Ann") == 1, at
    assert name_hits(tmp_path, b"a" * 139 + b"Zoe Ann", "Zoe Ann") == 0  # "…aZoe Ann"
    assert name_hits(tmp_path, b"Zoe Ann." * 100, "Zoe Ann") == 100


@pytest.mark.parametrize(
    ("end", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
def test_packed_files_are_unpacked(tmp_path, end, pack):
    path = tmp_path / f"events.jsonl.1{end}"
    path.write_bytes(pack(b'{"name": "Ann"}\n' * 3))
    assert hits(path, Traces.of("Ann")) == {"the name": 3}
    path.write_bytes(path.read_bytes()[:-5])
    assert [p for p, _ in search([path], [Traces.of("Ann")]).closed] == [path]


@pytest.mark.parametrize(("end", "how"), [("tgz", "w:gz"), ("tbz2", "w:bz2"), ("txz", "w:xz")])
def test_a_packed_file_is_told_by_its_bytes_and_not_by_its_name(tmp_path, end, how):
    (tmp_path / "events.jsonl").write_bytes(b'{"name": "Ann"}\n' * 3)
    path = tmp_path / f"old.{end}"
    with tarfile.open(path, how) as archive:
        archive.add(tmp_path / "events.jsonl", "events.jsonl")
    assert hits(path, Traces.of("Ann")) == {"the name": 3}


def test_what_is_packed_and_damaged_is_said_and_what_only_looks_so_is_searched(tmp_path):
    packed = gzip.compress(b"Ann " * 1000)
    damaged = tmp_path / "a.bin"
    damaged.write_bytes(packed[:10] + bytes([255]) * 20)
    report = search(files_of([damaged]), [Traces.of("Ann")])
    assert [path for path, _ in report.closed] == [damaged]
    for name, start in (("b.dat", b"\x1f\x8b "), ("c.txt", b"BZh ")):
        (tmp_path / name).write_bytes(start + b"Ann was here")
        assert hits(tmp_path / name, Traces.of("Ann")) == {"the name": 1}


@pytest.mark.parametrize("name", ["people.xlsx", "people.ods", "people.pptx", "people"])
def test_what_is_a_zip_inside_is_said_to_be_closed_whatever_its_name(tmp_path, name):
    with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("sheet.xml", "Ann " * 100)
    report = search(files_of([tmp_path]), [Traces.of("Ann")])
    assert report.closed == [(tmp_path / name, "what it holds is packed")] and not report.clean


def test_a_queue_with_what_was_taken_out_of_it(tmp_path):
    path = tmp_path / "mqtt.queue.sqlite"
    db = sqlite3.connect(path)
    db.execute("PRAGMA secure_delete = OFF")
    db.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, name TEXT, text TEXT)")
    text = json.dumps({"event": "face", "name": "Zenobia"})
    with db:
        db.executemany("INSERT INTO events (name, text) VALUES (?, ?)", [("Zenobia", text)] * 3)
    assert hits(path, Traces.of("Zenobia"))["the name"] == 6
    with db:
        db.execute("DELETE FROM events")
    assert hits(path, Traces.of("Zenobia"))["the name"] == 6  # free, and not overwritten
    db.execute("VACUUM")
    db.close()
    assert hits(path, Traces.of("Zenobia")) == {}


def test_a_folder_with_everything_in_it_and_names_of_files(tmp_path):
    for name in ("Ann/one.jpg", "mann/two.JPG", "deep/er/ann-3.mp4", "notes.txt", "old.zip"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"for Ann" if name == "notes.txt" else b"\0")
    os.symlink(tmp_path / "notes.txt", tmp_path / "link.txt")
    files = files_of([tmp_path])
    assert {str(p.relative_to(tmp_path)) for p in files} == {
        "Ann/one.jpg", "mann/two.JPG", "deep/er/ann-3.mp4", "notes.txt", "old.zip",
    }  # fmt: skip
    report = search(files, [Traces.of("Ann")], [tmp_path])
    path_hit = "the name, in its path"
    assert sorted(report.hits, key=str) == sorted(
        [
            Hit(tmp_path / "Ann/one.jpg", path_hit, 1),
            Hit(tmp_path / "deep/er/ann-3.mp4", path_hit, 1),
            Hit(tmp_path / "notes.txt", "the name", 1),
        ],
        key=str,
    )
    assert report.closed == [(tmp_path / "old.zip", "what it holds is packed")]
    assert (report.files, report.media, report.clean) == (4, 3, False)


def test_the_folders_above_are_nobodys_trace(tmp_path):
    (tmp_path / "Ann").mkdir()
    path = tmp_path / "Ann" / "events.jsonl"
    path.write_bytes(b"x")
    assert hits(path, Traces.of("Ann")) == {}


def test_what_rotation_and_sqlite_leave_beside_a_file_is_meant_too(tmp_path):
    for name in ("e.jsonl", "e.jsonl.1", "e.jsonl.2.gz", "e.jsonl-wal", "e.jsonl.bak", "e2.jsonl"):
        (tmp_path / name).write_bytes(b"")
    assert [p.name for p in files_of([tmp_path / "e.jsonl"])] == [
        "e.jsonl", "e.jsonl.1", "e.jsonl.2.gz", "e.jsonl-wal",
    ]  # fmt: skip
    with pytest.raises(DataError, match="There is no"):
        files_of([tmp_path / "e.jsonl", tmp_path / "none"])


def test_what_cannot_be_searched_is_said(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    report = search(files_of([tmp_path]), [Traces.of("Ann")])
    assert report.closed == [(tmp_path / "pipe", "it is not a file")] and not report.clean
    gone = search([tmp_path / "gone"], [Traces.of("Ann")])
    assert not gone.clean

"""Files of events without some of their lines; and what is too old."""

import json
import os
import stat
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest

from edgecnn.errors import DataError, StorageError
from edgecnn.privacy.forget import take_out
from edgecnn.privacy.lines import is_events, rewrite, writers
from edgecnn.privacy.prune import prune

NOW = datetime(2026, 3, 31, 12, tzinfo=timezone.utc)


def line(name, days=0, **more):
    time = (NOW - timedelta(days=days)).isoformat(timespec="milliseconds")
    event = {"schema": 1, "event": "face", "time": time, "name": name, **more}
    return json.dumps(event, ensure_ascii=False).encode() + b"\n"


def write(path, *lines):
    path.write_bytes(b"".join(lines))
    return path


def names(path):
    return [json.loads(x)["name"] for x in path.read_bytes().splitlines()]


def test_lines_go_and_owner_and_permissions_stay(tmp_path):
    path = write(tmp_path / "e.jsonl", line("Ann"), line("Bob"), line(None), line("Ann"))
    path.chmod(0o640)
    if os.getuid() == 0:
        os.chown(path, 12345, 12346)
    owner = path.stat().st_uid, path.stat().st_gid
    assert rewrite(path, lambda event: event["name"] != "Ann") == 2
    assert path.read_bytes() == line("Bob") + line(None)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert (path.stat().st_uid, path.stat().st_gid) == owner
    assert [p.name for p in tmp_path.iterdir()] == ["e.jsonl"]


def test_a_file_without_any_is_not_touched(tmp_path):
    path = write(tmp_path / "e.jsonl", line("Bob"))
    before = path.stat()
    assert rewrite(path, lambda event: event["name"] != "Ann") == 0
    assert path.stat().st_ino == before.st_ino


def test_lines_that_are_no_event_are_kept(tmp_path):
    others = [b"{half\n", b"[1]\n", b"\xff\xfe\n", b"\n", b"last, without an end"]
    path = write(tmp_path / "e.jsonl", line("Ann"), *others)
    assert rewrite(path, lambda event: event.get("name") != "Ann") == 1
    assert path.read_bytes() == b"".join(others)


def test_only_files_of_events_are_written_anew(tmp_path):
    events = write(tmp_path / "e.jsonl", line("Ann"), line("Annabel"), line("ann"))
    rotated = write(tmp_path / "e.jsonl.1", line("Ann"), line("Ann"))
    notes = write(tmp_path / "notes.jsonl", b'{"name": "Ann"}\n')
    text = write(tmp_path / "text", b"Ann\n")
    assert [is_events(p) for p in (events, rotated, notes, text, tmp_path / "none")] == [
        True, True, False, False, False,
    ]  # fmt: skip
    counts = take_out([events, rotated, notes, text], ["Ann", "Eve"])
    assert counts == {events: 1, rotated: 2}
    assert names(events) == ["Annabel", "ann"] and rotated.read_bytes() == b""
    assert notes.read_bytes() == b'{"name": "Ann"}\n' and text.read_bytes() == b"Ann\n"


def test_accents_joined_or_not_are_one_name(tmp_path):
    path = write(tmp_path / "e.jsonl", line("Zoe\u0308"), line("Zoë"), line(7), line("Zoe"))
    assert take_out([path], ["Zoë"]) == {path: 2}


WRITER = """
import sys
file = open(sys.argv[1], sys.argv[2])
print("open", flush=True)
sys.stdin.read()
"""


class Holds:
    """Another process that has a file open."""

    def __init__(self, path, mode):
        self._child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), mode],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self):
        assert self._child.stdout.readline() == b"open\n"
        return self._child.pid

    def __exit__(self, *error):
        self._child.communicate()


def test_a_file_that_a_camera_writes_to_is_refused_and_no_other_is_changed(tmp_path):
    first = write(tmp_path / "a.jsonl", line("Ann"))
    busy = write(tmp_path / "b.jsonl", line("Ann"))
    before = first.read_bytes()
    with Holds(busy, "a") as pid:
        assert writers(busy) == [pid] and writers(first) == []
        with pytest.raises(StorageError, match=f"written to by process {pid}: stop the camera"):
            take_out([first, busy], ["Ann"])
        with pytest.raises(StorageError, match="stop the camera"):
            rewrite(busy, lambda event: False)
    assert first.read_bytes() == busy.read_bytes() == before
    assert take_out([first, busy], ["Ann"]) == {first: 1, busy: 1}


def test_who_only_reads_a_file_is_not_in_the_way(tmp_path):
    path = write(tmp_path / "e.jsonl", line("Ann"))
    with Holds(path, "r"):
        assert writers(path) == []
        assert take_out([path], ["Ann"]) == {path: 1}


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = write(tmp_path / "e.jsonl", line("Ann"), line("Bob"))
    before = path.read_bytes()

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        rewrite(path, lambda event: event["name"] != "Ann")
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_older_events_and_recordings_go(tmp_path):
    mixed = write(tmp_path / "e.jsonl", line("Ann", 40), line("Bob", 30), line("Cid", 29))
    old = write(tmp_path / "e.jsonl.1", line("Ann", 60), line("Ann", 50))
    timeless = write(
        tmp_path / "t.jsonl",
        b'{"schema": 1, "event": "face"}\n',
        b'{"schema": 1, "event": "face", "time": "soon"}\n',
        b'{"schema": 1, "event": "face", "time": 5}\n',
        b'{"schema": 1, "event": "face", "time": "2020-01-01T00:00:00"}\n',  # of no time zone
    )
    before = timeless.read_bytes()
    files = {}
    for name, days in (("new.mp4", 1), ("old.mp4", 31), ("old.tape", 31), ("old.jpg", 31)):
        files[name] = write(tmp_path / name, b"x")
        at = (NOW - timedelta(days=days)).timestamp()
        os.utime(files[name], (at, at))
    done = prune([tmp_path], timedelta(days=30), NOW)
    assert names(mixed) == ["Bob", "Cid"]  # 30 days to the second are not older
    assert done.lines == {mixed: 1, old: 2} and done.emptied == [old] and not old.exists()
    assert done.recordings == [files["old.mp4"], files["old.tape"]] and done.busy == []
    assert {n for n, p in files.items() if p.exists()} == {"new.mp4", "old.jpg"}
    assert timeless.read_bytes() == before


def test_what_is_being_written_to_is_left_and_said(tmp_path):
    path = write(tmp_path / "e.jsonl", line("Ann", 40))
    video = write(tmp_path / "v.mp4", b"x")
    os.utime(video, (0, 0))
    with Holds(path, "a"), Holds(video, "r+"):
        done = prune([tmp_path], timedelta(days=30), NOW)
    assert done.busy == [path, video] and done.lines == {} and video.exists()
    with pytest.raises(DataError, match="There is no"):
        prune([tmp_path / "none"], timedelta(days=30))

"""The queue on disk: order, bound, one owner, and nothing left of who is forgotten."""

from __future__ import annotations

import json
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edgecnn.errors import StorageError
from edgecnn.events.queue import SUFFIX, DiskQueue, forget


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / f"porch-webhook{SUFFIX}"


@pytest.fixture
def queue(path: Path) -> Iterator[DiskQueue]:
    with closing(DiskQueue(path, limit=5)) as made:
        yield made


def drain(queue: DiskQueue) -> list[int]:
    found = []
    while event := queue.first():
        found.append(json.loads(event.text)["n"])
        queue.done(event.number)
    return found


def test_first_in_first_out(queue: DiskQueue) -> None:
    assert queue.first() is None and len(queue) == 0
    assert queue.append([{"n": 1}, {"n": 2}]) == queue.append([{"n": 3}]) == 0
    assert len(queue) == 3
    assert drain(queue) == [1, 2, 3] and len(queue) == 0


def test_an_event_stays_until_it_is_done_and_keeps_its_key(path: Path) -> None:
    with closing(DiskQueue(path)) as queue:
        queue.append([{"n": 1}, {"n": 2, "name": "张伟"}])
        first = queue.first()
        assert first == queue.first()
    with closing(DiskQueue(path)) as queue:
        assert queue.first() == first
        assert first
        queue.done(first.number)
        second = queue.first()
        assert second and second.key != first.key
        assert second.text == '{"n": 2, "name": "张伟"}'


def test_a_number_is_never_given_twice(path: Path) -> None:
    numbers = []
    for _ in range(3):
        with closing(DiskQueue(path)) as queue:
            queue.append([{"n": 1}])
            event = queue.first()
            assert event
            numbers.append(event.number)
            queue.done(event.number)
    assert len(set(numbers)) == 3


def test_when_it_is_full_the_oldest_give_way(queue: DiskQueue) -> None:
    assert queue.append([{"n": n} for n in range(5)]) == 0
    assert queue.append([{"n": 5}]) == 1
    assert queue.append([{"n": n} for n in range(6, 20)]) == 14
    assert drain(queue) == [15, 16, 17, 18, 19]
    assert queue.append([{"n": 20}]) == 0


def test_it_is_readable_by_its_owner_alone(path: Path, queue: DiskQueue) -> None:
    queue.append([{"n": 1}])
    assert {stat.S_IMODE(p.stat().st_mode) for p in path.parent.iterdir()} == {0o600}


def test_two_do_not_deliver_from_one(path: Path, queue: DiskQueue) -> None:
    with pytest.raises(StorageError, match="another --camera-id or --queue"):
        DiskQueue(path)
    queue.close()
    DiskQueue(path).close()


def test_what_is_no_queue_is_one_line_and_stays(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("no database at all, and longer than a header of SQLite's would be" * 20)
    with pytest.raises(StorageError, match="could not use the queue"):
        DiskQueue(path)
    assert path.read_text().startswith("no database")
    path.unlink()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 7")
    with pytest.raises(StorageError, match="its version is 7, expected 1"):
        DiskQueue(path)


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="could not write"):
        DiskQueue(tmp_path / "file" / f"x{SUFFIX}")


def test_not_a_number_spoils_nothing(queue: DiskQueue) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        queue.append([{"n": 1}, {"n": float("nan")}])
    assert len(queue) == 0
    queue.append([{"n": 2}])
    assert drain(queue) == [2]


def test_a_closed_queue_is_said(queue: DiskQueue) -> None:
    queue.close()
    queue.close()
    with pytest.raises(StorageError, match="is closed"):
        queue.first()


def test_nothing_is_left_of_who_is_forgotten(path: Path, queue: DiskQueue) -> None:
    queue.append([{"n": 0, "name": "Xanthippe"}, {"n": 1, "name": "Bob"}])
    first = queue.first()
    assert first
    queue.done(first.number)  # delivered, and yet in the file
    queue.append([{"n": 2, "name": "Xanthippe"}, {"n": 3, "name": None}])
    assert any(b"Xanthippe" in p.read_bytes() for p in path.parent.iterdir())
    assert forget(path.parent, "Xanthippe") == 1, "while a camera delivers from it"
    assert [p.name for p in path.parent.iterdir() if b"Xanthippe" in p.read_bytes()] == []
    assert drain(queue) == [1, 3]
    assert forget(path.parent, "Xanthippe") == 0
    assert forget(path.parent / "none", "Xanthippe") == 0

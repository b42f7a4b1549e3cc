"""Whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from edgecnn import storage
from edgecnn.errors import DataError, StorageError
from edgecnn.storage import (
    is_filled,
    refuse_taken,
    sha256_of,
    storing,
    whole_file,
    whole_folder,
)


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_hashes_a_file_of_any_size(tmp_path: Path) -> None:
    for content in (b"", b"abc", os.urandom((1 << 20) + 1)):
        (tmp_path / "f").write_bytes(content)
        assert sha256_of(tmp_path / "f") == hashlib.sha256(content).hexdigest()


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.npz"
    with whole_file(path) as draft:
        draft.write_text("x")
        assert draft.suffix == ".npz" and not path.exists()
    assert path.read_text() == "x" and names(path.parent) == ["a.npz"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_private_file_is_private_from_the_start(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a.json", mode=0o600) as draft:
        assert draft.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o600


def test_the_disk_has_the_file_and_then_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced, real = tmp_path / "a.txt", [], os.fsync

    def fsync(handle: int) -> None:
        synced.append((os.fstat(handle).st_ino, path.exists()))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    with whole_file(path) as draft:
        draft.write_text("x")
    assert synced == [(path.stat().st_ino, False), (tmp_path.stat().st_ino, True)]


def test_what_is_of_the_moment_is_whole_and_wears_out_no_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: pytest.fail("the disk was asked to keep it"))
    (tmp_path / "a.json").write_text("old")
    with whole_file(tmp_path / "a.json", lasting=False) as draft:
        draft.write_text("new")
        assert (tmp_path / "a.json").read_text() == "old"
    assert (tmp_path / "a.json").read_text() == "new" and names(tmp_path) == ["a.json"]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_a_file_that_fails_leaves_the_old_one(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(type(error)), whole_file(path) as draft:
        draft.write_text("half")
        raise error
    assert path.read_text() == "old" and names(tmp_path) == ["a.txt"]


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    message = r"could not write .*No space left on device"
    with (
        pytest.raises(StorageError, match=message) as e,
        whole_file(tmp_path / "a.txt") as draft,
    ):
        draft.write_text("half")
        with open("/dev/full", "w") as full:
            full.write("more")
    assert "\n" not in str(e.value) and names(tmp_path) == []


def test_a_place_that_is_no_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="could not write"), whole_file(tmp_path / "file" / "a"):
        pass
    with pytest.raises(StorageError), whole_folder(tmp_path / "file" / "b"):
        pass


def test_our_own_faults_pass_through() -> None:
    with pytest.raises(DataError), storing("x"):
        raise DataError("photos")
    with pytest.raises(StorageError, match=r"^exists$"), storing("x"):
        raise StorageError("exists")


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "new" / "b") as draft:
        (draft / "a").write_text("x")
        assert not (tmp_path / "new" / "b").exists()
    assert names(tmp_path / "new") == ["b"] and names(tmp_path / "new" / "b") == ["a"]
    assert (tmp_path / "new" / "b").stat().st_mode & 0o777 == 0o755


def test_a_folder_that_exists_is_an_error_unless_told(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "old").write_text("")
    with pytest.raises(StorageError, match="exists already"), whole_folder(tmp_path / "b"):
        pass
    with whole_folder(tmp_path / "b", replace=True) as draft:
        (draft / "new").write_text("")
    assert names(tmp_path) == ["b"] and names(tmp_path / "b") == ["new"]


def test_a_folder_gives_way_to_its_like_alone(tmp_path: Path) -> None:
    place = tmp_path / "b"
    refuse_taken(place, False, "mark.json")
    place.mkdir()
    refuse_taken(place, True, "mark.json")
    (place / "photo.jpg").write_text("")
    with pytest.raises(StorageError, match="exists already"):
        refuse_taken(place, False, "mark.json")
    with pytest.raises(StorageError, match=r"has no mark\.json, so it is kept"):
        refuse_taken(place, True, "mark.json")
    (place / "mark.json").write_text("")
    refuse_taken(place, True, "mark.json")
    with pytest.raises(StorageError, match="is a file"):
        refuse_taken(place / "photo.jpg", True, "mark.json")
    with pytest.raises(StorageError, match="is a file"):
        is_filled(place / "photo.jpg")


def test_a_folder_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "old").write_text("")
    with pytest.raises(StorageError), whole_folder(tmp_path / "b", replace=True) as draft:
        (draft / "half").write_text("")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert names(tmp_path) == ["b"] and names(tmp_path / "b") == ["old"]


def test_the_old_folder_comes_back_where_the_last_step_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "old").write_text("")
    rename = os.replace

    def fail_once(source: str, target: str) -> None:
        if Path(target) == tmp_path / "b" and not (Path(source) / "old").exists():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        rename(source, target)

    monkeypatch.setattr(storage.os, "replace", fail_once)
    with pytest.raises(StorageError), whole_folder(tmp_path / "b", replace=True) as draft:
        (draft / "new").write_text("")
    assert names(tmp_path) == ["b"] and names(tmp_path / "b") == ["old"]

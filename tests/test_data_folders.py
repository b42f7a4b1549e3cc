"""A folder per class: what is found, what is refused, who lands on which side."""

from __future__ import annotations

import os
import shutil
import tracemalloc
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from photo_folder import make_photos

from edgecnn.data.folders import PARTS, counts, label_of, list_photos, read_photos, split
from edgecnn.data.photos import list_people
from edgecnn.errors import DataError
from edgecnn.images import Preprocess, read_image

SMALL = Preprocess((8, 8))


def test_lists_visible_files_sorted(tmp_path: Path) -> None:
    root = make_photos(tmp_path / "photos", ("b", "a"), 2)
    for name in ("a/.hidden", "a/Thumbs.db", ".DS_Store"):
        (root / name).write_bytes(b"litter")
    (root / ".git").mkdir()
    assert list_photos(root) == ["a/00.png", "a/01.png", "b/00.png", "b/01.png"]


def test_refuses_a_missing_folder_and_a_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        list_photos(tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="is a file"):
        list_photos(tmp_path / "file")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda root: shutil.rmtree(root / "ant"), "It has 1 (bee)"),
        (lambda root: [shutil.rmtree(root / n) for n in ("ant", "bee")], "It has 0:"),
        (lambda root: (root / "cow").mkdir(), "cow is empty"),
        (lambda root: (root / "a.jpg").write_text(""), "a.jpg lies directly in it"),
        (
            lambda root: [(root / f"{i}.jpg").write_text("") for i in range(5)],
            "0.jpg, 1.jpg, 2.jpg and 2 more lie directly in it",
        ),
        (lambda root: (root / "ant" / "queens").mkdir(), "ant holds folders itself (queens)"),
    ],
    ids=["one class", "no class", "empty class", "loose file", "loose files", "nested"],
)
def test_refuses_another_shape(tmp_path: Path, spoil, words: str) -> None:  # type: ignore[no-untyped-def]
    root = make_photos(tmp_path / "photos", ("ant", "bee"), 1)
    spoil(root)
    with pytest.raises(DataError) as caught:
        list_photos(root)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tiff", ".ppm"])
def test_reads_any_format(tmp_path: Path, suffix: str) -> None:
    root = make_photos(tmp_path, ("a", "b"), 2, suffix=suffix)
    photos = read_photos(root, list_photos(root), SMALL)
    assert photos.pixels.shape == (4, 8, 8, 3) and photos.pixels.dtype == np.uint8
    first = root / photos.names[0]
    assert (photos.pixels[0] == SMALL(read_image(first))).all()
    assert photos.digests[0].decode() == sha256(first.read_bytes()).hexdigest()
    assert photos.skipped == {}


def test_names_the_first_broken_files_and_counts_the_rest(tmp_path: Path) -> None:
    root = make_photos(tmp_path, ("a", "b"), 6)
    for i in range(5):
        (root / f"a/0{i}.png").write_bytes(b"not a picture")
    names = list_photos(root)
    with pytest.raises(DataError) as caught:
        read_photos(root, names, SMALL)
    assert "a/00.png, a/01.png, a/02.png and 2 more" in str(caught.value)
    assert "--skip-broken" in str(caught.value) and "\n" not in str(caught.value)
    photos = read_photos(root, names, SMALL, skip_broken=True)
    assert photos.names == names[5:]
    assert list(photos.skipped) == names[:5]


@pytest.mark.parametrize("keep", [0, 60])
def test_a_cut_off_file_is_broken(tmp_path: Path, keep: int) -> None:
    root = make_photos(tmp_path, ("a", "b"), 3)
    file = root / "a/01.png"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"a/01\.png in .* cannot be read as a picture"):
        read_photos(root, list_photos(root), SMALL)


def test_a_picture_in_two_classes_is_a_fault(tmp_path: Path) -> None:
    root = make_photos(tmp_path, ("a", "b"), 4)
    shutil.copy(root / "a/00.png", root / "b/zz.png")
    names = list_photos(root)
    with pytest.raises(DataError, match=r"a/00\.png and b/zz\.png"):
        read_photos(root, names, SMALL)
    photos = read_photos(root, names, SMALL, skip_broken=True)
    assert set(photos.skipped) == {"a/00.png", "b/zz.png"}
    assert len(photos.names) == len(photos.pixels) == len(photos.digests) == 7


def test_nothing_readable_is_a_fault_even_when_skipping(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / label).mkdir()
        (tmp_path / label / "x.png").write_bytes(b"")
    with pytest.raises(DataError, match="None of its 2 files"):
        read_photos(tmp_path, list_photos(tmp_path), SMALL, skip_broken=True)


def test_reading_reports_every_file(tmp_path: Path) -> None:
    root = make_photos(tmp_path, ("a", "b"), 3)
    seen: list[tuple[int, int]] = []
    read_photos(root, list_photos(root), SMALL, progress=lambda i, n: seen.append((i, n)))
    assert seen == [(i, 6) for i in range(1, 7)]


def names_of(sizes: dict[str, int]) -> tuple[list[str], list[str]]:
    names = [f"{label}/{i}" for label, size in sizes.items() for i in range(size)]
    return names, [sha256(n.encode()).hexdigest() for n in names]


@pytest.mark.parametrize(
    ("size", "expected"),
    [(3, (1, 1, 1)), (4, (2, 1, 1)), (6, (4, 1, 1)), (20, (14, 3, 3)), (100, (70, 15, 15))],
)
def test_split_is_stratified(size: int, expected: tuple[int, int, int]) -> None:
    names, digests = names_of({"a": size, "b": 2 * size})
    parts = split(names, digests, seed=1)
    assert list(parts) == list(PARTS)
    assert tuple(counts(parts)[p]["a"] for p in PARTS) == expected
    assert sorted(n for p in PARTS for n in parts[p]) == sorted(names)


def test_one_long_text_does_not_make_all_of_them_long() -> None:
    texts = [b"%d" % i for i in range(299)] + [b"x" * 1_000_000]
    names = [f"a/{i}" for i in range(300)]
    tracemalloc.start()
    try:
        parts = split(names, np.array(texts, object), seed=0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000
    assert parts == split(names, np.array(texts), seed=0)


def test_split_keeps_at_least_one_for_training() -> None:
    parts = split(*names_of({"a": 3, "b": 4}), seed=0, held_out=0.49)
    assert [counts(parts)[p]["a"] for p in PARTS] == [1, 1, 1]
    assert [counts(parts)[p]["b"] for p in PARTS] == [2, 1, 1]


def test_split_follows_the_seed_and_not_the_order() -> None:
    names, digests = names_of({"a": 30, "b": 30})
    first = split(names, digests, seed=0)
    assert split(names[::-1], digests[::-1], seed=0) == first
    assert split(names, digests, seed=1) != first


def test_copies_stay_together() -> None:
    names, digests = names_of({"a": 20, "b": 20})
    copies = [f"{label_of(n)}/copy-{n[2:]}" for n in names]
    parts = split(names + copies, digests * 2, seed=3)
    for part in PARTS:
        originals = {n for n in parts[part] if "copy" not in n}
        assert {f"{label_of(n)}/copy-{n[2:]}" for n in originals} == set(parts[part]) - originals
    assert counts(parts)["test"]["a"] == 6


@pytest.mark.parametrize("size", [1, 2])
def test_a_class_needs_three_pictures(size: int) -> None:
    with pytest.raises(DataError, match=f"b has {size} picture"):
        split(*names_of({"a": 9, "b": size}), seed=0)


def test_copies_do_not_count_as_pictures() -> None:
    names, digests = names_of({"a": 9, "b": 2})
    with pytest.raises(DataError, match="b has 2 different pictures"):
        split([*names, "b/copy"], [*digests, digests[-1]], seed=0)


@pytest.mark.parametrize("share", [0, 0.5, -1, 2])
def test_refuses_a_share_that_leaves_nothing(share: float) -> None:
    with pytest.raises(DataError, match="held-out"):
        split(*names_of({"a": 9, "b": 9}), seed=0, held_out=share)


@pytest.mark.parametrize("inside", [True, False])
def test_a_name_that_is_not_utf8_is_told_at_once(tmp_path: Path, inside: bool) -> None:
    root = make_photos(tmp_path / "photos", each=3)
    folder = root / list_photos(root)[0].partition("/")[0]
    odd = os.fsencode(folder if inside else root) + b"/k\xe4se"
    os.rename(os.fsencode(next(folder.iterdir()) if inside else folder), odd)
    for listed in (list_photos, list_people):
        with pytest.raises(DataError, match=r"not UTF-8 \(b'k\\xe4se'\): rename it"):
            listed(root)


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("train", ("--task", "images")),  # by default runs/, which is here
        ("train", ("--task", "faces", "--out", "run")),
        ("compare", ("--out", "compared")),
        ("search", ("--for", "raspberry-pi-4", "--budget", "15ms")),
        ("robustness", ("--out", "card")),
        ("data check", ("--out", "checked")),
    ],
)
def test_no_outcome_becomes_a_class(
    command: str, options: tuple[str, ...], tmp_path: Path, edgecnn: Any, monkeypatch: Any
) -> None:
    monkeypatch.chdir(make_photos(tmp_path, ("cat", "dog"), 3))
    places = ("run", ".") if command == "robustness" else (".",)
    code, _, complaint = edgecnn(*command.split(), *places, *options)
    assert code == 2 and "where it would be a class" in complaint and complaint.count("\n") == 1
    assert {entry.name for entry in tmp_path.iterdir()} == {"cat", "dog"}

"""The dataset doctor on real pictures with faults that were planted, and are known."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgecnn.data import aside
from edgecnn.data.alike import groups
from edgecnn.data.check import balance, by_themselves, repeated
from edgecnn.data.folders import list_photos
from edgecnn.data.look import look
from edgecnn.errors import StorageError

skimage = pytest.importorskip("skimage", reason="scikit-image is not installed")
TILE = 96


def tiles() -> list[np.ndarray]:
    """Pieces of public-domain photos in scikit-image's wheel that do not overlap."""
    folder = Path(skimage.__file__).parent / "data"
    found = []
    for name in ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png"):
        if (folder / name).is_file():
            photo = cv2.imread(str(folder / name))
            for top in range(0, photo.shape[0] - TILE + 1, TILE):
                for left in range(0, photo.shape[1] - TILE + 1, TILE):
                    piece = photo[top : top + TILE, left : left + TILE]
                    found.append(piece)
    # Sky and wall are left out: those with the most edges for their contrast are kept.
    greys = [cv2.cvtColor(piece, cv2.COLOR_BGR2GRAY) for piece in found]
    edges = [cv2.Laplacian(grey, cv2.CV_64F).var() / max(1, grey.var()) for grey in greys]
    middle = float(np.median(edges))
    found = [piece for piece, edge in zip(found, edges, strict=True) if edge > middle / 2]
    return found


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """``photos/{left,right}/NN.png``."""
    root = tmp_path / "photos"
    for i, tile in enumerate(tiles()):
        file = root / ("left", "right")[i % 2] / f"{i:02}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), tile)
    assert len(list_photos(root)) >= 20
    return root


def findings(root: Path) -> dict[str, list[Any]]:
    seen = look(root, list_photos(root))
    found: dict[str, list[Any]] = {}
    for finding in [*by_themselves(seen), *repeated(seen, {})]:
        found.setdefault(finding.kind, []).append(finding)
    return found


def test_good_pictures_have_no_faults(photos: Path) -> None:
    assert findings(photos) == {}


def test_what_is_no_picture_is_found(photos: Path) -> None:
    whole = (photos / "left" / "00.png").read_bytes()
    planted = {
        "empty.jpg": b"", "text.png": b"not a picture", "cut.png": whole[: len(whole) // 2],
        "head.png": whole[:30],
    }  # fmt: skip
    for name, content in planted.items():
        (photos / "left" / name).write_bytes(content)
    found = findings(photos)
    assert {f.name for f in found.pop("broken")} == {f"left/{name}" for name in planted}
    assert found == {}


def test_tiny_flat_and_blurred_ones_are_found(photos: Path) -> None:
    good = cv2.imread(str(photos / "right" / "01.png"))
    cv2.imwrite(str(photos / "right" / "tiny.png"), cv2.resize(good, (12, 12)))
    cv2.imwrite(str(photos / "right" / "flat.png"), np.full((96, 96, 3), 90, np.uint8))
    cv2.imwrite(str(photos / "right" / "soft.png"), cv2.GaussianBlur(good, (0, 0), 6))
    found = findings(photos)
    assert [f.name for f in found["tiny"]] == ["right/tiny.png"]
    assert "12×12 pixels, the others about 96" in found["tiny"][0].told
    assert [f.name for f in found["flat"]] == ["right/flat.png"]
    assert [f.name for f in found["blurred"]] == ["right/soft.png"]


COPIES: dict[str, Callable[[np.ndarray], tuple[str, np.ndarray, list[int]]]] = {
    "saved again": lambda p: (".jpg", p, [cv2.IMWRITE_JPEG_QUALITY, 40]),
    "smaller": lambda p: (".png", cv2.resize(p, (64, 64), interpolation=cv2.INTER_AREA), []),
    "larger": lambda p: (".png", cv2.resize(p, (150, 150)), []),
    "brighter": lambda p: (".png", np.clip(p * 1.1 + 6, 0, 255).astype(np.uint8), []),
    "grey": lambda p: (".png", cv2.cvtColor(cv2.cvtColor(p, cv2.COLOR_BGR2GRAY),
                                            cv2.COLOR_GRAY2BGR), []),
}  # fmt: skip


@pytest.mark.parametrize("how", COPIES)
def test_copies_are_found_however_they_were_made(how: str, photos: Path) -> None:
    planted = set()
    for file in sorted(photos.glob("*/*.png"))[:10]:
        suffix, copy, options = COPIES[how](cv2.imread(str(file)))
        cv2.imwrite(str(file.with_name(f"{file.stem}z{suffix}")), copy, options)
        planted.add(f"{file.parent.name}/{file.stem}z{suffix}")
    assert {f.name for f in findings(photos)["near-duplicate"]} == planted


def test_the_same_pixels_in_another_file_are_a_duplicate(photos: Path) -> None:
    shutil.copy(photos / "left" / "00.png", photos / "left" / "zz.png")
    picture = cv2.imread(str(photos / "left" / "02.png"))
    cv2.imwrite(str(photos / "left" / "zy.png"), picture, [cv2.IMWRITE_PNG_COMPRESSION, 0])
    found = findings(photos)
    assert {(f.name, f.like) for f in found.pop("duplicate")} == {
        ("left/zz.png", "left/00.png"), ("left/zy.png", "left/02.png"),
    }  # fmt: skip
    assert found == {}


def test_one_picture_in_two_classes_and_two_parts_is_said(photos: Path) -> None:
    shutil.copy(photos / "left" / "00.png", photos / "right" / "zz.png")
    seen = look(photos, list_photos(photos))
    parts = {"left/00.png": "train", "right/zz.png": "test"}
    (found,) = repeated(seen, parts)
    assert (found.kind, found.parts) == ("two classes", ("test", "train"))
    assert "one of the labels is wrong; one would be in test, the other in train" in found.told


def test_small_pictures_that_look_alike_are_not_the_same() -> None:
    from edgecnn.data.look import _of_picture

    rng = np.random.default_rng(0)
    digit = rng.integers(0, 256, (8, 8, 1), np.uint8).repeat(3, axis=2)
    other = digit.copy()
    other[0, 0] ^= 4
    assert groups([_of_picture("a/1", "", digit), _of_picture("a/2", "", other)]) == ([], [])
    same, near = groups([_of_picture("a/1", "", digit), _of_picture("b/2", "", digit.copy())])
    assert [[s.name for s in group] for group in same] == [["a/1", "b/2"]] and near == []


def test_uneven_classes_are_said(photos: Path) -> None:
    for file in sorted((photos / "right").iterdir())[1:]:
        file.unlink()
    counts, told = balance(look(photos, list_photos(photos)))
    assert counts["right"] == 1 and counts["left"] >= 10
    assert "add some of right" in told


def test_moved_aside_is_recorded_and_nothing_is_lost(photos: Path, tmp_path: Path) -> None:
    before = {p.name: p.read_bytes() for p in photos.glob("*/*")}
    chosen = [("left/00.png", "blurred", "soft"), ("right/01.png", "broken", "no"),
              ("left/00.png", "duplicate", "twice")]  # fmt: skip
    assert aside.move(photos, tmp_path / "aside", chosen) == 2
    after = {p.name: p.read_bytes() for p in (*photos.glob("*/*"), *tmp_path.glob("aside/*/*"))}
    assert after == before
    lines = (tmp_path / "aside" / aside.RECORD).read_text().splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["left/00.png", "right/01.png"]
    assert aside.move(photos, tmp_path / "aside", chosen) == 0, "they are gone already"
    shutil.copy(photos / "left" / "02.png", photos / "left" / "00.png")
    with pytest.raises(StorageError, match="is there already"):
        aside.move(photos, tmp_path / "aside", chosen)
    with pytest.raises(StorageError, match="outside"):
        aside.move(photos, photos / "aside", chosen)


def test_the_command_shows_asks_and_moves(photos: Path, tmp_path: Path, edgecnn: Any) -> None:
    (photos / "left" / "text.png").write_bytes(b"not a picture")
    shutil.copy(photos / "left" / "00.png", photos / "left" / "zz.png")
    command = ["data", "check", str(photos), "--out", str(tmp_path / "out"), "--no-labels"]
    code, said, _ = edgecnn(*command)
    assert code == 0 and "broken" in said and "duplicate" in said
    page = (tmp_path / "out" / "check.html").read_text()
    assert "left/zz.png" in page and "http" not in page and page.count("data:image/png") == 2
    fix = [*command, "--fix", str(tmp_path / "aside"), "--yes", "duplicate"]
    code, said, _ = edgecnn(*fix)
    assert code == 0 and "moved 1 to" in said
    assert (tmp_path / "aside" / "left" / "zz.png").is_file()
    assert (photos / "left" / "text.png").is_file(), "not confirmed"
    for wrong, words in (
        (["--yes", "duplicate"], "name a side folder by --fix"),
        (["--fix", str(tmp_path / "b"), "--yes", "ugly"], "expected kinds out of broken"),
    ):
        code, _, complaint = edgecnn(*command, *wrong)
        assert code == 2 and words in complaint
    code, _, complaint = edgecnn("data", "check", str(photos), "--out", str(photos / "out"))
    assert code == 2 and "outside" in complaint


SHARED = Path(os.environ.get("EDGECNN_SHARED_DATA", "../shared/data"))


@pytest.mark.data
def test_recall_and_precision_on_hundreds_of_photos(tmp_path: Path) -> None:
    """At least 95 % each for duplicates and broken files."""
    import zipfile

    rng = random.Random(0)
    with zipfile.ZipFile(SHARED / "scenes" / "scenes.zip") as archive:
        names = [n for n in sorted(archive.namelist()) if not n.endswith("/")]
        for k, name in enumerate(rng.sample(names, 600)):
            folder = tmp_path / "photos" / ("a", "b")[k % 2]
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{k:03}{Path(name).suffix}").write_bytes(archive.read(name))
    files = sorted((tmp_path / "photos").glob("*/*"))
    copied, broken = rng.sample(files, 60), set()
    planted = set()
    for k, file in enumerate(copied):
        suffix, copy, options = list(COPIES.values())[k % len(COPIES)](cv2.imread(str(file)))
        target = file.with_name(f"{file.stem}z{suffix}")
        cv2.imwrite(str(target), copy, options)
        planted.add(f"{target.parent.name}/{target.name}")
    for file in rng.sample(sorted(set(files) - set(copied)), 40):
        content = file.read_bytes()
        file.write_bytes(content[: int(len(content) * rng.uniform(0, 0.6))])
        broken.add(f"{file.parent.name}/{file.name}")
    found = findings(tmp_path / "photos")
    again = {
        f.name for k in ("duplicate", "near-duplicate", "two classes") for f in found.get(k, [])
    }
    lost = {f.name for f in found["broken"]}
    print(f"copies: {len(again & planted)} of {len(planted)}, {len(again - planted)} others")
    print(f"broken: {len(lost & broken)} of {len(broken)}, {len(lost - broken)} others")
    hits = len(again & planted)
    assert hits >= 0.95 * len(planted) and hits >= 0.95 * len(again)
    assert len(lost & broken) >= 0.95 * len(broken) and lost <= broken


def test_a_place_that_is_no_folder_is_told_before_the_work(photos: Path, edgecnn: Any) -> None:
    taken = photos.parent / "a-file"
    taken.write_text("mine")
    code, _, complaint = edgecnn("data", "check", photos, "--out", taken, "--no-labels")
    assert code == 2 and "could not write" in complaint and taken.read_text() == "mine"

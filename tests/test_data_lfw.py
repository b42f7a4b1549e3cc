"""Reading LFW's pairs and faces."""

from __future__ import annotations

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecnn.data import lfw
from edgecnn.errors import DataError

PAIRS = "1\t2\nAnn\t1\t2\nBob\t1\t3\nAnn\t1\tBob\t2\nBob\t3\tCy\t10\n"


def test_read_pairs(tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text(PAIRS)
    assert lfw.read_pairs(tmp_path) == [
        ("Ann/Ann_0001.jpg", "Ann/Ann_0002.jpg", True),
        ("Bob/Bob_0001.jpg", "Bob/Bob_0003.jpg", True),
        ("Ann/Ann_0001.jpg", "Bob/Bob_0002.jpg", False),
        ("Bob/Bob_0003.jpg", "Cy/Cy_0010.jpg", False),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PAIRS[:-20], "expected"),
        ("", "expected LFW's pairs.txt"),
        ("1 2\nAnn one two\n", "expected LFW's pairs.txt"),
        (PAIRS.removesuffix("Bob\t3\tCy\t10\n"), "expected 4 pairs"),
    ],
)
def test_broken_pairs(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "pairs.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        lfw.read_pairs(tmp_path)


def test_indices() -> None:
    files, indices, same = lfw.files_and_indices([("b", "a", True), ("a", "c", False)])
    assert (files, indices.tolist(), same.tolist()) == (
        ["a", "b", "c"],
        [[1, 0], [0, 2]],
        [True, False],
    )


@pytest.mark.parametrize("zipped", [False, True])
def test_faces(tmp_path: Path, zipped: bool) -> None:
    face = np.full((112, 112, 3), (10, 20, 200), np.uint8)
    data = cv2.imencode(".png", face)[1].tobytes()
    if zipped:
        with zipfile.ZipFile(tmp_path / "faces.zip", "w") as z:
            z.writestr("Ann/Ann_0001.jpg", data)
    else:
        (tmp_path / "Ann").mkdir()
        (tmp_path / "Ann/Ann_0001.jpg").write_bytes(data)
    faces = lfw.Faces(tmp_path)
    assert (faces["Ann/Ann_0001.jpg"] == face).all()
    with pytest.raises(DataError, match=r"Bob.* is labelled, but cannot be read in"):
        faces["Bob/Bob_0001.jpg"]


def test_no_faces(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="aligned faces"):
        lfw.Faces(tmp_path)


@pytest.mark.data
def test_the_real_protocol(shared_data: Path) -> None:
    pairs = lfw.read_pairs(shared_data / "lfw")
    files, indices, same = lfw.files_and_indices(pairs)
    assert (len(files), indices.shape, same.sum()) == (7701, (6000, 2), 3000)
    assert lfw.Faces(shared_data / "lfw")[files[0]].shape == (112, 112, 3)

"""Scenes read and split; training pictures whose labels move with the faces."""

from __future__ import annotations

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from scene_folder import draw_face, make_scenes, write_csv

from edgecnn.data.mosaic import (
    KINDS,
    RARE,
    Composer,
    mirror,
    move_faces,
    rarity,
    settle,
)
from edgecnn.data.scenes import COLUMNS, read_scenes, split_scenes
from edgecnn.data.spoil import spoil, texture
from edgecnn.errors import DataError


def test_a_folder_and_a_zip_read_alike(tmp_path: Path) -> None:
    labels = make_scenes(tmp_path / "folder", 8, people=4)
    folder = read_scenes(tmp_path / "folder")
    (tmp_path / "zipped").mkdir()
    with zipfile.ZipFile(tmp_path / "zipped" / "scenes.zip", "w") as archive:
        for name in folder.names:
            archive.write(tmp_path / "folder" / name, name)
    for table in ("boxes.csv", "people.csv"):
        (tmp_path / "zipped" / table).write_bytes((tmp_path / "folder" / table).read_bytes())
    zipped = read_scenes(tmp_path / "zipped")
    assert folder.names == zipped.names == tuple(f"{k:03}.png" for k in range(8))
    assert folder.people == zipped.people
    for name, label in zip(folder.names, labels, strict=True):
        np.testing.assert_allclose(folder.faces[name], label, atol=0.011)
        np.testing.assert_array_equal(folder.faces[name], zipped.faces[name])
    assert folder.faces["003.png"].shape == (0, 14)
    assert [i.shape for i in zipped.read(["000.png", "005.png"])] == [(96, 128, 3)] * 2


def test_tables_that_excel_saved(tmp_path: Path) -> None:
    make_scenes(tmp_path, 8, people=4)
    plain = read_scenes(tmp_path)
    for table in ("boxes.csv", "people.csv"):
        content = (tmp_path / table).read_bytes()
        (tmp_path / table).write_bytes(b"\xef\xbb\xbf" + content)
    marked = read_scenes(tmp_path)
    assert marked.people == plain.people
    for name in plain.names:
        np.testing.assert_array_equal(marked.faces[name], plain.faces[name])


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (["none.png", *[1.0] * 14], "not among the"),
        (["000.png", *["x"] * 14], "finite numbers"),
        (["000.png", 1, 1, 0, *[1.0] * 11], "above 0"),
        (["000.png", "nan", *[1.0] * 13], "finite numbers"),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, row: list[object], says: str) -> None:
    make_scenes(tmp_path, 2)
    write_csv(tmp_path / "boxes.csv", ["file", *COLUMNS], [row])
    with pytest.raises(DataError, match=rf"line 2.*{says}"):
        read_scenes(tmp_path)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"scenes\.zip or photos"):
        read_scenes(tmp_path)
    make_scenes(tmp_path, 2)
    write_csv(tmp_path / "boxes.csv", ["file", "x"], [])
    with pytest.raises(DataError, match="lacks the columns y, w"):
        read_scenes(tmp_path)
    write_csv(tmp_path / "boxes.csv", ["file", *COLUMNS], [])
    with pytest.raises(DataError, match="has no rows"):
        read_scenes(tmp_path)
    (tmp_path / "boxes.csv").unlink()
    with pytest.raises(DataError, match="cannot be read"):
        read_scenes(tmp_path)
    (tmp_path / "scenes.zip").write_bytes(b"PK cut off")
    with pytest.raises(DataError, match="not a readable zip file"):
        read_scenes(tmp_path)


def test_photo_that_is_damaged_or_gone_is_named(tmp_path: Path) -> None:
    make_scenes(tmp_path, 2)
    archive = tmp_path / "scenes.zip"
    with zipfile.ZipFile(archive, "w") as photos:
        for name in ("000.png", "001.png"):
            photos.write(tmp_path / name, name)
            (tmp_path / name).unlink()
    scenes, whole = read_scenes(tmp_path), bytearray(archive.read_bytes())
    assert len(scenes.read(["000.png", "001.png"])) == 2
    whole[whole.index(b"IDAT") + 20] ^= 0xFF
    archive.write_bytes(whole)
    with pytest.raises(DataError, match=r"^000\.png is labelled, but .*scenes\.zip \(Bad CRC"):
        scenes.read(["000.png"])
    archive.unlink()
    with pytest.raises(DataError, match=r"^001\.png is labelled, but .*No such file"):
        scenes.read(["001.png"])


def test_labels_that_show_no_face_are_left_out(tmp_path: Path) -> None:
    make_scenes(tmp_path, 8)
    table, scenes = tmp_path / "not-faces.csv", read_scenes(tmp_path)
    x0, y0, x1, y1 = scenes.faces["002.png"][1, :4].astype(float)
    box = [round(v, 2) for v in (x0, y0, x1 - x0, y1 - y0)]
    write_csv(table, ["file", "x", "y", "w", "h", "shows"], [["002.png", *box, "a lamp"]])
    left = scenes.without(table)
    np.testing.assert_array_equal(left.faces["002.png"], scenes.faces["002.png"][:1])
    assert [len(left.scores[n]) for n in left.names] == [len(left.faces[n]) for n in left.names]
    assert sum(map(len, left.faces.values())) == sum(map(len, scenes.faces.values())) - 1
    for row in (["002.png", *box[:3], box[3] + 1], ["none.png", *box], ["002.png", *box[:3], "x"]):
        write_csv(table, ["file", *COLUMNS[:4]], [["002.png", *box], row])
        with pytest.raises(DataError, match=rf"line 3.*no such box of {row[0]}"):
            scenes.without(table)
    table.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        scenes.without(table)


@pytest.mark.parametrize("people", [0, 12])
def test_a_split_is_whole_and_keeps_people_apart(tmp_path: Path, people: int) -> None:
    make_scenes(tmp_path, 60, people=people)
    scenes = read_scenes(tmp_path)
    parts = split_scenes(scenes, seed=3)
    assert parts == split_scenes(scenes, seed=3) != split_scenes(scenes, seed=4)
    assert sorted(n for names in parts.values() for n in names) == list(scenes.names)
    assert len(parts["test"]) >= 12
    assert len(parts["validation"]) >= 6
    if people:
        owners = [{scenes.people[n] for n in names} for names in parts.values()]
        assert sum(map(len, owners)) == people


def test_too_few_scenes_to_split(tmp_path: Path) -> None:
    make_scenes(tmp_path, 9, people=2)
    with pytest.raises(DataError, match="9 photos of 2 people"):
        split_scenes(read_scenes(tmp_path), 0)


def test_mirror_swaps_sides_and_undoes_itself() -> None:
    image = np.zeros((60, 80, 3), np.uint8)
    label = draw_face(image, (30, 30), 40)[None]
    flipped, there = mirror(image, label)
    assert there[0, 4] < there[0, 6]
    assert there[0, 10] < there[0, 12]
    np.testing.assert_allclose(
        there[0, :4], [80 - label[0, 2], label[0, 1], 80 - label[0, 0], label[0, 3]]
    )
    again, back = mirror(flipped, there)
    np.testing.assert_array_equal(again, image)
    np.testing.assert_allclose(back, label, atol=1e-5)


def test_moved_faces_by_hand() -> None:
    label = np.array([[10, 20, 30, 60, *range(10)]], np.float32)
    double = np.array([[2, 0, 1], [0, 2, -1]], np.float32)
    expected = [[21, 39, 61, 119, 1, 1, 5, 5, 9, 9, 13, 13, 17, 17]]
    np.testing.assert_allclose(move_faces(label, double), expected)
    quarter = np.array([[0, -1, 0], [1, 0, 0]], np.float32)
    np.testing.assert_allclose(move_faces(label, quarter)[0, :4], [-60, 10, -20, 30])
    assert move_faces(label[:0], double).shape == (0, 14)


def test_settle_counts_whole_faces_and_ignores_parts_of_them() -> None:
    label = np.zeros((4, 14), np.float32)
    label[:, :4] = [[10, 10, 50, 50], [-20, 0, 20, 40], [90, 0, 130, 40], [0, 0, 5, 5]]
    faces, ignore = settle(label, (100, 80))
    np.testing.assert_array_equal(faces, label[:1])
    np.testing.assert_array_equal(ignore, [[0, 0, 20, 40], [90, 0, 100, 40], [0, 0, 5, 5]])


def test_labels_that_are_not_sure_are_neither_learnt_nor_unlearnt(tmp_path: Path) -> None:
    label = make_scenes(tmp_path, 3)[2]
    box = [*label[0][:2], *(label[0][2:4] - label[0][:2]), *label[0][4:]]
    rows = [["002.png", *map(float, box), s] for s in (0.95, 0.5, "")]
    write_csv(tmp_path / "boxes.csv", ["file", *COLUMNS, "score"], rows)
    scenes = read_scenes(tmp_path)
    np.testing.assert_array_equal(scenes.scores["002.png"], np.float32([0.95, 0.5, 1]))
    assert np.isfinite(scenes.faces["002.png"]).all()  # what is measured by
    learnt = scenes.to_learn("002.png")
    assert np.isnan(learnt).sum(axis=1).tolist() == [0, 10, 0]
    faces, ignore = settle(learnt, (128, 96))
    assert len(faces) == 2
    np.testing.assert_allclose(ignore, label[:1, :4], atol=0.011)
    assert (rarity(learnt, 128) > 0).tolist() == [True, False, True]

    composer = Composer(scenes.read(["002.png"]), [learnt], (160, 128))
    rng = np.random.default_rng(4)
    for kind in KINDS:
        made = composer(rng, kind)
        assert np.isfinite(made.faces).all() and np.isfinite(made.ignore).all()
    with pytest.raises(DataError, match="has a face"):
        Composer(scenes.read(["002.png"]), [learnt[1:2]], (160, 128))


@pytest.mark.parametrize("kind", [*KINDS])
def test_labels_of_training_pictures_stay_on_the_faces(kind: str) -> None:
    image = np.zeros((90, 120, 3), np.uint8)
    label = draw_face(image, (60, 45), 60)[None]
    composer = Composer([image, image], [label, label[:0]], (160, 128))
    rng = np.random.default_rng(2)
    count = 0
    for _ in range(12):
        made = composer(rng, kind)
        assert made.image.shape == (128, 160, 3)
        assert made.image.dtype == np.uint8
        count += len(made.faces)
        for face in made.faces:
            assert (face[:2] < face[2:4]).all()
            assert face[4] < face[6]  # the left eye of the picture stays left up to 30 degrees
    assert (count == 0) == (kind == "empty")


def test_a_moved_face_is_where_its_label_says() -> None:
    image = np.full((90, 120, 3), 60, np.uint8)
    label = draw_face(image, (60, 45), 60)[None]
    label[0, 8:10] = 60, 45
    image[43:47, 58:62] = (0, 255, 0)
    composer = Composer([image], [label], (160, 128))
    rng = np.random.default_rng(0)
    for _ in range(20):
        tile = composer._tile(rng, (160, 128), 50, 100)
        green = (tile.image[..., 1] > 150) & (tile.image[..., 2] < 90) & (tile.image[..., 0] < 90)
        if green.sum() < 8 or not len(tile.faces):
            continue
        y, x = np.nonzero(green)
        mark = tile.faces[0, 8:10]
        away = np.hypot(x + 0.5 - mark[0], y + 0.5 - mark[1])
        assert away.min() < 1.5


def test_the_same_seed_makes_the_same_picture() -> None:
    image = texture(np.random.default_rng(1), (100, 80))
    label = draw_face(image, (50, 40), 40)[None]
    composer = Composer([image], [label], (96, 80), [image])
    a, b = (composer(np.random.default_rng(7), "mosaic") for _ in range(2))
    np.testing.assert_array_equal(a.image, b.image)
    np.testing.assert_array_equal(a.faces, b.faces)


def test_profiles_and_small_faces_are_rare() -> None:
    image = np.zeros((400, 400, 3), np.uint8)
    plain = draw_face(image, (100, 100), 80)
    profile, small = plain.copy(), draw_face(image, (300, 300), 30)
    profile[8] += 0.3 * 80
    found = rarity(np.array([plain, profile, small]), 400)
    np.testing.assert_allclose(found, [1, RARE, RARE])
    assert rarity(plain[None][:0], 400).shape == (0,)


def test_spoiling_keeps_the_shape() -> None:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((130, 140, 3)).astype(np.float32)
    image = cv2.resize(texture(rng, (40, 30)), (70, 60))
    for _ in range(40):
        spoilt = spoil(image, rng, noise)
        assert (spoilt.shape, spoilt.dtype) == (image.shape, np.uint8)


def test_a_composer_wants_a_face() -> None:
    with pytest.raises(DataError, match="none of 1 photos has a face"):
        Composer([np.zeros((9, 9, 3), np.uint8)], [np.zeros((0, 14), np.float32)], (96, 80))


@pytest.mark.data
def test_the_research_scenes(shared_data: Path) -> None:
    scenes = read_scenes(shared_data / "scenes")
    assert len(scenes.names) == 3200
    assert sum(len(f) for f in scenes.faces.values()) == 3516
    parts = split_scenes(scenes, 0)
    owners = [{scenes.people[n] for n in names} for names in parts.values()]
    assert sum(map(len, owners)) == 295
    assert len(parts["test"]) >= 640

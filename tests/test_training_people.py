"""The faces task: folders of photos to a gallery, with every photo's fate and a leave-one-out."""

import json

import face_doubles as fake
import numpy as np
import pytest
from face_doubles import ANN, BOB, CID, scene

from edgecnn.data.photos import list_people
from edgecnn.errors import DataError, StorageError
from edgecnn.faces.embed import fingerprint
from edgecnn.faces.gallery import Gallery, Sample
from edgecnn.training.people import DEFAULTS, confusable, leave_one_out, train


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    return fake.bundle(tmp_path / "bundle", monkeypatch)


@pytest.fixture
def data(tmp_path):
    """Ann and Bob with four good photos each, and others; Cid with none that can be used."""
    for i in range(4):
        fake.save(tmp_path / "photos" / "Ann" / f"{i}.png", fake.portrait(ANN, i))
        fake.save(tmp_path / "photos" / "Bob" / f"{i}.png", fake.portrait(BOB, 10 + i))
    fake.save(tmp_path / "photos" / "Ann" / "bob.png", fake.portrait(BOB, 20))
    fake.save(tmp_path / "photos" / "Ann" / "copy.png", fake.portrait(ANN, 0))
    fake.save(tmp_path / "photos" / "Cid" / "empty.png", scene())
    (tmp_path / "photos" / "Cid" / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "photos" / ".hidden").mkdir()
    return tmp_path / "photos"


def test_a_folder_of_photos_becomes_a_gallery(bundle, data, tmp_path):
    told = []
    settings = {**DEFAULTS, "bundle": str(bundle.path)}
    run = train(data, tmp_path / "run", settings, progress=lambda *call: told.append(call))
    fates = run.split["photos"]
    assert {f: fate.partition(":")[0] for f, fate in fates["Ann"].items()} == {
        **{f"{i}.png": "used" for i in range(4)},
        "bob.png": "someone else",
        "copy.png": "duplicate",
    }
    assert [fate.partition(":")[0] for fate in fates["Cid"].values()] == ["unreadable", "no face"]
    with Gallery(run.path / "gallery.sqlite", fingerprint(bundle)) as gallery:
        assert [(p.name, p.embeddings) for p in gallery.people()] == [("Ann", 4), ("Bob", 4)]
    metrics = run.metrics
    assert (metrics["people"], metrics["photos"], metrics["photos_used"]) == (2, 12, 8)
    assert metrics["leave_one_out_right"] == 8 and metrics["leave_one_out_accuracy"] == 1
    assert metrics["left_out"] == ["Cid"] and metrics["weak"] == {} and metrics["confused"] == []
    assert metrics["fates"]["used"] == 8
    assert run.facts["labels"] == ["Ann", "Bob"]
    assert run.facts["embedder_sha256"] == fingerprint(bundle)
    assert told[-1] == ("photos", 12, 12, {"used": 10.0})
    page = (run.path / "report.html").read_text("utf-8")
    for words in ("Ann", "recognised by the others", "looks like Bob", "Cid: no usable photo"):
        assert words in page


def test_where_nobody_can_be_used_the_run_tells_why(bundle, tmp_path):
    fake.save(tmp_path / "photos" / "Ann" / "a.png", scene())
    settings = {**DEFAULTS, "bundle": str(bundle.path)}
    with pytest.raises(DataError, match=r"1 no face.*one sharp face"):
        train(tmp_path / "photos", tmp_path / "run", settings)
    assert not (tmp_path / "run" / "gallery.sqlite").exists()
    assert (
        "no face"
        in json.loads((tmp_path / "run" / "split.json").read_text())["photos"]["Ann"]["a.png"]
    )
    fake.save(tmp_path / "photos" / "Ann" / "b.png", fake.portrait(ANN))
    run = train(tmp_path / "photos", tmp_path / "run", settings, resume=True)
    assert run.metrics["leave_one_out_alone"] == 1
    assert run.metrics["leave_one_out_accuracy"] is None
    assert run.metrics["weak"] == {"Ann": "0 of 1 photos recognised by the others"}
    with pytest.raises(StorageError, match="is complete"):
        train(tmp_path / "photos", tmp_path / "run", settings, resume=True)


def unit(*values):
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


def test_leave_one_out_by_hand():
    samples = [
        Sample("Ann", unit(1, 0, 0)),
        Sample("Ann", unit(1, 1, 0)),
        Sample("Ann", unit(0, 1, 0.1)),
        Sample("Bob", unit(0, 0, 1)),
        Sample("Cid", unit(0, 0.2, 1)),
    ]
    checks = leave_one_out(samples, 0.5)
    # Ann's first against the mean of (1,1,0)/√2 and (0,1,0.1): (0.7071, 1.7021, 0.0995) / 1.8459.
    assert checks[0].own == pytest.approx(0.383, abs=1e-3)
    assert checks[0].other == pytest.approx(0, abs=1e-6)
    assert [c.answer for c in checks] == ["unknown", "right", "unknown", "wrong", "wrong"]
    assert (checks[3].own, checks[3].nearest) == (None, "Cid")
    assert leave_one_out(samples[:1], 0.5)[0].answer == "alone"
    assert leave_one_out([], 0.5) == []


def test_confusable_people_most_alike_first():
    samples = [Sample("Ann", unit(1, 0)), Sample("Bob", unit(1, 1)), Sample("Cid", unit(1, 0.9))]
    assert [pair[:2] for pair in confusable(samples)] == [
        ("Bob", "Cid"),
        ("Ann", "Cid"),
        ("Ann", "Bob"),
    ]
    assert confusable(samples[:1]) == []


def test_people_and_their_files_in_order(tmp_path):
    for name in ("Bob/2.png", "Bob/1.png", " Ann/x.png", "Ann2/.hidden", "Ann2/y.png"):
        fake.save(tmp_path / "Bob" / "x.png", scene()).unlink()
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    people = list_people(tmp_path)
    assert {name: [f.name for f in files] for name, files in people.items()} == {
        "Ann": ["x.png"],
        "Ann2": ["y.png"],
        "Bob": ["1.png", "2.png"],
    }


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "It is empty"),
        (["Ann/a.png", "b.png"], r"b\.png the first: move each"),
        (["Ann/2026/a.png"], "holds folders itself, 2026"),
        (["Ann/.hidden"], "Ann is empty"),
        (["Ann/a.png", "ann/a.png"], "are one name"),
        (["unknown/a.png"], "cannot be a person"),
    ],
)
def test_folders_in_the_wrong_shape(tmp_path, files, message):
    for name in files:
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(b"")
    (tmp_path / "photos").mkdir(exist_ok=True)
    with pytest.raises(DataError, match=message):
        list_people(tmp_path / "photos")


def test_no_folder(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for name, what in (("none", "does not exist"), ("file", "is a file")):
        with pytest.raises(DataError, match=what):
            list_people(tmp_path / name)


def test_confused_people_are_reported(bundle, tmp_path):
    for i in range(3):
        fake.save(tmp_path / "photos" / "Cid" / f"{i}.png", fake.portrait(CID, i))
        fake.save(tmp_path / "photos" / "Cid2" / f"{i}.png", fake.portrait(CID, 10 + i))
    settings = {**DEFAULTS, "bundle": str(bundle.path)}
    run = train(tmp_path / "photos", tmp_path / "run", settings)
    assert [pair[:2] for pair in run.metrics["confused"]] == [["Cid", "Cid2"]]
    assert "look like one person" in (run.path / "report.html").read_text("utf-8")

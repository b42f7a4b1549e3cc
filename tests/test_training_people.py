"""The faces task: folders of photos to a gallery, with every photo's fate and a leave-one-out."""

import dataclasses
import json

import cv2
import face_doubles as fake
import numpy as np
import pytest
from face_doubles import ANN, BOB, CID, scene

from edgecnn.bundle import COHORT, MANIFEST, Bundle
from edgecnn.data.photos import list_people
from edgecnn.errors import DataError, StorageError
from edgecnn.faces import fit_adaptation
from edgecnn.faces.adapt import Adaptation
from edgecnn.faces.cohort import Cohort
from edgecnn.faces.embed import fingerprint
from edgecnn.faces.embed import unit as unit_rows
from edgecnn.faces.gallery import Gallery
from edgecnn.faces.types import Sample
from edgecnn.storage import sha256_of
from edgecnn.training.people import DEFAULTS, confusable, train


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


def add_cohort(bundle, embeddings):
    """The bundle anew, with strangers of its embedder in it."""
    count = len(embeddings)
    cohort = Cohort(
        unit_rows(embeddings), np.arange(count), np.full(count, ""), fingerprint(bundle)
    )
    cohort.save(bundle.path / COHORT)
    files = {**bundle.manifest.files, COHORT: sha256_of(bundle.path / COHORT)}
    manifest = dataclasses.replace(bundle.manifest, files=files)
    (bundle.path / MANIFEST).write_text(manifest.to_json())
    return Bundle(bundle.path)


@pytest.mark.parametrize("is_kept", [True, False])
def test_an_adaptation_is_kept_where_it_is_better_and_the_report_says_so(
    bundle, data, tmp_path, monkeypatch, is_kept
):
    (data / "Ann" / "bob.png").unlink()  # at this threshold it looks like nobody
    rng = np.random.default_rng(0)
    bundle = add_cohort(bundle, rng.normal(size=(400, 67)))
    seen = {}

    def fitted(samples, cohort):
        seen[len(samples)] = {s.source for s in samples}
        matrix = np.eye(67, dtype=np.float32)
        if is_kept:  # the tint alone tells them apart
            matrix[3:] *= 0.1
        return Adaptation(matrix, 0.01)

    monkeypatch.setattr(fit_adaptation, "fit", fitted)
    monkeypatch.setattr(Bundle, "threshold", 0.85)
    settings = {**DEFAULTS, "bundle": str(bundle.path), "adapt": True}
    run = train(data, tmp_path / "run", settings)
    kept = run.metrics["adaptation"]
    assert kept["kept"] is is_kept
    assert kept["why"].startswith("kept: " if is_kept else "not kept, since")
    assert kept["why"] in (run.path / "report.html").read_text("utf-8")
    assert set(seen) == ({7, 8} if is_kept else {7})  # nested: a photo is left out of each
    with Gallery(run.path / "gallery.sqlite", fingerprint(bundle)) as gallery:
        adaptation = gallery.adaptation()
    assert (adaptation is not None) is is_kept
    right = run.metrics["leave_one_out_right"]
    assert right == 8 if is_kept else right < 8
    if adaptation is not None:
        assert adaptation.facts["photos"] == 8 and adaptation.shift == 0.01


def test_there_is_nothing_to_adapt_against_without_a_cohort(bundle, data, tmp_path):
    settings = {**DEFAULTS, "bundle": str(bundle.path), "adapt": True}
    with pytest.raises(DataError, match="has no cohort"):
        train(data, tmp_path / "run", settings)
    assert not (tmp_path / "run").exists()


def test_photos_that_add_nothing_are_named_and_judged(bundle, tmp_path):
    for i in range(3):
        fake.save(tmp_path / "photos" / "Ann" / f"{i}.png", fake.portrait(ANN, i))
    moment = cv2.GaussianBlur(fake.portrait(ANN), (0, 0), 1.2)
    fake.save(tmp_path / "photos" / "Ann" / "moment.png", moment)
    run = train(tmp_path / "photos", tmp_path / "run", {**DEFAULTS, "bundle": str(bundle.path)})
    assert (run.metrics["photos_used"], run.metrics["photos_redundant"]) == (3, 1)
    assert sum(run.metrics[f"leave_one_out_{a}"] for a in ("right", "wrong", "unknown")) == 4
    (fate,) = (f for f in run.split["photos"]["Ann"].values() if f != "used")
    assert fate.startswith("redundant: like ")
    page = (run.path / "report.html").read_text("utf-8")
    assert fate in page and "1 more would add nothing" in page

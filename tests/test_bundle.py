"""A bundle is what its manifest says, or it is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.bundle import (
    GOLDEN,
    MANIFEST,
    TASKS,
    Bundle,
    Manifest,
    ModelEntry,
    OperatingPoint,
    golden_outputs,
    same_answer,
)
from edgecnn.errors import BundleError
from edgecnn.images import Preprocess
from edgecnn.runtime.interpreter import Model
from edgecnn.storage import sha256_of

TINY = Path(__file__).parent / "tiny.tflite"
POINT = OperatingPoint(0.4, 0.001, "noise", 1000)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    hashes = {p.name: sha256_of(p) for p in folder.iterdir() if p.name != MANIFEST}
    (folder / MANIFEST).write_text(replace(manifest, files=hashes).to_json(), "utf-8")


@pytest.fixture
def manifest() -> Manifest:
    entry = ModelEntry(
        file="model.tflite",
        input=Preprocess((8, 8)),
        labels=("ant", "bee", "çat"),
        facts={"float_bytes": 3316},
        metrics={"float": {"accuracy": 0.9}, "int8": {"accuracy": 0.89}},
        calibration={"count": 64, "sha256": "ab"},
    )
    return Manifest("images", {"classifier": entry}, "raspberry-pi-5", POINT, {"edgecnn": "0"})


@pytest.fixture
def folder(tmp_path: Path, manifest: Manifest) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    shutil.copy(TINY, folder / "model.tflite")
    pixels = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)
    golden = golden_outputs({"classifier": Model(TINY)}, {"classifier": pixels})
    np.savez(folder / GOLDEN, **golden)
    write_manifest(folder, manifest)
    return folder


def change(folder: Path, **facts: Any) -> None:
    told = json.loads((folder / MANIFEST).read_text("utf-8"))
    (folder / MANIFEST).write_text(json.dumps({**told, **facts}), "utf-8")


def test_the_manifest_comes_back(manifest: Manifest) -> None:
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_a_whole_bundle_opens(folder: Path, manifest: Manifest) -> None:
    bundle = Bundle(folder)
    assert bundle.manifest.models == manifest.models
    assert bundle.threshold == 0.4
    assert bundle.entry("classifier").labels == ("ant", "bee", "çat")
    assert bundle.gallery == folder / "gallery.sqlite"
    assert bundle.model("classifier").outputs[0].shape == (1, 3)


def test_what_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"No such file or directory.*edgecnn convert"):
        Bundle(tmp_path / "none")
    (tmp_path / MANIFEST).write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(BundleError, match="is not text"):
        Bundle(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "7", '"x"', "{}", '{"schema": 1}', '{"schema": 1, "models": 3}']
)
def test_a_manifest_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(BundleError, match="cannot be read") as e:
        Bundle(tmp_path)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"schema": 2}, "expected manifest schema 1. Received: 2"),
        ({"task": "faces"}, "expected the models .*'detector', 'embedder'.*task 'faces'"),
        ({"task": "cooking"}, "of images, text, faces, detector, embedder.*task 'cooking'"),
        ({"operating_point": None}, "no threshold with a measured error rate"),
        ({"operating_point": {"threshold": 0.4}}, "cannot be read"),
        ({"files": {}}, "no hash for model.tflite"),
        ({"models": {"classifier": {"file": "model.tflite"}}}, "cannot be read"),
    ],
)
def test_a_manifest_that_does_not_fit(folder: Path, facts: dict[str, Any], message: str) -> None:
    change(folder, **facts)
    with pytest.raises(BundleError, match=message):
        Bundle(folder)


@pytest.mark.parametrize("name", ["model.tflite", GOLDEN])
def test_a_changed_file_is_refused(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(BundleError, match=f"{name}.*sha256 differs"):
        Bundle(folder)


def test_a_missing_file_is_told(folder: Path) -> None:
    (folder / "model.tflite").unlink()
    with pytest.raises(BundleError, match=r"lacks its file 'model\.tflite'"):
        Bundle(folder)


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "sub/file"])
def test_a_bundle_reaches_no_other_folder(folder: Path, name: str) -> None:
    told = json.loads((folder / MANIFEST).read_text("utf-8"))
    change(folder, files={**told["files"], name: "0" * 64})
    with pytest.raises(BundleError, match="lacks its file"):
        Bundle(folder)


def test_a_model_it_does_not_have(folder: Path) -> None:
    with pytest.raises(BundleError, match=r"expected a bundle with a detector.*has: classifier"):
        Bundle(folder).entry("detector")


def test_a_detector_alone_needs_no_threshold(folder: Path, manifest: Manifest) -> None:
    entry = manifest.models["classifier"]
    write_manifest(folder, Manifest("detector", {"detector": entry}, "x"))
    with pytest.raises(BundleError, match="no threshold"):
        _ = Bundle(folder).threshold


def test_every_task_names_its_models() -> None:
    assert set(TASKS) == {"images", "text", "faces", "detector", "embedder"}


def test_the_self_test_passes_where_it_was_made(folder: Path) -> None:
    assert Bundle(folder).self_test() == {"classifier": 0}


def test_the_self_test_fails_where_another_thing_is_computed(
    folder: Path, manifest: Manifest
) -> None:
    golden = Bundle(folder).golden()
    golden["classifier.output0"][2] = golden["classifier.output0"][2][::-1]
    np.savez(folder / GOLDEN, **golden)
    write_manifest(folder, manifest)
    with pytest.raises(BundleError, match=r"classifier computes something else .* \d+ steps"):
        Bundle(folder).self_test()


@pytest.mark.parametrize(
    ("found", "expected", "same"),
    [
        ([5, 5, 5], [5, 5, 5], True),
        ([6, 4, 5], [5, 5, 5], True),  # one step, whatever the spread
        ([7, 3, 5], [5, 5, 5], False),  # rms 1.63, and no spread
        ([100, 100], [50, 150], False),  # nothing but the zero point: rms 50, spread 50
        ([70, 130], [50, 150], True),  # rms 20 = 0.4 · 50
        ([71, 129], [49, 151], False),  # rms 22, more than 0.4 · 51
        ([0, 255], [255, 0], False),
    ],
)
def test_what_counts_as_the_same_answer(found: list[int], expected: list[int], same: bool) -> None:
    assert same_answer(np.array(found, np.uint8), np.array(expected, np.uint8)) == same


@pytest.mark.parametrize("drop", ["classifier.input", "classifier.output0"])
def test_a_self_test_without_its_arrays_is_told(
    folder: Path, manifest: Manifest, drop: str
) -> None:
    golden = Bundle(folder).golden()
    del golden[drop]
    np.savez(folder / GOLDEN, **golden)
    write_manifest(folder, manifest)
    with pytest.raises(BundleError, match=r"golden\.npz"):
        Bundle(folder).self_test()


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04"])
def test_a_broken_self_test_is_told(folder: Path, manifest: Manifest, content: bytes) -> None:
    (folder / GOLDEN).write_bytes(content)
    write_manifest(folder, manifest)
    with pytest.raises(BundleError, match=r"golden\.npz cannot be read"):
        Bundle(folder).self_test()


def test_golden_outputs_are_named_after_their_model() -> None:
    pixels = np.zeros((2, 8, 8, 3), np.uint8)
    golden = golden_outputs({"classifier": Model(TINY)}, {"classifier": pixels})
    assert {k: (v.shape, v.dtype) for k, v in golden.items()} == {
        "classifier.input": ((2, 8, 8, 3), np.uint8),
        "classifier.output0": ((2, 3), np.uint8),
    }

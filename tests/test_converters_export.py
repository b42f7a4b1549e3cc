"""From a run to a bundle, whole or not at all."""

from __future__ import annotations

import json
import re
import resource
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from converter_tools import NETWORKS, finished_run, install_tasks, pixels_of

from converters import calibrate, export, int8, metadata, verify
from edgecnn.bundle import CARD, MANIFEST, Bundle
from edgecnn.errors import (
    BundleError,
    ConversionError,
    DataError,
    EdgeCNNError,
    GalleryError,
    StorageError,
)
from edgecnn.faces.embed import fingerprint
from edgecnn.faces.gallery import Gallery
from edgecnn.images import Preprocess
from edgecnn.training.run import MODEL, Run

pytest.importorskip("tensorflow")

HIGH = (64, 96)
"""Width and height of the detector's second view."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Really converted, once for each task: a folder with ``int8.tflite`` and ``float.tflite``."""
    made = {}
    for task, network in NETWORKS.items():
        made[task] = folder = tmp_path_factory.mktemp(task)
        model = network()
        model.save(folder / MODEL)
        np.save(folder / "pixels.npy", pixels_of(model.input.shape[1:], 8))
        args = (MODEL, "pixels.npy", "int8.tflite", "float.tflite")
        int8.convert(*(folder / name for name in args))
    folder = tmp_path_factory.mktemp("high")
    np.save(folder / "pixels.npy", pixels_of((HIGH[1], HIGH[0], 3), 8))
    network = made["detector"] / MODEL
    int8.convert(network, folder / "pixels.npy", made["detector"] / "high.tflite")
    return made


@pytest.fixture
def runs(tmp_path: Path, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a finished run of each task, and a converter that is quick."""

    def quick(
        network: Path, calibration: Path, out: Path, float_out: Path, *, quantiser: str
    ) -> None:
        assert quantiser == int8.QUANTISERS[0]
        assert np.load(calibration).dtype == np.uint8
        folder = files[Run(network.parent).task]
        high = np.load(calibration).shape[1:3] == HIGH[::-1]
        shutil.copyfile(folder / ("high.tflite" if high else "int8.tflite"), out)
        shutil.copyfile(folder / "float.tflite", float_out)

    install_tasks(monkeypatch)
    monkeypatch.setattr(int8, "convert", quick)
    monkeypatch.setattr(export, "ASSETS", tmp_path / "no-assets")
    for task in NETWORKS:
        finished_run(tmp_path / task, task)
    yield tmp_path


def test_an_images_bundle(runs: Path) -> None:
    bundle = export.export(
        runs / "images", "raspberry-pi-5", runs / "out", max_drop=0.2, calibration_count=8, seed=3
    )
    manifest, entry = bundle.manifest, bundle.entry("classifier")
    assert (manifest.task, manifest.target) == ("images", "raspberry-pi-5")
    assert entry.labels == ("ant", "bee", "cat")
    assert entry.metrics["float"]["likeness"] == pytest.approx(1)
    assert 0.8 < entry.metrics["int8"]["likeness"] < 1
    assert manifest.operating_point is not None and bundle.threshold == 0.4
    assert manifest.versions["edgecnn"] and manifest.versions["numpy"]
    expected = {"card.md", "golden.npz", "manifest.json", "model.md", "model.tflite"}
    expected |= {"verification.json"}
    assert {p.name for p in bundle.path.iterdir()} == expected
    assert set(manifest.files) == expected - {MANIFEST}
    assert bundle.self_test() == {"classifier": 0}
    assert bundle.golden()["classifier.input"].shape == (4, 8, 8, 3)


@pytest.mark.parametrize("task", ["images", "embedder", "detector"])
def test_classifier_and_embedder_tell_other_programs_what_they_are(runs: Path, task: str) -> None:
    bundle = export.export(runs / task, "x", runs / "out", max_drop=1, calibration_count=8)
    ((_, entry),) = ((n, e) for n, e in bundle.manifest.models.items() if "portrait" not in n)
    found = metadata.read(bundle.path / entry.file)
    if task == "detector":
        assert found == metadata.Metadata()
    else:
        assert found == metadata.Metadata((128.0,), (128.0,), "RGB", entry.labels)


def test_the_calibration_is_on_record(runs: Path) -> None:
    from hashlib import sha256

    bundle = export.export(
        runs / "images", "x", runs / "out", max_drop=1, calibration_count=8, seed=3
    )
    digest = sha256(pixels_of((8, 8, 3), 8, seed=3).tobytes()).hexdigest()
    expected = {"count": 8, "seed": 3, "sha256": digest, "quantiser": "tensorflow"}
    assert bundle.entry("classifier").calibration == expected


def test_cards_tell_the_facts_and_nobodys_folders(runs: Path) -> None:
    bundle = export.export(runs / "images", "coral-usb", runs / "out", max_drop=1)
    card, overview = ((bundle.path / n).read_text("utf-8") for n in ("model.md", CARD))
    assert "For tests." in card and "2,496" in card and "| likeness | 1.0000 |" in card
    assert "data: photos" in card and "/home" not in card
    assert "coral-usb" in overview and "ant, bee, cat" in overview and "0.00100" in overview


def test_a_loss_of_accuracy_fails_with_both_numbers_and_leaves_nothing(runs: Path) -> None:
    before = sorted(runs.iterdir())
    message = (
        r"likeness on the test data was 1\.0000 in float and is 0\.\d{4} in int8.*at most 0 is "
        r"allowed; worst is ant, 1\.0000 in float and 0\.0000 in int8 of 6"
    )
    with pytest.raises(ConversionError, match=message):
        export.export(runs / "images", "x", runs / "out", max_drop=0)
    assert sorted(runs.iterdir()) == before


def test_predictions_have_one_array_an_output(runs: Path, files: dict[str, Path]) -> None:
    from edgecnn.runtime.interpreter import Model

    pixels = pixels_of((64, 64, 3), 5)
    network = Run(runs / "detector").load_model()
    exact = verify.float_predict(network, batch=2)(pixels)
    ours = verify.int8_predict(Model(files["detector"] / "int8.tflite"))(pixels)
    shapes = {(5, s, s, c) for s in (8, 4, 2) for c in (1, 4, 10)}
    assert {o.shape for o in exact} == {o.shape for o in ours} == shapes
    for output in ours:
        twin = next(o for o in exact if o.shape == output.shape)
        assert float(np.abs(output - twin).mean()) < 0.05


def test_a_file_takes_only_pictures_of_its_size(files: dict[str, Path]) -> None:
    from edgecnn.runtime.interpreter import Model

    both = [Model(files["detector"] / name) for name in ("int8.tflite", "high.tflite")]
    high = pixels_of((HIGH[1], HIGH[0], 3), 2)
    assert len(verify.int8_predict(*both)(high)[0]) == 2
    turned = np.ascontiguousarray(high.transpose(0, 2, 1, 3))  # as many bytes
    for models in (both, both[1:]):
        with pytest.raises(ConversionError, match=r"Received: \(64, 96, 3\)"):
            verify.int8_predict(*models)(turned)


def test_calibration_needs_pictures(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Task:
        samples = staticmethod(lambda *_: (np.zeros((0, 8, 8, 3), np.uint8), None))

    with pytest.raises(ConversionError, match=r"Received: \(0, 8, 8, 3\) in uint8"):
        calibrate.pick(Task, Run(runs / "images"), runs / "c.npy")


def test_golden_pictures_reach_the_whole_range() -> None:
    pictures = export.golden_pictures((112, 112, 3))
    assert pictures.shape == (4, 112, 112, 3) and pictures.dtype == np.uint8
    assert pictures.min() < 10 and pictures.max() > 245
    assert np.array_equal(pictures, export.golden_pictures((112, 112, 3)))


# Faces: two models, two runs, one bundle.


def faces_bundle(runs: Path) -> Bundle:
    detector = export.export(runs / "detector", "x", runs / "d", max_drop=1)
    return export.export(runs / "embedder", "x", runs / "f", max_drop=1, parts=detector)


def test_each_face_model_alone_where_there_is_no_other(runs: Path) -> None:
    detector = export.export(runs / "detector", "x", runs / "d", max_drop=1)
    assert detector.manifest.task == "detector" and detector.manifest.operating_point is None
    facts = detector.entry("detector").facts
    assert (facts["score_threshold"], facts["nms_iou"]) == (0.5, 0.4)
    embedder = export.export(runs / "embedder", "x", runs / "e", max_drop=1)
    assert embedder.manifest.task == "embedder" and embedder.threshold == 0.4


def test_a_detector_is_converted_for_each_of_its_views(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def views(run: Run) -> dict[str, Preprocess]:
        wide = Preprocess.from_dict(run.facts["input"])
        return {"detector": wide, "detector-portrait": Preprocess(HIGH)}

    monkeypatch.setattr(sys.modules["stub_detector"], "views", views, raising=False)
    alone = export.export(runs / "detector", "x", runs / "d", max_drop=1)
    assert alone.manifest.task == "detector"
    high = alone.entry("detector-portrait")
    assert high.input.size_wh == HIGH and high.facts["nms_iou"] == 0.4
    assert high.metrics == alone.entry("detector").metrics
    assert high.calibration["sha256"] != alone.entry("detector").calibration["sha256"]
    shapes = {name: alone.model(name).inputs[0].shape for name in alone.manifest.models}
    assert shapes == {"detector": (1, 64, 64, 3), "detector-portrait": (1, HIGH[1], HIGH[0], 3)}
    both = export.export(runs / "embedder", "x", runs / "f", max_drop=1, parts=alone)
    assert both.manifest.task == "faces"
    assert both.self_test() == {"detector": 0, "detector-portrait": 0, "embedder": 0}
    assert f"`{high.file}`" in (both.path / CARD).read_text("utf-8")
    people = export.export(people_run(runs / "run", both), "x", runs / "p", parts=both)
    assert people.entry("detector-portrait") == high


def test_both_face_models_together(runs: Path) -> None:
    alone = export.export(runs / "detector", "x", runs / "d", max_drop=1)
    both = export.export(runs / "embedder", "x", runs / "f", max_drop=1, parts=alone)
    assert both.manifest.task == "faces" and both.threshold == 0.4
    assert both.entry("detector") == alone.entry("detector")
    name = "face-detector.md"
    assert (both.path / name).read_text() == (alone.path / name).read_text()
    assert both.self_test() == {"detector": 0, "embedder": 0}
    again = export.export(runs / "detector", "x", runs / "again", max_drop=1, parts=both)
    assert again.manifest.task == "faces" and again.threshold == 0.4


def test_a_detector_that_does_not_say_its_threshold(runs: Path) -> None:
    run = Run(runs / "detector")
    del run.facts["nms_iou"]
    run.note()
    with pytest.raises(ConversionError, match="does not say its nms_iou"):
        export.export(runs / "detector", "x", runs / "out", max_drop=1)


def people_run(path: Path, bundle: Bundle) -> Path:
    run = Run.start(path, "faces", {"bundle": str(bundle.path), "seed": 0})
    with Gallery(path / "gallery.sqlite", fingerprint(bundle), create=True) as gallery:
        gallery.add("Ann", np.eye(8, dtype=np.float32)[0], 0.9, "a.jpg")
    run.write_metrics({"recognised": 1.0})
    return path


def test_a_run_of_people_takes_its_bundle_and_the_gallery(runs: Path) -> None:
    bundle = faces_bundle(runs)
    people = people_run(runs / "people", bundle)
    found = export.export(people, "raspberry-pi-4", runs / "out")
    assert found.manifest.target == "raspberry-pi-4"
    assert found.manifest.models == bundle.manifest.models
    assert found.manifest.operating_point == bundle.manifest.operating_point
    assert "gallery.sqlite" not in found.manifest.files  # it changes
    with Gallery(found.gallery, fingerprint(found)) as gallery:
        assert gallery.embeddings()[0] == ["Ann"]


def test_whoever_was_enrolled_in_a_bundle_is_not_lost_with_it(tmp_path: Path) -> None:
    run, out = Run.start(tmp_path / "run", "faces", {"seed": 0}), tmp_path / "out"
    run.write_metrics({"recognised": 1.0})
    out.mkdir()
    (out / "manifest.json").write_text("{}")
    for folder, name in ((run.path, "Ann"), (out, "Ann"), (out, "Cleo")):
        with Gallery(folder / "gallery.sqlite", "ab" * 32, create=True) as gallery:
            gallery.add(name, np.eye(8, dtype=np.float32)[0])
    with pytest.raises(GalleryError, match="with it Cleo: take them out"):
        export.export(run.path, "x", out, replace=True)


def test_a_run_of_people_has_no_network_to_heal(runs: Path) -> None:
    people = people_run(runs / "people", faces_bundle(runs))
    with pytest.raises(DataError, match="takes its models from a bundle: leave --heal out"):
        export.export(people, "x", runs / "out", cures=["calibration"])
    assert not (runs / "out").exists()


def test_a_float_file_that_would_not_be_there_is_refused(runs: Path, edgecnn: Any) -> None:
    people = people_run(runs / "people", faces_bundle(runs))
    words = ["--for", "x86-64", "--out", runs / "out", "--float-out"]
    code, _, said = edgecnn("convert", people, *words, runs / "float.tflite")
    assert code == 2 and "takes its models from a bundle: leave --float-out out" in said
    code, _, said = edgecnn("convert", runs / "images", *words, runs / "out" / "float.tflite")
    assert code == 2 and "outside of the bundle" in said and "choose another --float-out" in said
    assert not (runs / "out").exists()


def test_an_option_without_effect_is_refused(runs: Path, edgecnn: Any) -> None:
    people = people_run(runs / "people", faces_bundle(runs))
    card = runs / "card.md"
    card.write_text("whose")
    for run, option in (
        (people, ("--max-drop", "1")),
        (people, ("--calibration", "9")),
        (people, ("--quantiser", "tensorflow")),
        (people, ("--card", card)),
        (runs / "images", ("--with", runs)),
    ):
        code, _, said = edgecnn("convert", run, "--for", "x86-64", "--out", runs / "out", *option)
        assert code == 2 and f"{option[0]} has no effect on a run of task" in said
    assert not (runs / "out").exists()


def test_a_gallery_of_another_embedder_is_refused(runs: Path) -> None:
    people = people_run(runs / "people", faces_bundle(runs))
    shutil.rmtree(runs / "people" / "gallery.sqlite", ignore_errors=True)
    (runs / "people" / "gallery.sqlite").unlink()
    Gallery(runs / "people" / "gallery.sqlite", "0" * 64, create=True).close()
    with pytest.raises(GalleryError):
        export.export(people, "x", runs / "out")
    assert not (runs / "out").exists()


def test_damaged_parts_are_refused(runs: Path) -> None:
    bundle = faces_bundle(runs)
    people = people_run(runs / "people", bundle)
    with open(bundle.path / "face-embedder.tflite", "ab") as f:
        f.write(b"x")
    with pytest.raises(BundleError, match="sha256"):
        export.export(people, "x", runs / "out")


# Bad runs, places that exist, disks that are full.


def test_what_is_no_finished_run(runs: Path) -> None:
    with pytest.raises(DataError, match=r"expected a run folder"):
        export.export(runs / "nothing", "x", runs / "out")
    (runs / "images" / "metrics.json").unlink()
    with pytest.raises(DataError, match="the training did not end"):
        export.export(runs / "images", "x", runs / "out")


def test_a_network_that_does_not_fit_its_facts(runs: Path) -> None:
    run = Run(runs / "images")
    run.note(input={**run.facts["input"], "order": "GRAY"})
    with pytest.raises((ConversionError, ValueError)):
        export.export(runs / "images", "x", runs / "out", max_drop=1)
    assert not (runs / "out").exists()


def test_a_bundle_is_not_overwritten_unless_told(runs: Path) -> None:
    (runs / "out").mkdir()
    (runs / "out" / "mine").write_text("")
    with pytest.raises(StorageError, match="exists already"):
        export.export(runs / "images", "x", runs / "out", max_drop=1)
    assert (runs / "out" / "mine").exists()
    with pytest.raises(StorageError, match=r"has no manifest\.json, so it is kept"):
        export.export(runs / "images", "x", runs / "out", max_drop=1, replace=True)
    assert (runs / "out" / "mine").exists()
    (runs / "out" / "manifest.json").write_text("{}")
    copy = runs / "new" / "float.tflite"
    export.export(runs / "images", "x", runs / "out", max_drop=1, replace=True, float_out=copy)
    assert not (runs / "out" / "mine").exists() and copy.stat().st_size


@pytest.mark.parametrize("limit", [0, 600, 2000])
def test_a_full_disk_leaves_nothing(
    runs: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """The kernel refuses files beyond ``limit`` bytes while the bundle is written."""
    write, soft = export.write_bundle, resource.getrlimit(resource.RLIMIT_FSIZE)

    def limited(*args: Any) -> Bundle:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, soft[1]))
        try:
            return write(*args)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, soft)

    monkeypatch.setattr(export, "write_bundle", limited)
    before = sorted(runs.iterdir())
    with pytest.raises(StorageError, match=r"could not write .*out.*nothing was left behind"):
        export.export(runs / "images", "x", runs / "out", max_drop=1)
    assert sorted(runs.iterdir()) == before


def test_a_bundle_that_fails_its_self_test_never_appears(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(models: Any, inputs: Any) -> Any:
        arrays = golden(models, inputs)
        arrays["classifier.output0"] = 255 - arrays["classifier.output0"]
        return arrays

    golden = export.golden_outputs
    monkeypatch.setattr(export, "golden_outputs", wrong)
    before = sorted(runs.iterdir())
    with pytest.raises(BundleError, match="computes something else"):
        export.export(runs / "images", "x", runs / "out", max_drop=1)
    assert sorted(runs.iterdir()) == before


# The command.


def test_the_command_prints_sizes_figures_and_the_place(runs: Path) -> None:
    from edgecnn.cli.convert import command

    args = [str(runs / "images"), "--for", "raspberry-pi-5", "--max-drop", "0.5", "--out"]
    text = CliRunner().invoke(command, [*args, str(runs / "a")], catch_exceptions=False)
    size = (runs / "a" / "model.tflite").stat().st_size
    assert f"{size:,} bytes (float " in text.output
    assert re.search(r"likeness +1\.0000 +0\.\d{4} +-0\.\d{4}\n", text.output)
    assert re.search(r"worst: ant +1\.0000 +0\.0000 +-1\.0000  of 6\n", text.output)
    assert "flips: 16 worse, 0 better of 16 on test data; same answer in 0.00 %" in text.output
    assert str(runs / "a") in text.output and "images/verification.html" in text.output
    assert re.search(r"speed +int8 [\d.e-]+ ms, float [\d.e-]+ ms: \d+\.\d\d times as", text.output)
    told = CliRunner().invoke(command, [*args, str(runs / "b"), "--json"], catch_exceptions=False)
    found = json.loads(told.stdout)
    assert found["bundle"] == str(runs / "b") and found["target"] == "raspberry-pi-5"
    assert found["models"]["classifier"]["int8_bytes"] == size
    assert set(found["models"]["classifier"]["int8"]) == {"likeness", "pictures"}
    assert found["verification"]["classifier"]["worse"] == 16
    assert found["speed"]["turns"] > 0 and found["speed"]["low"] <= found["speed"]["high"]
    # A conversion is the same again: how fast it was stands nowhere in the bundle.
    for name in ("manifest.json", "verification.json", "model.tflite"):
        assert (runs / "a" / name).read_bytes() == (runs / "b" / name).read_bytes()
    assert found["report"] == str(runs / "images" / "verification.html")


def test_the_command_knows_the_boards(runs: Path) -> None:
    from edgecnn.cli.convert import command

    args = [str(runs / "images"), "--for", "toaster", "--out", str(runs / "out")]
    found = CliRunner().invoke(command, args)
    assert found.exit_code == 2 and "raspberry-pi-5" in found.output
    assert "raspberry-pi-5" in CliRunner().invoke(command, ["--help"]).output


def test_the_command_fails_in_our_words(runs: Path) -> None:
    from edgecnn.cli.convert import command

    args = [str(runs / "images"), "--for", "x86-64", "--max-drop", "0", "--out", str(runs / "out")]
    assert isinstance(CliRunner().invoke(command, args).exception, EdgeCNNError)


def test_inspect_lists_a_bundle(runs: Path) -> None:
    from edgecnn.cli.inspect import command

    export.export(runs / "images", "x", runs / "out", max_drop=1)
    told = CliRunner().invoke(command, [str(runs / "out"), "--json"], catch_exceptions=False)
    assert json.loads(told.stdout)["model.tflite"]["totals"]["macs"] == 2496


@pytest.mark.parametrize("task", ["images", "detector", "embedder", "faces"])
def test_bench_times_every_stage(runs: Path, task: str) -> None:
    from edgecnn.cli.bench import command

    if task == "faces":
        bundle = faces_bundle(runs).path
    else:
        bundle = export.export(runs / task, "x", runs / "out", max_drop=1).path
    args = [str(bundle), "--runs", "3", "--people", "5", "--threads", "1"]
    told = CliRunner().invoke(command, [*args, "--json"], catch_exceptions=False)
    found = json.loads(told.stdout)
    assert (
        list(found["stages"])
        == {
            "images": ["preprocess", "classify", "total"],
            "detector": ["detect", "total"],
            "embedder": ["align", "embed", "match", "total"],
            "faces": ["detect", "align", "embed", "match", "total"],
        }[task]
    )
    assert all(0 < t["p50_ms"] <= t["p95_ms"] and t["runs"] == 3 for t in found["stages"].values())
    assert len(found["invokes"]) == (2 if task == "faces" else 1)
    assert found["fps"] == pytest.approx(1000 / found["stages"]["total"]["p50_ms"])
    text = CliRunner().invoke(command, args, catch_exceptions=False).output
    assert "frames a second" in text and "invoke " in text

"""Other formats: what a run becomes, what is proved of it, and what is left where proof fails."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from converter_tools import NETWORKS, TINY, finished_run, install_tasks, pixels_of

from converters import child, flatbuffer, float_tflite, formats, metadata, onnx_file
from edgecnn import networks, training
from edgecnn.bundle import ModelEntry
from edgecnn.errors import ConversionError, MissingExtra
from edgecnn.images import Preprocess, to_network
from edgecnn.runtime.interpreter import Model
from edgecnn.training.run import MODEL, Run

pytest.importorskip("tensorflow")

SUFFIX = {name: form.suffixes[0] for name, form in formats.FORMATS.items() if form.tolerance}


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a finished run of each task; the children run in this process, which has loaded
    TensorFlow already."""

    def here(module: str, arguments: list[Any], *rest: Any, **words: Any) -> None:
        with redirect_stdout(StringIO()):
            importlib.import_module(module).as_child(*map(str, arguments))

    install_tasks(monkeypatch)
    monkeypatch.setattr(child, "run", here)
    for task in NETWORKS:
        finished_run(tmp_path / task, task)
    yield tmp_path


Command = Callable[..., tuple[int, str, str]]


def left(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.name not in NETWORKS)


@pytest.mark.parametrize(
    ("format", "task"),
    [*((f, "images") for f in SUFFIX), ("onnx", "embedder"), ("onnx", "detector"),
     ("dynamic-range", "detector")],
)  # fmt: skip
def test_every_format_and_every_task(runs: Path, format: str, task: str) -> None:
    out = runs / f"model{SUFFIX[format]}"
    done = formats.write(runs / task, format, out)
    assert done.files == (out,) and left(runs) == [out.name]
    assert done.difference is not None and done.pictures == 64
    # The tolerances' order: about the precision of what each format keeps.
    least, most = {"float16": (1e-5, 3e-3), "dynamic-range": (0, 0.1)}.get(format, (0, 1e-5))
    assert least <= done.difference <= most
    compared = done.comparison
    assert compared is not None and compared.before.figures["likeness"] == pytest.approx(1)
    assert compared.drop == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize(
    ("format", "dtype"), [("float32", "float32"), ("float16", "float16"), ("dynamic-range", "int8")]
)
def test_what_the_weights_are_stored_as(runs: Path, format: str, dtype: str) -> None:
    formats.write(runs / "embedder", format, runs / "m.tflite")
    graph = flatbuffer.read(runs / "m.tflite")
    # 1,176 of them: dynamic-range leaves those under 1,024 as they are.
    assert next(t.dtype for t in graph.tensors if t.shape == (8, 7, 7, 3)) == dtype
    ends = [graph.tensors[i] for i in (*graph.inputs, *graph.outputs)]
    assert {t.dtype for t in ends} == {"float32"} and not any(t.dynamic for t in ends)


def test_tflite_files_tell_what_they_are(runs: Path) -> None:
    formats.write(runs / "images", "float16", runs / "m.tflite")
    labels = ("ant", "bee", "cat")
    assert metadata.read(runs / "m.tflite") == metadata.Metadata((128.0,), (128.0,), "RGB", labels)
    assert b"A float16 classifier" in (runs / "m.tflite").read_bytes()


def test_onnx_files_tell_what_they_are(runs: Path) -> None:
    import onnx

    formats.write(runs / "detector", "onnx", runs / "d.onnx")
    formats.write(runs / "images", "onnx", runs / "i.onnx")
    detector, images = (onnx.load(runs / name) for name in ("d.onnx", "i.onnx"))
    told = {p.key: json.loads(p.value) for p in images.metadata_props}
    assert told == {
        "model": "classifier",
        "input": Preprocess((8, 8)).to_dict(),
        "labels": ["ant", "bee", "cat"],
    }
    assert [o.name for o in images.graph.output] == ["logits"]
    told = {p.key: json.loads(p.value) for p in detector.metadata_props}
    assert told["score_threshold"] == 0.5 and told["nms_iou"] == 0.4
    assert [o.name for o in detector.graph.output] == Run(
        runs / "detector"
    ).load_model().output_names


def test_another_engine_reads_the_onnx_file(tmp_path: Path) -> None:
    """OpenCV's own: neither TensorFlow nor ONNX Runtime. The detector has nearest up-sampling."""
    network = networks.build(
        "detector", size_wh=(96, 64), channels=[4] * 5, depths=[0, 1, 0, 0], head=4
    )
    rng = np.random.default_rng(0)
    network.set_weights([rng.normal(0.1, 0.3, w.shape) ** 2 for w in network.get_weights()])
    network.save(tmp_path / MODEL)
    onnx_file.as_child(str(tmp_path / MODEL), "64,96,3", str(tmp_path / "d.onnx"))
    assert b"tf_half_pixel_for_nn" not in (tmp_path / "d.onnx").read_bytes()
    assert onnx_file.OnnxModel(tmp_path / "d.onnx").inputs[0].shape == (1, 64, 96, 3)
    pixels = pixels_of((64, 96, 3), 1)
    read = cv2.dnn.readNetFromONNX(str(tmp_path / "d.onnx"))
    read.setInput(np.ascontiguousarray(to_network(pixels).transpose(0, 3, 1, 2)))
    found = read.forward(network.output_names)
    wanted = [np.asarray(o) for o in network(to_network(pixels), training=False)]
    assert np.ptp(wanted[0]) > 0
    for name, ours, truth in zip(network.output_names, found, wanted, strict=True):
        np.testing.assert_allclose(ours.reshape(truth.shape), truth, rtol=1e-3, err_msg=name)


def test_a_detector_comes_once_for_each_view(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnx

    load, stub = onnx_file.load, sys.modules[training.TASKS["detector"]]
    views = {"detector": Preprocess((64, 64)), "detector-portrait": Preprocess((64, 96))}
    monkeypatch.setattr(stub, "views", lambda run: views, raising=False)
    done = formats.write(runs / "detector", "onnx", runs / "d.onnx")
    assert [f.name for f in done.files] == ["d.onnx", "d-portrait.onnx"]
    assert [load(f).inputs[0].shape[1:3] for f in done.files] == [(64, 64), (96, 64)]
    assert done.pictures == 128
    for file in done.files:
        told = {p.key: json.loads(p.value) for p in onnx.load(file).metadata_props}
        assert told["model"] == f"detector{file.stem[1:]}" and told["score_threshold"] == 0.5


def test_a_network_that_does_not_load_is_one_line(tmp_path: Path) -> None:
    (tmp_path / MODEL).write_bytes(b"PK nonsense")
    entry = ModelEntry("m.onnx", Preprocess((8, 8)))
    says = r"^tf2onnx failed on .*Error: .*look for a layer that ONNX has no operation for$"
    with pytest.raises(ConversionError, match=says):
        onnx_file.write("onnx", tmp_path / MODEL, tmp_path / "m.onnx", "classifier", entry)


def test_the_real_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_tasks(monkeypatch)
    finished_run(tmp_path / "images", "images")
    done = formats.write(tmp_path / "images", "onnx", tmp_path / "m.onnx")
    assert done.difference is not None and done.difference < 1e-5
    (tmp_path / "images" / MODEL).write_bytes(b"PK nonsense")
    with pytest.raises(
        ConversionError, match=r"^tf2onnx failed on .*Error: .*ONNX has no operation"
    ):
        from converters import onnx_file
        from edgecnn.bundle import ModelEntry

        entry = ModelEntry("m.onnx", Preprocess((8, 8)))
        onnx_file.write("onnx", tmp_path / "images" / MODEL, tmp_path / "n.onnx", "x", entry)


def other(change: Callable[[Any], Any]) -> Callable[..., Any]:
    """A file whose outputs are changed."""

    class Changed(Model):
        def __call__(self, pixels: Any) -> list[Any]:
            return [change(output) for output in super().__call__(pixels)]

    return Changed


@pytest.mark.parametrize(
    ("change", "tolerance", "says"),
    [
        (lambda o: o + 0.5, 1e-2, r"differ by [\d.]+ of their spread, at most 0\.01 is allowed"),
        (lambda o: o * np.nan, 1e-2, r"differ by nan of their spread"),
        (lambda o: o + 0.5, 1e9, r"likeness on the test data is 1\.0000 in Keras and 0\.\d{4} in"),
        (
            lambda o: o[:, :2],
            1e9,
            r"expected outputs of shapes \[\(64, 3\)\]\. Received: \[\(64, 2\)",
        ),
    ],
)
def test_what_is_not_the_network_is_not_left_behind(
    runs: Path, monkeypatch: pytest.MonkeyPatch, change: Any, tolerance: float, says: str
) -> None:
    monkeypatch.setattr(float_tflite, "load", other(change))
    looser = replace(formats.FORMATS["float16"], tolerance=tolerance)
    monkeypatch.setitem(formats.FORMATS, "float16", looser)
    with pytest.raises(ConversionError, match=says) as e:
        formats.write(runs / "images", "float16", runs / "m.tflite")
    assert left(runs) == [] and "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("before", "after", "apart"),
    [
        ([[0.0, 2.0]], [[0.0, 2.0]], 0),
        ([[0.0, 2.0]], [[1.0, 3.0]], 1),  # off by 1, spread 1
        ([[0.0, 4.0]], [[0.0, 5.0]], 0.5**0.5 / 2),
        ([[0.0, 2.0]], [[0.0, np.nan]], np.nan),
        ([[3.0, 3.0]], [[3.0, 3.0]], 0),  # no spread, and none needed
    ],
)
def test_the_difference(before: list[Any], after: list[Any], apart: float) -> None:
    found = formats.difference([np.array(before)], [np.array(after)])
    assert found == pytest.approx(apart, nan_ok=True)


def test_the_difference_is_that_of_the_worst_output_whatever_their_order() -> None:
    one, two = np.array([[0.0, 2.0]]), np.array([[0.0, 2.0, 4.0]])
    assert formats.difference([one, two], [two, one]) == 0
    assert formats.difference([one, two], [two, one + 1]) == pytest.approx(1)


def test_other_sources_are_refused(
    runs: Path, edgecnn: Callable[..., tuple[int, str, str]]
) -> None:
    people = Run.start(runs / "people", "faces", {})
    people.write_metrics({})
    shutil.copy(TINY, runs / "t.tflite")
    for source, format, out, says in (
        ("images", "onnx", "m.tflite", "expected a file that ends in .onnx for onnx. Received: "),
        ("images", "c-array", "m.h", "expected a file that ends in .cc or .cpp or .c for c-array"),
        ("t.tflite", "float16", "m.tflite", "expected a run, which has the float network that"),
        ("people", "float16", "m.tflite", "expected a run that trained a network. "),
        ("nowhere", "float16", "m.tflite", "expected a run folder with a run.json"),
    ):
        code, printed, error = edgecnn(
            "export", runs / source, "--format", format, "--out", runs / out
        )
        assert (code, printed) == (2, "") and error.startswith(f"edgecnn: {says}")
    assert left(runs) == ["people", "t.tflite"]


def test_without_tf2onnx_it_says_what_to_install(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"package tf2onnx.*pip install 'edgecnn\[onnx\]'"):
        formats.write(runs / "images", "onnx", runs / "m.onnx")
    assert left(runs) == []


def test_the_command(runs: Path, edgecnn: Command) -> None:
    call = ("export", runs / "images", "--format", "float32", "--out", runs / "sub" / "m.tflite")
    code, printed, _ = edgecnn(*call)
    assert code == 0 and "m.tflite: float32, " in printed
    assert "of their spread, on 64 pictures; 0.0001 is allowed" in printed
    assert "likeness              1.0000 in Keras, 1.0000 in the file" in printed
    code, printed, _ = edgecnn(*call, "--json")
    found = json.loads(printed)
    assert found["difference"] < found["tolerance"] == 1e-4
    assert found["file"]["likeness"] == pytest.approx(found["keras"]["likeness"])
    assert list(found["files"]) == [str(runs / "sub" / "m.tflite")]

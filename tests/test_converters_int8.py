"""Keras to int8: what comes out, and what is said where nothing does."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from converter_tools import TINY, TINY_FLOAT, pixels_of, tiny_classifier

from converters import child, flatbuffer, int8
from edgecnn.errors import ConversionError, MissingExtra
from edgecnn.images import to_network
from edgecnn.runtime.interpreter import Model

pytest.importorskip("tensorflow")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the network, its calibration pictures, and both files made from them."""
    folder = tmp_path_factory.mktemp("made")
    tiny_classifier().save(folder / "model.keras")
    np.save(folder / "pixels.npy", pixels_of((8, 8, 3), 64))
    int8.convert(
        folder / "model.keras", folder / "pixels.npy", folder / "a.tflite", folder / "f.tflite"
    )
    return folder


def test_the_input_is_the_byte_mapping_though_no_picture_had_its_ends(made: Path) -> None:
    picture = Model(made / "a.tflite").inputs[0]
    assert (picture.dtype, picture.scale, picture.zero_point) == ("uint8", 1 / 128, 128)
    assert picture.shape == (1, 8, 8, 3)
    every = np.arange(256, dtype=np.uint8)
    assert np.array_equal(picture.dequantise(every), to_network(every))


def test_it_is_the_committed_file_again(made: Path) -> None:
    for ours, committed in (("a.tflite", TINY), ("f.tflite", TINY_FLOAT)):
        found = flatbuffer.layers(flatbuffer.read(made / ours))
        expected = flatbuffer.layers(flatbuffer.read(committed))
        assert [replace(r, name="") for r in found] == [replace(r, name="") for r in expected]


def test_int8_and_float_agree_with_keras(made: Path) -> None:
    import keras

    pixels = pixels_of((8, 8, 3), 16, seed=5)
    network = keras.saving.load_model(made / "model.keras", compile=False)
    truth = network.predict_on_batch(to_network(pixels))
    exact = np.concatenate([Model(made / "f.tflite")(p)[0] for p in pixels])
    np.testing.assert_allclose(exact, truth, atol=1e-5)
    model = Model(made / "a.tflite")
    ours = np.concatenate([model(p)[0] for p in pixels])
    lowest, highest = model.outputs[0].dequantise(np.array([0, 255], np.uint8))
    atol = 4 * model.outputs[0].scale
    np.testing.assert_allclose(ours, np.clip(truth, lowest, highest), atol=atol)


def test_dense_weights_have_one_scale(made: Path) -> None:
    graph = flatbuffer.read(made / "a.tflite")
    (dense,) = [o for o in graph.operations if o.kind == "FULLY_CONNECTED"]
    assert len(graph.tensors[dense.inputs[1]].scales) == 1


def test_a_network_that_does_not_load_is_one_line(made: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.keras").write_bytes(b"PK nonsense")
    with pytest.raises(ConversionError, match=r"failed on .*bad\.keras \(\w*Error: ") as e:
        int8.convert(tmp_path / "bad.keras", made / "pixels.npy", tmp_path / "out.tflite")
    assert "\n" not in str(e.value) and not (tmp_path / "out.tflite").exists()


def test_a_conversion_that_takes_too_long_is_ended(made: Path, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"did not end within 0\.2 s"):
        int8.convert(
            made / "model.keras", made / "pixels.npy", tmp_path / "out.tflite", timeout_s=0.2
        )


def test_a_child_begun_ahead_converts_and_one_too_many_is_ended(made: Path, tmp_path: Path) -> None:
    with child.ahead("converters.int8"):
        begun = child._waiting["converters.int8"]
        int8.convert(made / "model.keras", made / "pixels.npy", tmp_path / "out.tflite")
        assert begun.returncode == 0 and not child._waiting
    with child.ahead("converters.int8"):
        begun = child._waiting["converters.int8"]
    assert begun.returncode == -signal.SIGKILL and not child._waiting


def test_a_crash_is_told(monkeypatch: pytest.MonkeyPatch, made: Path, tmp_path: Path) -> None:
    def crash(command: list[str], **options: Any) -> Any:
        die = [sys.executable, "-c", "import os; os.kill(os.getpid(), 11)"]
        return begin(die, **options)

    begin = subprocess.Popen
    monkeypatch.setattr(child.subprocess, "Popen", crash)
    with pytest.raises(ConversionError, match="it crashed with SIGSEGV"):
        int8.convert(made / "model.keras", made / "pixels.npy", tmp_path / "out.tflite")


def test_without_tensorflow_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(child.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'edgecnn\[train\]'"):
        int8.convert(tmp_path / "a", tmp_path / "b", tmp_path / "c")


@pytest.mark.parametrize(
    ("code", "errors", "reason"),
    [
        (-11, "", "it crashed with SIGSEGV"),
        (-6, "x\n", "it crashed with SIGABRT"),
        (-9, "", "SIGKILL, out of memory?"),
        (1, "Traceback\n  File\nValueError: no\n\n", "ValueError: no"),
        (1, "ValueError: no\nsome chatter\n", "ValueError: no"),
        (1, "loc: error: op is illegal\nchatter", "loc: error: op is illegal"),
        (1, "only chatter\n", "only chatter"),
        (3, "", "exit code 3"),
    ],
)
def test_the_reason_is_one_line(code: int, errors: str, reason: str) -> None:
    assert child.reason(code, errors) == reason


def changed(graph: flatbuffer.Graph, tensor: int, **facts: Any) -> flatbuffer.Graph:
    tensors = list(graph.tensors)
    tensors[tensor] = replace(tensors[tensor], **facts)
    return replace(graph, tensors=tuple(tensors))


@pytest.mark.parametrize(
    ("which", "facts", "fault"),
    [
        ("input", {"scales": (1 / 127.5,)}, "expected uint8 with scale 1/128"),
        ("input", {"zero_points": (127,)}, "zero point 128"),
        ("input", {"dtype": "int8"}, "expected uint8"),
        ("input", {"dynamic": True}, "expected one picture with batch 1"),
        ("input", {"shape": (2, 8, 8, 3)}, "batch 1"),
        ("output", {"dtype": "float32"}, "in float32, expected uint8"),
        ("middle", {"dtype": "float32"}, "CONV_2D in float, expected int8"),
        ("dense", {"scales": (0.1, 0.2, 0.3)}, "3 scales for the weights of a dense layer"),
    ],
)
def test_what_the_converter_may_not_do(which: str, facts: dict[str, Any], fault: str) -> None:
    graph = flatbuffer.read(TINY)
    assert int8._fault(graph) is None
    dense = next(o for o in graph.operations if o.kind == "FULLY_CONNECTED")
    place = {
        "input": graph.inputs[0],
        "output": graph.outputs[0],
        "middle": graph.operations[1].outputs[0],
        "dense": dense.inputs[1],
    }[which]
    found = int8._fault(changed(graph, place, **facts))
    assert found is not None and fault in found


def test_a_float_file_does_not_pass_for_int8() -> None:
    with pytest.raises(ConversionError, match="expected uint8 with scale 1/128"):
        int8.check(TINY_FLOAT)

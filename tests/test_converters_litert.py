"""LiteRT's own quantiser beside TensorFlow's converter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from converter_tools import TINY, TINY_FLOAT, pixels_of, tiny_classifier

from converters import child, flatbuffer, int8, litert
from edgecnn.errors import MissingExtra
from edgecnn.runtime.interpreter import Model

pytest.importorskip("ai_edge_quantizer")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What it makes of the committed float file, by the pictures that made the committed int8."""
    file = tmp_path_factory.mktemp("litert") / "m.tflite"
    pixels = int8._with_both_ends(pixels_of((8, 8, 3), 64))
    file.write_bytes(litert.quantise(TINY_FLOAT.read_bytes(), pixels))
    return file


pytestmark = pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors:UserWarning")


def test_it_is_full_int8_as_promised(made: Path) -> None:
    int8.check(made)


def test_ranges_and_weights_are_those_of_tensorflow(made: Path) -> None:
    ours, theirs = flatbuffer.read(made), flatbuffer.read(TINY)
    assert [o.kind for o in ours.operations] == [o.kind for o in theirs.operations]
    for mine, other in zip(ours.operations, theirs.operations, strict=True):
        ends = [g.tensors[o.outputs[0]] for g, o in ((ours, mine), (theirs, other))]
        assert ends[0].scales == pytest.approx(ends[1].scales, rel=1e-5)
        assert ends[0].zero_points == ends[1].zero_points


def test_the_answers_are_those_of_tensorflow(made: Path) -> None:
    ours, theirs = Model(made), Model(TINY)
    pixels = pixels_of((8, 8, 3), 32, seed=7)
    answers = [
        [int(n) for n in model.from_pixels(p)[0][0]] for p in pixels for model in (ours, theirs)
    ]
    apart = np.abs(np.subtract(answers[::2], answers[1::2]))
    assert apart.max() <= 1 and np.ptp(answers) > 10


def test_weights_stand_in_the_file_however_many(made: Path, tmp_path: Path) -> None:
    """It puts them behind the FlatBuffer from 256 KiB on, where old run times find zeros."""
    tf = pytest.importorskip("tensorflow")
    import keras

    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input((8, 8, 3), batch_size=1), keras.layers.Flatten(),
                                keras.layers.Dense(1500), keras.layers.Dense(3)])  # fmt: skip
    as_float = tf.lite.TFLiteConverter.from_keras_model(network).convert()
    pixels = int8._with_both_ends(pixels_of((8, 8, 3), 16))
    (tmp_path / "f.tflite").write_bytes(as_float)
    (tmp_path / "m.tflite").write_bytes(litert.quantise(as_float, pixels))
    int8.check(tmp_path / "m.tflite")
    graph = flatbuffer.read(tmp_path / "m.tflite")
    assert sum(t.constant_bytes for t in graph.tensors) > 256 * 1024
    assert not any(t.outside for t in graph.tensors)
    files = [Model(tmp_path / name) for name in ("f.tflite", "m.tflite")]
    wanted, found = (np.concatenate([m(p)[0] for p in pixels]) for m in files)
    assert np.sqrt(np.mean((wanted - found) ** 2)) < 0.05 * wanted.std()


def test_by_the_child(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    tiny_classifier().save(tmp_path / "m.keras")
    np.save(tmp_path / "p.npy", pixels_of((8, 8, 3), 64))
    out = tmp_path / "m.tflite"
    int8.convert(tmp_path / "m.keras", tmp_path / "p.npy", out, quantiser="litert")
    assert flatbuffer.read(out).operations[1].version == 1  # TensorFlow's would be 3


def test_without_it_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = child.importlib.util.find_spec
    monkeypatch.setattr(
        child.importlib.util, "find_spec", lambda n: None if n == "ai_edge_quantizer" else find(n)
    )
    with pytest.raises(MissingExtra, match=r"pip install 'edgecnn\[quantizer\]'"):
        int8.convert(tmp_path / "a", tmp_path / "b", tmp_path / "c", quantiser="litert")

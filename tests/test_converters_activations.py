"""Layers that are cut off or dead, in real int8 files."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from converter_tools import TINY, pixels_of

from converters import activations, flatbuffer, int8
from converters.activations import Activity
from edgecnn.errors import ModelError
from edgecnn.runtime.interpreter import Model

SHAPE = (8, 8, 3)


def test_a_healthy_file_has_neither() -> None:
    seen = activations.watch(TINY, pixels_of(SHAPE, 64, seed=9))
    assert [a.kind for a in seen] == ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"]
    assert [a.layer for a in seen] == ["re_lu", "depthwise_conv2d", "output"]
    assert not any(a.constant for a in seen)
    assert activations.saturated(seen) == activations.dead(seen) == []
    assert seen[0].low == 0 < seen[0].high


def test_pictures_unlike_those_of_the_calibration_saturate() -> None:
    rng = np.random.default_rng(0)
    hard = 255 * rng.integers(0, 2, (32, *SHAPE), np.uint8)  # it was calibrated on 20 to 230
    (finding,) = activations.saturated(activations.watch(TINY, hard))
    assert finding.kind == "saturated" and "--calibration" in finding.text
    assert activations.dead(activations.watch(TINY, hard)) == []


@pytest.fixture(scope="module")
def ill(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a layer that died, calibrated on pictures that are almost grey."""
    pytest.importorskip("tensorflow")
    import keras

    keras.utils.set_random_seed(1)
    folder = tmp_path_factory.mktemp("ill")
    picture = keras.Input(SHAPE)
    x = keras.layers.Conv2D(4, 3, name="alive", padding="same")(picture)
    silent = keras.layers.Conv2D(4, 3, name="silent", padding="same", activation="relu",
                                 bias_initializer=keras.initializers.Constant(-99))(x)  # fmt: skip
    x = keras.layers.Flatten()(keras.layers.Add()([x, silent]))
    keras.Model(picture, keras.layers.Dense(3)(x)).save(folder / "model.keras")
    np.save(folder / "grey.npy", pixels_of(SHAPE, 16) // 16 + 120)
    int8.convert(folder / "model.keras", folder / "grey.npy", folder / "ill.tflite")
    return folder / "ill.tflite"


def test_a_layer_that_died_is_told_where_the_run_time_does_not_load_it(tmp_path: Path) -> None:
    graph = flatbuffer.read(TINY)
    conv = next(o for o in graph.operations if o.kind == "CONV_2D")
    step = struct.pack("<f", graph.tensors[conv.outputs[0]].scales[0])
    content = TINY.read_bytes()
    assert content.count(step) == 1
    # What the converter writes where all calibration pictures give 0.
    (tmp_path / "dead.tflite").write_bytes(content.replace(step, struct.pack("<f", 8e-9)))
    with pytest.raises(ModelError, match=r"XNNPACK.*: a layer in it died.* smaller learning rate"):
        Model(tmp_path / "dead.tflite")


def test_a_dead_layer_is_named(ill: Path) -> None:
    seen = activations.watch(ill, pixels_of(SHAPE, 16) // 16 + 120)
    assert [a.layer for a in seen if a.constant] == ["silent"]
    (finding,) = activations.dead(seen)
    assert finding.kind == "dead" and "layer silent (CONV_2D)" in finding.text
    assert "smaller learning rate" in finding.text


def test_a_range_taken_from_grey_pictures_saturates(ill: Path) -> None:
    assert activations.saturated(activations.watch(ill, pixels_of(SHAPE, 16, 3) // 16 + 120)) == []
    (finding,) = activations.saturated(activations.watch(ill, pixels_of(SHAPE, 16, seed=3)))
    assert "(and so in " in finding.text


def test_calibration_tells_of_death_and_held_out_pictures_of_saturation(ill: Path) -> None:
    class Task:
        asked: str = ""

        @classmethod
        def samples(cls, run: Any, part: str, count: int, seed: int) -> Any:
            cls.asked = part
            return pixels_of(SHAPE, 16, 3), None

    class FakeRun:
        split = {"test": ["a"]}  # noqa: RUF012

    found = activations.check(Task, FakeRun(), ill, pixels_of(SHAPE, 16) // 16 + 120)  # type: ignore[arg-type]
    assert [f.kind for f in found] == ["dead", "saturated"] and Task.asked == "test"


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("embedder_1/stem_relu_1/Relu6;embedder_1/stem_conv_1/convolution", "stem_relu"),
        ("functional_1/conv2d_1_1/BiasAdd", "conv2d_1"),
        ("StatefulPartitionedCall_1:01", "output"),
        ("", "output"),
    ],
)
def test_layers_are_called_as_in_keras(name: str, layer: str) -> None:
    assert activations.layer_name(name) == layer


@pytest.mark.parametrize(
    ("scale", "zero_point", "ends"),
    [
        (6 / 255, -128, (False, False)),  # ReLU6
        (5 / 255, -128, (False, True)),  # a ReLU, or a ReLU6 that never got so far
        (0.05, -11, (True, True)),
        (1 / 256, -128, (False, False)),  # sigmoid
        (1 / 128, 0, (False, False)),  # tanh
    ],
)
def test_which_ends_belong_to_the_function(
    scale: float, zero_point: int, ends: tuple[bool, bool]
) -> None:
    facts = flatbuffer.TensorFacts("", (1,), False, "int8", (scale,), (zero_point,), 0)
    assert activations._ends(facts) == ends
    stored = np.array([-128, -128, 0, 127], np.int8)
    assert activations.at_the_ends(stored, *ends) == 2 * ends[0] + ends[1]


def test_the_worst_layer_is_told_and_how_many_more() -> None:
    def layer(name: str, share: float, values: int = 1000) -> Activity:
        return Activity(name, "CONV_2D", -1, 1, values, round(share * values), False)

    seen = [layer("a", 0.01), layer("b", 0.02), layer("c", 0.3)]
    (finding,) = activations.saturated(seen)
    assert "layer c (CONV_2D) 30.0 %" in finding.text and "(and so in 1 more layer)" in finding.text
    assert activations.saturated(seen[:1]) == activations.saturated([]) == []
    assert activations.saturated([layer("few", 0.1, 70)]) == []
    assert len(activations.saturated([layer("more", 0.1, 80)])) == 1

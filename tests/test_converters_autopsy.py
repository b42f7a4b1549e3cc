"""An autopsy on real files: every network is matched, and a spoiled layer is found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from converter_tools import TINY, TINY_FLOAT, pixels_of

from converters import autopsy, autopsy_advice, autopsy_match
from converters.autopsy_match import matched
from converters.cut import Network
from edgecnn.errors import ConversionError
from edgecnn.images import to_network
from edgecnn.networks import build
from edgecnn.runtime.child import environment
from edgecnn.runtime.interpreter import Model

TINY_PIXELS = pixels_of((8, 8, 3), 8, seed=9)


def test_layers_of_the_committed_files() -> None:
    found = autopsy.compare(TINY_FLOAT, TINY, TINY_PIXELS)
    assert [row.name for row in found.layers] == ["conv2d", "depthwise_conv2d", "dense"]
    assert found.layers[0].layers == ("re_lu", "conv2d")
    assert sum(row.share for row in found.layers) == pytest.approx(1)
    first, *_, last = found.layers
    assert first.sqnr_db == pytest.approx(first.own_sqnr_db, abs=0.01)  # nothing before it
    assert last.output_sqnr_db == pytest.approx(last.own_sqnr_db, abs=0.01)  # nothing behind it
    assert autopsy.layers(TINY_FLOAT, TINY, TINY_PIXELS) == list(found.layers)


def test_the_outputs_are_those_of_the_whole_files() -> None:
    whole, int8_file = Model(TINY_FLOAT), Model(TINY)
    true = np.concatenate([whole.invoke(to_network(p[None]))[0] for p in TINY_PIXELS])
    stored = np.concatenate([int8_file(p)[0] for p in TINY_PIXELS])
    expected = 10 * np.log10((true**2).sum() / ((true - stored) ** 2).sum())
    found = autopsy.compare(TINY_FLOAT, TINY, TINY_PIXELS)
    # The accelerated kernels round some values the other way in the whole than in a part.
    assert found.sqnr_db == pytest.approx(expected, abs=0.5)
    assert found.sqnr_db == found.layers[-1].sqnr_db and found.pictures == 8


def spoiled(file: Path, layer: int, out: Path) -> Path:
    """A file in which the weights of one layer, out of those that have some, moved by a place."""
    network = Network(file)
    holders = [o for o in network.graph.operations if o.macs]
    weights = network.graph.tensors[holders[layer].inputs[1]].stored
    moved = np.roll(np.frombuffer(weights, np.int8), 1).tobytes()
    content = file.read_bytes()
    assert content.count(weights) == 1
    out.write_bytes(content.replace(weights, moved))
    return out


def blamed(float_file: Path, int8_file: Path, pixels: Any, folder: Path) -> list[tuple[str, str]]:
    """For each layer with weights its name, and that of the worst once it is spoiled."""
    names = [row.name for row in autopsy.layers(float_file, int8_file, pixels) if row.weights]
    found = []
    for i, name in enumerate(names):
        ill = spoiled(int8_file, i, folder / "ill.tflite")
        found.append((name, autopsy.worst(autopsy.layers(float_file, ill, pixels)).name))
    return found


def test_the_layer_that_is_spoiled_is_the_worst(tmp_path: Path) -> None:
    found = blamed(TINY_FLOAT, TINY, TINY_PIXELS, tmp_path)
    assert found == [(n, n) for n in ("conv2d", "depthwise_conv2d", "dense")]


def test_files_of_different_networks_are_refused(files: Path) -> None:
    for one, other in (("compact", "dense"), ("dense", "compact")):
        with pytest.raises(ConversionError, match="of one network"):
            matched(Network(files / f"{one}-float.tflite"), Network(files / f"{other}.tflite"))


@pytest.mark.parametrize(
    ("tensor", "weights", "name", "fused"),
    [
        ("e_1/stem_relu_1/Relu6;e_1/stem_conv_1/convolution", "", "stem_conv",
         ("stem_relu", "stem_conv")),
        ("e_1/norm_1/batchnorm/add_1;e_1/dw_1/depthwise;e_1/norm_1/batchnorm/sub1", "", "dw",
         ("norm", "dw")),
        ("StatefulPartitionedCall_1:0", "compact_1/logits_1/MatMul1", "logits", ()),
        ("StatefulPartitionedCall_1:6", "", "output 6", ()),
        ("StatefulPartitionedCall:0", "arith.constant", "output 0", ()),
        ("d_1/s8_1a_1/Add", "", "s8_1a", ("s8_1a",)),
        ("anything", "", "anything", ()),
    ],
)  # fmt: skip
def test_layers_are_called_as_in_keras(
    tensor: str, weights: str, name: str, fused: tuple[str, ...]
) -> None:
    assert autopsy_match.called(tensor, weights) == name
    assert autopsy_match.fused(tensor) == fused


SMALL: dict[str, dict[str, Any]] = {
    "compact": {"input_shape": (16, 16, 3), "classes": 32, "channels": (8, 16)},
    "dense": {"input_shape": (8, 8, 1), "classes": 32},
    "embedder": {"size_wh": (32, 32), "dimension": 16, "stem": 8, "first_expansion": 16,
                 "stages": ((8, 16, 1), (16, 32, 1)), "head": 32},
    "detector": {"size_wh": (64, 64), "channels": (8, 8, 16, 16, 16), "depths": (0, 1, 1, 1),
                 "head": 16, "towers": 2},
}  # fmt: skip


ENDS = {
    "compact": {"stage1_conv1", "logits"},
    "dense": {"hidden1", "logits"},
    "embedder": {"stem_conv", "embedding"},
    "detector": {"stemc", "logit8", "l32x"},
}
"""Some layers of each, as Keras calls them, the last ones among them."""


def lively(network: Any) -> Any:
    """Give batch normalisation something to do."""
    rng = np.random.default_rng(0)
    for layer in network.layers:
        if "BatchNormalization" in type(layer).__name__:
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights(
                [rng.uniform(0.5, 1.5, gamma.shape), rng.normal(0, 0.2, beta.shape),
                 rng.normal(0, 0.1, mean.shape), rng.uniform(0.2, 1, variance.shape)]
            )  # fmt: skip
    return network


def hard(ratio: float = 100.0) -> Any:
    """Four of 16 channels of ``wide`` are ``ratio`` times the others, and ``mix`` takes it back:
    the same function for every ratio."""
    from keras import Input, Model, layers, utils

    utils.set_random_seed(3)
    x = picture = Input((16, 16, 3))
    x = layers.Conv2D(16, 3, 2, padding="same", activation="relu", name="stem")(x)
    x = layers.DepthwiseConv2D(3, padding="same", activation="relu", name="wide")(x)
    x = layers.Conv2D(16, 1, activation="relu", name="mix")(x)
    x = layers.Conv2D(24, 3, 2, padding="same", activation="relu", name="deep")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    network = Model(picture, layers.Dense(5, name="logits")(x), name="hard")
    scale = np.where(np.arange(16) < 4, ratio, 1.0)[:, None]
    for name, factor in (("wide", scale), ("mix", 1 / scale)):
        kernel, bias = network.get_layer(name).get_weights()
        network.get_layer(name).set_weights([kernel * factor, bias])
    return network


def odd() -> Any:
    """Layers that become more than one operation in int8, or stay in float."""
    from keras import Input, Model, layers

    x = picture = Input((16, 16, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="elu", name="elu")(x)
    a = layers.Conv2D(8, 3, 2, padding="same", activation="hard_swish", name="swish")(x)
    b = layers.MaxPooling2D(name="pool")(layers.ZeroPadding2D(1, name="pad")(x))[:, :8, :8]
    x = layers.Concatenate(name="join")([a, b])
    x = layers.Conv2D(8, 1, activation="gelu", name="gelu")(x)
    gate = layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(x)
    gate = layers.Conv2D(8, 1, activation="sigmoid", name="gate")(gate)
    x = layers.Multiply(name="scale")([x, gate])
    x = layers.Conv2DTranspose(4, 2, 2, name="up")(x)
    x = layers.UnitNormalization(name="unit")(layers.Flatten(name="flat")(x))
    return Model(picture, [layers.Dense(3, activation="softmax", name="classes")(x), gate])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``NAME.tflite`` and ``NAME-float.tflite`` of each network."""
    pytest.importorskip("tensorflow")
    import keras

    keras.utils.set_random_seed(3)
    folder = tmp_path_factory.mktemp("files")
    networks = {name: lively(build(name, **options)) for name, options in SMALL.items()}
    networks |= {"hard": hard(), "even": hard(ratio=1.0), "odd": odd()}
    for name, network in networks.items():
        network.save(folder / f"{name}.keras")
        np.save(folder / f"{name}.npy", pictures(network, 48, seed=1))
    # One child for all: int8.convert would import TensorFlow anew for each.
    code = (
        "from converters.int8 import as_child\n"
        f"for n in {list(networks)!r}:\n"
        "    as_child(f'{n}.keras', f'{n}.npy', f'{n}.tflite', float_out=f'{n}-float.tflite')\n"
    )
    quiet = environment(TF_CPP_MIN_LOG_LEVEL="3", KERAS_BACKEND="tensorflow")
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=quiet, check=True)
    return folder


def pictures(network: Any, count: int, seed: int) -> Any:
    """Squares of four pixels: ``(count, H, W, C)`` uint8."""
    h, w, c = network.input.shape[1:]
    coarse = np.random.default_rng(seed).integers(0, 256, (count, h // 4, w // 4, c), np.uint8)
    return coarse.repeat(4, 1).repeat(4, 2)


def pair(folder: Path, name: str) -> tuple[Path, Path, Any]:
    import keras

    network = keras.saving.load_model(folder / f"{name}.keras", compile=False)
    return folder / f"{name}-float.tflite", folder / f"{name}.tflite", pictures(network, 4, seed=2)


@pytest.mark.parametrize("name", SMALL)
def test_every_network_is_matched_and_its_errors_add_up(files: Path, name: str) -> None:
    real, stored, pixels = pair(files, name)
    found = autopsy.compare(real, stored, pixels)
    operations = Network(real).graph.operations
    weighty = [row for row in found.layers if row.weights]
    assert len(weighty) == sum(1 for o in operations if o.macs)
    assert len({row.name for row in found.layers}) == len(found.layers)
    assert ENDS[name] <= {row.name for row in weighty}
    # Errors of different layers are nearly independent: together they are what is measured.
    together = -10 * np.log10(sum(10 ** (-row.output_sqnr_db / 10) for row in found.layers))
    assert together == pytest.approx(found.sqnr_db, abs=3)
    assert all(row.own_sqnr_db > 30 for row in weighty)


@pytest.mark.parametrize("name", ["compact", "dense", "embedder"])
def test_a_spoiled_layer_is_found_in_every_network(files: Path, name: str, tmp_path: Path) -> None:
    assert [(a, b) for a, b in blamed(*pair(files, name), tmp_path) if a != b] == []


def test_what_neither_ratio_finds_in_a_hard_network(files: Path) -> None:
    """The small channels of ``wide`` are lost and the network lives on them; its own ratio is fine
    since the large ones make it."""
    found = autopsy.compare(*pair(files, "hard"))
    rows = {row.name: row for row in found.layers}
    assert found.sqnr_db < 12 < 35 < rows["wide"].own_sqnr_db
    assert min(found.layers, key=lambda row: row.own_sqnr_db).name == "mix"
    assert min(found.layers, key=lambda row: row.sqnr_db).name not in ("wide", "stem")
    assert autopsy.worst(found.layers).name == "wide" and rows["wide"].share > 0.5
    assert rows["wide"].activations.narrow == 12
    weights = rows["mix"].weights
    assert weights is not None and weights.narrow_inputs == 4
    advice = autopsy_advice.advise(found)
    assert [(a.layer, a.cure) for a in advice] == [(n, "equalisation") for n in ("wide", "mix")]
    assert "12 of 16 channels take fewer than 8 of its 256 steps" in advice[0].text
    # The cause is the right one: the same function with even channels loses nothing.
    even = autopsy.compare(*pair(files, "even"))
    assert even.sqnr_db > 30 and autopsy_advice.advise(even) == []


def test_operations_that_the_converter_takes_apart(files: Path) -> None:
    found = autopsy.compare(*pair(files, "odd"))
    rows = {row.name: row for row in found.layers}
    assert {"swish", "gelu", "gate", "scale", "up"} <= set(rows)
    assert all(np.isfinite([r.sqnr_db, r.own_sqnr_db, r.share]).all() for r in found.layers)
    assert found.sqnr_db == pytest.approx(10 * np.log10(1 / _noise(files)), abs=0.5)


def _noise(files: Path) -> float:
    """Of the two outputs of ``odd`` the mean relative power of the difference, by whole files."""
    real, stored, pixels = pair(files, "odd")
    whole, int8_file = Model(real), Model(stored)
    names = [t.name for t in int8_file.outputs]
    ratios = []
    for place, tensor in enumerate(whole.outputs):
        true = np.concatenate([whole.invoke(to_network(p[None]))[place] for p in pixels])
        now = np.concatenate([int8_file(p)[names.index(tensor.name)] for p in pixels])
        ratios.append(((true - now) ** 2).sum() / (true**2).sum())
    return float(np.mean(ratios))

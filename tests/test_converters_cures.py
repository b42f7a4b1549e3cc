"""Each cure by itself: equalisation, biases, ranges, rounding to train with, a layer in float."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from converter_tools import pixels_of, tiny_detector
from hard_run import network, unbalance

from converters import flatbuffer, int8
from edgecnn.errors import ConversionError
from edgecnn.runtime.child import environment
from edgecnn.runtime.interpreter import Model

pytest.importorskip("tensorflow")

import keras
from keras import layers

from converters import bias_correction, equalise, graph, qat, ranges
from converters import fake_quantise as rounding
from converters.heal import in_float
from converters.models import Made

PIXELS = pixels_of((8, 8, 1), 64)


def normalised(trained: Any, seed: int = 0) -> Any:
    """Batch normalisations as training might leave them."""
    rng = np.random.default_rng(seed)
    for layer in trained.layers:
        if isinstance(layer, layers.BatchNormalization):
            scale, shift, mean, variance = layer.get_weights()
            layer.set_weights(
                [rng.uniform(0.5, 1.5, scale.shape), rng.normal(0.2, 0.3, shift.shape),
                 rng.normal(0, 0.2, mean.shape), rng.uniform(0.05, 0.5, variance.shape)]
            )  # fmt: skip
    return trained


def chain(*parts: Any, shape: tuple[int, int, int] = (8, 8, 1)) -> Any:
    keras.utils.set_random_seed(4)
    x = pixels = keras.Input(shape)
    for part in parts:
        x = part(x)
    return keras.Model(pixels, x)


def decibels(exact: Any, other: Any) -> float:
    exact, other = np.asarray(exact, np.float64), np.asarray(other, np.float64)
    return float(10 * np.log10(exact.var() / np.mean((exact - other) ** 2)))


def same(one: Any, other: Any, pixels: Any = PIXELS) -> bool:
    pairs = zip(graph.outputs_of(one, pixels), graph.outputs_of(other, pixels), strict=True)
    return all(np.allclose(a, b, atol=1e-4 * (np.ptp(a) + 1e-6)) for a, b in pairs)


# A network taken apart.


def own_networks() -> list[Any]:
    from edgecnn.networks import build

    size = {"size_wh": (32, 32)}
    return [
        build("compact", input_shape=(16, 16, 3), classes=3, channels=[4, 8]),
        build("dense", input_shape=(16, 16, 3), classes=3),
        build("embedder", **size, stages=((8, 16, 1), (8, 16, 1)), stem=4, head=16, dimension=8),
        build("detector", **size, channels=(4, 8, 8, 8, 8), depths=(0, 1, 1, 1), head=8),
    ]


def test_folded_our_networks_compute_the_same() -> None:
    for trained in map(normalised, own_networks()):
        folded = graph.fold(trained)
        assert same(trained, folded, pixels_of(trained.input.shape[1:], 8)), trained.name
        kinds = {type(layer) for layer in folded.layers}
        assert not any(issubclass(kind, layers.BatchNormalization) for kind in kinds)


def test_folding_leaves_what_it_must_not_touch() -> None:
    """A normalisation of the input, one whose input is needed elsewhere, one behind a ReLU."""
    x = pixels = keras.Input((8, 8, 1))
    x = layers.BatchNormalization()(x)
    y = layers.Conv2D(4, 3, padding="same")(x)
    z = layers.BatchNormalization()(y)
    z = layers.Conv2D(4, 1, activation="relu")(layers.Add()([y, z]))
    z = layers.Dropout(0.5)(layers.BatchNormalization()(z))
    trained = normalised(keras.Model(pixels, z))
    folded = graph.fold(trained)
    assert same(trained, folded)
    norms = [x for x in folded.layers if isinstance(x, layers.BatchNormalization)]
    assert len(norms) == 3
    assert not any(isinstance(x, layers.Dropout) for x in folded.layers)


def test_a_sequential_network_and_a_layer_used_twice() -> None:
    twice = layers.Conv2D(1, 3, padding="same", activation="relu")
    for trained in (keras.Sequential([keras.Input((8, 8, 1)), twice]), chain(twice, twice)):
        assert same(trained, graph.fold(trained))


# Equalisation.


@pytest.mark.parametrize("relu", [None, 6.0])
def test_equalised_it_computes_the_same(relu: float | None) -> None:
    folded = graph.fold(normalised(network(relu)))
    before = graph.outputs_of(folded, PIXELS)[0]
    healed, pairs = equalise.equalise(folded, PIXELS)
    assert pairs == 7
    np.testing.assert_allclose(graph.outputs_of(healed, PIXELS)[0], before, atol=1e-3)


def test_equalised_channels_are_alike_before_a_depthwise_layer() -> None:
    hard = unbalance(normalised(network()))
    before = graph.extremes(hard, PIXELS)["stem_relu"][1]
    after = graph.extremes(equalise.equalise(hard, PIXELS)[0], PIXELS)["stem_relu"][1]
    assert before.max() > 100 * before[before > 0].min()
    assert after.max() == pytest.approx(after[after > 0].min(), rel=1e-3)


def test_factors_worked_by_hand() -> None:
    """Channels of size 8 and 2, the reader's weights 1 and 1/4: both are equalised by one half."""
    first, reader = layers.Conv2D(2, 1, name="first"), layers.Conv2D(1, 1, name="reader")
    chain(first, layers.ReLU(name="relu"), reader)
    reader.set_weights([np.array([[[[1.0], [0.25]]]]), np.zeros(1)])
    pair = equalise.Pair(first, [reader], False, "relu")
    extremes = {"relu": (np.zeros(2, np.float32), np.array([8, 2], np.float32))}
    # Shares of activations 1 and 1/4, of weights 1 and 1/4: sqrt(a·w) is 1 and 1/4 as well.
    assert equalise.factors(pair, extremes).tolist() == pytest.approx([1, 1])
    reader.set_weights([np.array([[[[0.25], [1.0]]]]), np.zeros(1)])
    # Now both are to use sqrt(1/4): the small channel becomes as large as the other.
    assert equalise.factors(pair, extremes).tolist() == pytest.approx([1, 4])


def test_a_channel_near_the_end_of_relu6_stays() -> None:
    first, reader = layers.Conv2D(3, 1, name="first"), layers.DepthwiseConv2D(3, name="reader")
    chain(first, layers.ReLU(6.0, name="relu"), reader)
    pair = equalise.Pair(first, [reader], True, "relu")
    zeros, peak = np.zeros(3, np.float32), np.array([9, 0.5, 0], np.float32)
    found = equalise.factors(pair, {"first": (zeros, peak), "relu": (zeros, np.minimum(peak, 6))})
    assert found.tolist() == pytest.approx([1, 6, 1])  # 0.5 up to 3; a dead channel as it is


def test_what_may_not_be_scaled() -> None:
    def conv() -> Any:
        return layers.Conv2D(4, 3, padding="same")

    x = pixels = keras.Input((8, 8, 1))
    x = layers.ReLU()(conv()(x))
    y = conv()(x)  # the shortcut reads x as well
    shortcut = keras.Model(pixels, layers.Add()([x, y]))
    assert equalise.pairs(shortcut) == []
    for between in ("sigmoid", "softmax", "tanh"):
        assert equalise.pairs(chain(conv(), layers.Activation(between), conv())) == []
    assert equalise.pairs(chain(conv(), layers.ReLU(), layers.Conv2D(4, 3, groups=2))) == []
    flat = chain(conv(), layers.ReLU(), layers.Flatten(), layers.Dense(5))
    assert len(equalise.pairs(flat)) == 1
    healed, _ = equalise.equalise(unbalance_flat(flat), PIXELS)
    assert same(flat, healed)


def unbalance_flat(trained: Any) -> Any:
    """A convolution and a dense layer over its flattened map, one channel 100 times as large."""
    folded = graph.fold(trained)
    conv, dense = (layer for layer in folded.layers if graph.is_weighted(layer))
    factors = np.array([1, 100, 1, 1], np.float32)
    kernel, bias = conv.get_weights()
    conv.set_weights([kernel * factors, bias * factors])
    kernel, bias = dense.get_weights()
    dense.set_weights([kernel / np.tile(factors, 64)[:, None], bias])
    return folded


# Rounding to train with.


def test_weights_round_as_int8_does() -> None:
    conv, dense = layers.Conv2D(2, 1), layers.Dense(2)
    for layer, shape in ((conv, (1, 1, 1)), (dense, (1,))):
        layer.build((None, *shape))
        layer.set_weights([np.array([127.0, 2.54], np.float32).reshape(*shape, 2), np.zeros(2)])
    assert np.asarray(rounding.rounded_kernel(conv)).ravel().tolist() == pytest.approx([127, 2.54])
    assert np.asarray(rounding.rounded_kernel(dense)).ravel().tolist() == pytest.approx([127, 3])


def test_values_round_within_their_range_and_0_stays_0() -> None:
    layer = rounding.RoundActivations()
    layer.build((None, 5))
    layer.set_range(-1.0, 1.55)  # a step is 0.01
    given = np.array([[-3.0, -0.014, 0.0, 0.126, 9.0]], np.float32)
    found = np.asarray(layer(given))[0].tolist()
    assert found == pytest.approx([-1, -0.01, 0, 0.13, 1.55], abs=1e-6)
    layer.set_range(0.5, 2.55)  # 0 is always within
    assert np.asarray(layer(given))[0].tolist() == pytest.approx([0, 0, 0, 0.13, 2.55], abs=1e-6)


def test_the_gradient_goes_straight_through() -> None:
    import tensorflow as tf

    layer = rounding.RoundActivations()
    layer.build((None, 3))
    layer.set_range(0.0, 2.55)
    x = tf.constant([[0.126, -1.0, 9.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
    assert tape.gradient(y, x).numpy().tolist() == [[1.0, 0.0, 0.0]]


@pytest.fixture(scope="module")
def hard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network whose channels are a factor of 300 apart, as ``model.keras`` and in int8."""
    folder = tmp_path_factory.mktemp("hard")
    unbalance(normalised(network()), 300).save(folder / "model.keras")
    np.save(folder / "pixels.npy", PIXELS)
    convert(folder, "plain.tflite")
    return folder


def convert(folder: Path, out: str, **options: Any) -> Path:
    args = (folder / "model.keras", folder / "pixels.npy", folder / out, folder / "float.tflite")
    int8.convert(*args, **options)
    return folder / out


def loaded(folder: Path) -> Any:
    return graph.fold(keras.saving.load_model(folder / "model.keras", compile=False))


def run(file: Path, pixels: Any = PIXELS) -> Any:
    model = Model(file)
    return np.concatenate([model(one)[0] for one in pixels])


def test_the_twin_computes_what_the_int8_file_does(hard: Path) -> None:
    exact = loaded(hard)
    pixels = pixels_of((8, 8, 1), 64, seed=7)
    ours, theirs = (
        graph.outputs_of(rounding.rounding_twin(exact, PIXELS), pixels)[0],
        run(hard / "plain.tflite", pixels),
    )
    truth = graph.outputs_of(exact, pixels)[0]
    assert decibels(theirs, ours) > decibels(theirs, truth) + 6


def test_corrected_biases_bring_the_means_back(hard: Path) -> None:
    exact = loaded(hard)
    wanted = graph.outputs_of(exact, PIXELS)[0].mean(axis=0)
    before = graph.outputs_of(rounding.rounding_twin(exact, PIXELS), PIXELS)[0].mean(axis=0)
    corrected = bias_correction.correct(loaded(hard), PIXELS)
    twin = rounding.rounding_twin(corrected, PIXELS)
    after = graph.outputs_of(twin, PIXELS)[0].mean(axis=0)
    assert np.abs(after - wanted).mean() < 0.5 * np.abs(before - wanted).mean()
    kernels = [[x.get_weights()[0] for x in n.layers if x.weights] for n in (exact, corrected)]
    assert all(np.array_equal(a, b) for a, b in zip(*kernels, strict=True))


def test_fine_tuning_brings_rounded_outputs_nearer(
    hard: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qat, "EPOCHS", 2)
    monkeypatch.setattr(qat, "STEPS", 30)
    exact, pixels = loaded(hard), pixels_of((8, 8, 1), 256, seed=3)
    tuned = qat.tune(loaded(hard), exact, pixels, PIXELS)
    fresh = pixels_of((8, 8, 1), 64, seed=9)
    truth = graph.outputs_of(exact, fresh)[0]
    before, after = (
        decibels(truth, graph.outputs_of(rounding.rounding_twin(n, PIXELS), fresh)[0])
        for n in (exact, tuned)
    )
    assert after > before + 3


def test_a_network_of_nine_outputs_is_tuned_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qat, "EPOCHS", 1)
    monkeypatch.setattr(qat, "STEPS", 2)
    teacher, pixels = tiny_detector(), pixels_of((64, 64, 3), 8)
    before = [w.copy() for w in graph.fold(teacher).get_weights()]
    tuned = qat.tune(graph.fold(teacher), teacher, pixels, pixels)
    assert any(not np.array_equal(a, b) for a, b in zip(before, tuned.get_weights(), strict=True))


def test_it_learns_under_jax_without_tensorflow() -> None:
    code = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "import numpy as np, keras\n"
        "from converters import bias_correction, equalise, graph, qat\n"
        "qat.EPOCHS, qat.STEPS = 1, 2\n"
        "x = p = keras.Input((8, 8, 1))\n"
        "x = keras.layers.ReLU()(keras.layers.Conv2D(4, 3)(x))\n"
        "net = keras.Model(p, keras.layers.Conv2D(2, 3)(x))\n"
        "pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 1), np.uint8)\n"
        "found, pairs = equalise.equalise(graph.fold(net), pixels)\n"
        "found = bias_correction.correct(found, pixels)\n"
        "print(pairs, qat.tune(found, net, pixels, pixels).count_params())"
    )
    pytest.importorskip("jax")
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(KERAS_BACKEND="jax", JAX_PLATFORMS="cpu"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1", "114"]


# Other ranges, and a layer in float, in the file itself.


@pytest.mark.parametrize(
    ("counts", "low", "high", "percentile", "expected"),
    [
        ([0, 0, 98, 2], 0.0, 4.0, 98.0, (0.0, 3.0)),
        ([0, 0, 98, 2], 0.0, 4.0, 98.1, (0.0, 4.0)),
        ([1, 9, 90, 5, 5, 90, 9, 1], -4.0, 4.0, 90.0, (-2.0, 2.0)),
        ([1, 9, 90, 5, 5, 90, 9, 1], -4.0, 4.0, 95.0, (-3.0, 3.0)),
        ([50, 0, 0, 1], 0.0, 4.0, 100.0, (0.0, 4.0)),  # the first part holds 0: not counted
        ([5, 0, 0, 0], 0.0, 4.0, 99.0, (0.0, 0.0)),
    ],
)
def test_what_a_percentile_leaves(
    counts: list[int], low: float, high: float, percentile: float, expected: tuple[float, float]
) -> None:
    assert ranges.within(np.array(counts), low, high, percentile) == pytest.approx(expected)


def scales(file: Path) -> dict[str, float]:
    facts = flatbuffer.read(file)
    made = [facts.tensors[o.outputs[0]] for o in facts.operations]
    return {t.name: t.scales[0] for t in made if t.dtype == "int8"}


def test_ranges_are_cut_in_the_file(hard: Path) -> None:
    cut, plain = scales(convert(hard, "cut.tflite", percentile=99.0)), scales(hard / "plain.tflite")
    assert cut.keys() == plain.keys()
    assert all(cut[name] <= plain[name] * 1.01 for name in cut)
    assert sum(cut[name] < 0.9 * plain[name] for name in cut) >= 4
    ends = [
        [m.inputs[0], m.outputs[0]]
        for m in (Model(hard / f) for f in ("cut.tflite", "plain.tflite"))
    ]
    assert [(t.scale, t.zero_point) for t in ends[0]] == [(t.scale, t.zero_point) for t in ends[1]]


def test_the_last_layer_stays_in_float_in_the_file(hard: Path) -> None:
    facts = flatbuffer.read(hard / "plain.tflite")
    name = facts.tensors[facts.operations[-2].outputs[0]].name
    plain = Made(hard / "plain.tflite", hard / "float.tflite", None)  # type: ignore[arg-type]
    file = convert(hard, "last.tflite", float_layers=[in_float(plain, name)])
    found = flatbuffer.read(file)
    computed = [
        o.kind
        for o in found.operations
        if found.tensors[o.outputs[0]].dtype == "float32" and o.kind != "DEQUANTIZE"
    ]
    assert computed == ["FULLY_CONNECTED"] and Model(file).inputs[0].dtype == "uint8"
    truth = graph.outputs_of(loaded(hard), PIXELS)[0]
    assert decibels(truth, run(file)) > decibels(truth, run(plain.file)) - 0.5
    with pytest.raises(ConversionError, match="FULLY_CONNECTED in float, expected int8"):
        int8.check(file)


def test_a_layer_that_is_not_there_is_refused(hard: Path) -> None:
    converter = SimpleNamespace(convert=(hard / "float.tflite").read_bytes)
    with pytest.raises(ConversionError, match="there is no layer nowhere to keep in float"):
        ranges.quantise(converter, PIXELS, None, ("nowhere",))

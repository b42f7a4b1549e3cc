"""Keras layers, converted as we convert, before the rules of the Edge TPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from converter_tools import SMALL, finished_run

from converters import edgetpu_rules as rules
from converters import flatbuffer, int8, preflight
from edgecnn import networks
from edgecnn.errors import ConversionError, ModelError

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.filterwarnings("ignore:Statistics for quantized inputs:UserWarning")


def converted(network: Any, folder: Path) -> preflight.Prediction:
    """As :func:`preflight.predict` does it, in this process: TensorFlow is loaded already."""
    network.save(folder / "model.keras")
    int8.as_child(str(folder / "model.keras"), "", str(folder / "m.tflite"))
    return preflight.of_graph(flatbuffer.read(folder / "m.tflite"))


def test_each_network_has_a_small_one() -> None:
    assert set(SMALL) == set(networks.NETWORKS)


@pytest.mark.parametrize("name", SMALL)
def test_each_of_our_networks_maps_whole(name: str, tmp_path: Path) -> None:
    found = converted(networks.build(name, **SMALL[name]), tmp_path)
    assert [(o.kind, o.status) for o in found.operations if not o.mapped] == []
    assert found.complete and found.notes == ()


def between(layer: Callable[[Any], Any]) -> Any:
    """A network with ``layer`` between two convolutions."""
    import keras

    x = picture = keras.Input((8, 8, 4))
    x = layer(keras.layers.Conv2D(4, 3, padding="same")(x))
    return keras.Model(picture, keras.layers.Conv2D(2, 1)(x))


def test_a_sequential_network(tmp_path: Path) -> None:
    import keras

    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3), keras.layers.Flatten()]
    assert converted(keras.Sequential(layers), tmp_path).complete


@pytest.mark.parametrize("shape", [(20,), (None, None, 3)])
def test_made_up_pictures_need_one_input_of_one_size(shape: tuple[int | None, ...]) -> None:
    import keras

    picture = keras.Input((4, 6, 3))
    assert int8._made_up([picture]).shape == (4, 4, 6, 3)
    for inputs in ([keras.Input(shape)], [picture, picture]):
        with pytest.raises(ValueError, match="one picture of one size"):
            int8._made_up(inputs)


LAYERS: dict[str, tuple[str, str]] = {
    "LeakyReLU()": ("partly", "from LeakyReLU: ReLU"),
    "Activation('hard_silu')": ("partly", "from hard_swish: ReLU"),
    "Activation('gelu')": ("refused", "ReLU, ReLU(6) or PReLU"),
    "Activation('selu')": ("refused", "from SELU"),
    "ELU()": ("partly", "ReLU, ReLU(6) or PReLU"),
    "Conv2D(4, 3, groups=2)": ("refused", "grouped convolution"),
    "UpSampling2D()": ("refused", "keras.ops.image.resize"),
    "UpSampling2D(interpolation='bilinear')": ("mapped", ""),
    "LayerNormalization()": ("partly", "BatchNormalization in its place"),
    "UnitNormalization()": ("partly", "normalise the output in numpy"),
    "Dense(4)": ("partly", "1×1 convolution"),
    "PReLU(shared_axes=[1, 2], alpha_initializer='ones')": ("mapped", ""),
    "BatchNormalization()": ("mapped", ""),
    "Conv2DTranspose(4, 3, 2)": ("mapped", ""),
    "Conv2D(4, 3, dilation_rate=2)": ("mapped", ""),
    "Activation('swish')": ("mapped", ""),
}
"""Layer to what the compiler would do, and the cure."""


@pytest.mark.parametrize("layer", LAYERS)
def test_layers_and_their_cures(layer: str, tmp_path: Path) -> None:
    import keras

    verdict, cure = LAYERS[layer]
    found = converted(between(eval(f"layers.{layer}", {"layers": keras.layers})), tmp_path)
    assert found.verdict == verdict
    cures = [r.cure for r in found.refusals] + [found.operations[i].cure for i in found.cuts]
    assert any(cure in c for c in cures) if cure else cures == []


def test_a_run_is_converted_in_a_process_of_its_own(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "run", "images").path
    found = preflight.predict(run)
    assert (found.file, found.complete, found.mapped) == (str(run), True, 6)
    (run / "model.keras").unlink()
    with pytest.raises(ModelError, match=r"model\.keras cannot be read"):
        preflight.predict(run)


def test_a_network_for_any_size_is_told(tmp_path: Path) -> None:
    import keras

    picture = keras.Input((None, None, 3))
    keras.Model(picture, keras.layers.Conv2D(2, 1)(picture)).save(tmp_path / "net.keras")
    with pytest.raises(ConversionError, match="one picture of one size"):
        preflight.predict(tmp_path / "net.keras")


def test_a_second_subgraph_is_named_behind_a_cut(tmp_path: Path) -> None:
    import keras

    found = converted(between(keras.layers.LeakyReLU()), tmp_path)
    assert [o.status for o in found.operations] == [
        rules.MAPPED, rules.MAPPED, rules.UNSUPPORTED, rules.LATE, rules.LATE,
    ]  # fmt: skip

"""The layer table, against numbers worked by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from converter_tools import TINY, tiny_classifier

from edgecnn.errors import BundleError, ModelError
from edgecnn.report.layers import Layer, as_dict, as_text, keras_layers, load, totals

keras = pytest.importorskip("keras")


def test_the_tiny_network() -> None:
    found = [
        (r.type, r.output_shape, r.parameters, r.macs, r.bytes, r.int8_bytes)
        for r in keras_layers(tiny_classifier())
    ]
    assert found == [
        ("InputLayer", (8, 8, 3), 0, 0, 0, 0),
        ("Conv2D", (4, 4, 4), 108, 4 * 4 * 4 * 27, 432, 108),
        ("BatchNormalization", (4, 4, 4), 16, 0, 64, 16),  # 4 biases of 4 bytes are left
        ("ReLU", (4, 4, 4), 0, 0, 0, 0),
        ("DepthwiseConv2D", (4, 4, 4), 40, 4 * 4 * 4 * 9, 160, 36 + 4 * 4),
        ("Flatten", (64,), 0, 0, 0, 0),
        ("Dense", (3,), 195, 192, 780, 192 + 4 * 3),
    ]


@pytest.mark.parametrize(
    ("layer", "macs"),
    [
        (lambda k: k.Conv2D(6, 3, groups=3, padding="same"), 8 * 8 * 6 * 9),
        (lambda k: k.Conv2DTranspose(5, 2, 2), 8 * 8 * 3 * 4 * 5),
        (lambda k: k.DepthwiseConv2D(3, depth_multiplier=2), 6 * 6 * 6 * 9),
        (lambda k: k.SeparableConv2D(4, 3), 6 * 6 * (3 * 9 + 3 * 4)),
        (lambda k: k.Dense(7), 8 * 8 * 7 * 3),
        (lambda k: k.MaxPooling2D(2), 0),
    ],
)
def test_multiply_accumulates(layer: object, macs: int) -> None:
    network = keras.Sequential([keras.Input((8, 8, 3)), layer(keras.layers)])
    assert sum(r.macs for r in keras_layers(network)) == macs


def test_networks_inside_a_network_are_listed() -> None:
    inside = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)])
    picture = keras.Input((8, 8, 3))
    network = keras.Model(picture, keras.layers.Flatten()(inside(picture)))
    assert "Conv2D" in [r.type for r in keras_layers(network)]
    assert totals(keras_layers(network))["parameters"] == network.count_params() == 8


def test_sums_and_the_empty_table() -> None:
    assert totals([]) == {"layers": 0, "parameters": 0, "macs": 0, "bytes": 0, "int8_bytes": 0}
    rows = [Layer("a", "A", (1,), 1, 2, 4, 1), Layer("b", "B", (), 10, 20, 40, None)]
    expected = {"layers": 2, "parameters": 11, "macs": 22, "bytes": 44, "int8_bytes": None}
    assert totals(rows) == as_dict(rows)["totals"] == expected
    assert as_text(rows).splitlines()[-1].split() == ["total", "2", "layers", "11", "22", "44"]
    assert as_text([]).startswith("layer")


def test_what_is_no_network(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        load(tmp_path / "none.keras")
    (tmp_path / "bad.keras").write_bytes(b"PK nonsense")
    with pytest.raises(ModelError, match="no Keras network that loads"):
        load(tmp_path / "bad.keras")


def test_inspect_reads_keras_and_tflite_alike(tmp_path: Path) -> None:
    from edgecnn.cli.inspect import command

    tiny_classifier().save(tmp_path / "model.keras")
    for path in (tmp_path / "model.keras", TINY):
        told = CliRunner().invoke(command, [str(path), "--json"], catch_exceptions=False)
        assert json.loads(told.stdout)[path.name]["totals"]["macs"] == 2496
        text = CliRunner().invoke(command, [str(path)], catch_exceptions=False).output
        assert "2,496" in text.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("a.txt", "hello", ModelError),
        ("a.tflite", "hello", ModelError),
        ("manifest.json", "{}", BundleError),
        ("run.json", "{}", ModelError),
    ],
)
def test_inspect_tells_what_it_expected(
    tmp_path: Path, name: str, content: str, error: type[Exception]
) -> None:
    from edgecnn.cli.inspect import command

    (tmp_path / name).write_text(content)
    path = tmp_path if name.endswith(".json") else tmp_path / name
    assert isinstance(CliRunner().invoke(command, [str(path)]).exception, error)

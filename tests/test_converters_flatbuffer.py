"""What stands in a ``.tflite`` file, against numbers worked by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from converter_tools import TINY, TINY_FLOAT

from converters import flatbuffer
from edgecnn.errors import ModelError

# Kind, output, parameters, multiply-accumulates, bytes. A 3×3 kernel from 3 to 4 channels has
# 108 weights, and 4 biases from the batch normalisation; the 4×4 output takes 4·4·4·27 products.
# The dense layer's biases are all zero, and the converter leaves these out.
BY_HAND = [
    ("QUANTIZE", (8, 8, 3), 0, 0, 0),
    ("CONV_2D", (4, 4, 4), 112, 1728, 108 + 4 * 4),
    ("DEPTHWISE_CONV_2D", (4, 4, 4), 40, 576, 36 + 4 * 4),
    ("RESHAPE", (64,), 0, 0, 0),
    ("FULLY_CONNECTED", (3,), 192, 192, 192),
    ("QUANTIZE", (3,), 0, 0, 0),
]


def rows(path: Path) -> list[tuple[object, ...]]:
    layers = flatbuffer.layers(flatbuffer.read(path))
    return [(r.type, r.output_shape, r.parameters, r.macs, r.bytes) for r in layers]


def test_the_int8_file() -> None:
    assert rows(TINY) == BY_HAND


def test_the_float_file_has_the_same_without_quantising() -> None:
    expected = [(k, s, p, m, 4 * p) for k, s, p, m, _ in BY_HAND if k != "QUANTIZE"]
    assert rows(TINY_FLOAT) == expected
    assert {r.int8_bytes for r in flatbuffer.layers(flatbuffer.read(TINY_FLOAT))} == {None}


def test_the_tensors() -> None:
    graph = flatbuffer.read(TINY)
    picture = graph.input()
    assert (picture.dtype, picture.shape, picture.dynamic) == ("uint8", (1, 8, 8, 3), False)
    assert (picture.scales, picture.zero_points) == ((1 / 128,), (128,))
    assert (picture.constant_bytes, picture.bytes) == (0, 192)
    kernel = graph.tensors[graph.operations[1].inputs[1]]
    assert len(kernel.scales) == 4 and set(kernel.zero_points) == {0}  # one a channel
    assert (graph.subgraphs, graph.file_bytes) == (1, TINY.stat().st_size)


def test_a_cut_off_file_is_told(tmp_path: Path) -> None:
    content = TINY.read_bytes()
    for length in range(0, len(content), 97):
        (tmp_path / "cut.tflite").write_bytes(content[:length])
        with pytest.raises(ModelError, match=r"cut\.tflite"):
            flatbuffer.read(tmp_path / "cut.tflite")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such file"):
        flatbuffer.read(tmp_path / "none.tflite")

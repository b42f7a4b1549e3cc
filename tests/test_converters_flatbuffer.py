"""What stands in a ``.tflite`` file, against numbers worked by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from converter_tools import TINY, TINY_FLOAT
from flat_models import Op, T, write

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


def test_the_settings_of_operations() -> None:
    convolution, dense = (flatbuffer.read(TINY).operations[i] for i in (1, 4))
    relu6 = {"dilation_h_factor": 1, "dilation_w_factor": 1, "fused_activation_function": 3}
    assert (convolution.code, convolution.options) == (3, relu6)
    assert set(dense.options.values()) == {0} and "weights_format" in dense.options


def test_stored_values(tmp_path: Path) -> None:
    graph = flatbuffer.read(TINY)
    reshape, dense = graph.operations[3:5]
    assert graph.tensors[reshape.inputs[1]].integers in ((1, 64), (-1, 64))
    kernel = graph.tensors[dense.inputs[1]]
    assert len(kernel.stored) == kernel.constant_bytes == 192 and kernel.integers == ()
    assert graph.input().stored == b"" and graph.input().integers == ()
    path = tmp_path / "m.tflite"
    state = T((1, 8), "int16", variable=True)
    tensors = {"x": T((1, 8)), "w": T((8,), outside=True), "s": state, "y": T((1, 8))}
    write(path, tensors, [Op("ADD", ["x", "w", "s"], ["y"])])
    x, w, s, _ = flatbuffer.read(path).tensors
    assert [(t.outside, t.variable, t.constant_bytes) for t in (x, w, s)] == [
        (False, False, 0), (True, False, 8), (False, True, 0),
    ]  # fmt: skip


def test_values_behind_the_tables_must_be_there(tmp_path: Path) -> None:
    tensors = {"x": T((1, 8)), "w": T((8,), outside=True), "y": T((1, 8))}
    path = write(tmp_path / "m.tflite", tensors, [Op("ADD", ["x", "w"], ["y"])])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelError, match="8 bytes of values at 4096"):
        flatbuffer.read(path)


def test_an_operation_newer_than_the_schema_has_its_number(tmp_path: Path) -> None:
    tensors = {"x": T((1, 8)), "y": T((1, 8))}
    path = write(tmp_path / "m.tflite", tensors, [Op("NEWER", ["x"], ["y"], code=250)])
    (operation,) = flatbuffer.read(path).operations
    assert (operation.kind, operation.code) == ("BUILTIN_250", 250)


def test_a_cut_off_file_is_told(tmp_path: Path) -> None:
    content = TINY.read_bytes()
    for length in range(0, len(content), 97):
        (tmp_path / "cut.tflite").write_bytes(content[:length])
        with pytest.raises(ModelError, match=r"cut\.tflite"):
            flatbuffer.read(tmp_path / "cut.tflite")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such file"):
        flatbuffer.read(tmp_path / "none.tflite")

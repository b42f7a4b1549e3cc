"""What the Edge TPU compiler would do, told without it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from converter_tools import TINY, TINY_FLOAT
from flat_models import Op, T, chain, write

from converters import edgetpu_rules as rules
from converters import preflight
from converters.preflight import Prediction, predict
from edgecnn.bundle import ASSETS
from edgecnn.errors import ModelError

Model = tuple[dict[str, T], list[Op]]


def one(kind: str, x: T, y: T, *more: T, **facts: Any) -> Model:
    """One operation from ``x`` and further inputs to ``y``."""
    names = [f"c{i}" for i in range(len(more))]
    tensors = {"x": x, **dict(zip(names, more, strict=True)), "y": y}
    return tensors, [Op(kind, ["x", *names], ["y"], **facts)]


def same(kind: str, shape: tuple[int, ...], **facts: Any) -> Model:
    return one(kind, T(shape), T(shape), **facts)


def ints(*values: int) -> T:
    return T((len(values),), "int32", values)


def weights(*shape: int) -> T:
    return T(shape, "int8", 1)


def conv(**facts: Any) -> Model:
    return one("CONV_2D", T((1, 4, 4, 8)), T((1, 4, 4, 2)), weights(2, 3, 3, 8), **facts)


def resized(kind: str, side: int) -> Model:
    return one(kind, T((1, 8, 8, 32)), T((1, side, side, 32)), ints(side, side))


def joined(*constants: T) -> Model:
    return one("CONCATENATION", T((1, 4, 4, 8)), T((1, 4, 4, 16)), *constants)


BIG, WIDE = T((1, 4, 4, 8)), (1, 2, 4, 4, 8)
PLAIN = T((1, 4, 4, 8), "float32")
ROW = T((1, 8))
LEADING = T((2, 4, 4, 8))

BROKEN: dict[str, list[tuple[Model, str]]] = {
    "code": [(same("GELU", (1, 8), version=2), "Op builtin_code out of range: 150."),
             (same("NEWER", (1, 8), code=250), "Op builtin_code out of range: 250.")],
    "version": [(conv(version=6), "Didn't find op for builtin opcode 'CONV_2D' version '6'."),
                (same("EXP", (1, 8), version=2), "'EXP' version '2'"),
                (same("TILE", (1, 8), version=3), "'TILE' version '3'")],
    "custom": [(same("FlexErf", (1, 8)), "Encountered unresolved custom op: FlexErf.")],
    "dynamic": [(one("RESHAPE", BIG, T((1, 128)), T((2,), "int32")), "dynamic-sized tensors"),
                (one("RESIZE_BILINEAR", BIG, BIG, T((2,), "int32")), "dynamic-sized tensors")],
    "float-input": [(one("QUANTIZE", PLAIN, BIG), rules.UNSPECIFIED)],
    "constant": [(one("CONV_2D", BIG, BIG, T((8, 1, 1, 8))), rules.NOT_CONSTANT),
                 (one("FULLY_CONNECTED", ROW, ROW, T((8, 8))), rules.NOT_CONSTANT),
                 (one("MEAN", BIG, ROW, T((2,), "int32")), rules.NOT_CONSTANT)],
    "data-type": [(one("DEQUANTIZE", BIG, PLAIN), rules.DATA_TYPE),
                  (one("ADD", T((1, 8), "int16"), T((1, 8), "int16")), rules.DATA_TYPE),
                  (one("TFLite_Detection_PostProcess", ROW, T((1, 2), "float32")),
                   rules.DATA_TYPE)],
    "supported": [(same(kind, (1, 8)), rules.UNSUPPORTED)
                  for kind in ("LEAKY_RELU", "HARD_SWISH", "GATHER", "ABS", "DEPTH_TO_SPACE",
                               "PADV2", "PosenetDecoderOp")],
    "rank": [(same("ADD", WIDE), rules.UNSUPPORTED_RANK),
             (one("RELU", LEADING, LEADING), rules.UNSUPPORTED_RANK)],
    "pool-activation": [(same("AVERAGE_POOL_2D", (1, 4, 4, 8),
                              options={"fusedActivationFunction": 1}), rules.UNSPECIFIED)],
    "concatenation-activation": [((joined()[0], [Op("CONCATENATION", ["x", "x"], ["y"], options={
        "fusedActivationFunction": 3})]), rules.UNSPECIFIED)],
    "concatenation-constant": [(joined(weights(1, 4, 4, 8)), rules.UNSPECIFIED),
                               (joined(T((1, 4, 4, 4), "int8", 0), BIG), rules.UNSPECIFIED)],
    "dilation": [(conv(options={"dilationHFactor": 2, "dilationWFactor": 1}), rules.UNSPECIFIED)],
    "weights-format": [(one("FULLY_CONNECTED", ROW, ROW, weights(8, 8),
                            options={"weightsFormat": 1}), rules.UNSPECIFIED)],
    "dense-rank": [(one("FULLY_CONNECTED", BIG, BIG, weights(8, 8), options={"keepNumDims": 1}),
                    rules.UNSUPPORTED_RANK)],
    "mean-channels": [(one("MEAN", T((1, 4, 4, 6)), T((1, 4, 4)), ints(3)), rules.UNSPECIFIED),
                      (one("MEAN", T((1, 4, 4, 6)), T((1, 4, 4)), ints(-1)), rules.UNSPECIFIED)],
    "batch": [(one("SUM", BIG, T((4, 4, 8)), ints(0)), rules.UNSPECIFIED),
              (one("REDUCE_MAX", BIG, T((4, 4, 8)), ints(-4)), rules.UNSPECIFIED),
              (({"x": ROW, "y": T((2, 8))}, [Op("PACK", ["x", "x"], ["y"])]), rules.UNSPECIFIED)],
    "resize-size": [(resized("RESIZE_BILINEAR", 512), rules.UNSPECIFIED)],
    "softmax-rank": [(same("SOFTMAX", (1, 4, 4, 8)), rules.UNSPECIFIED)],
    "softmax-size": [(same("SOFTMAX", (1, 20_000)), rules.UNSPECIFIED)],
    "slice": [(one("STRIDED_SLICE", BIG, T((1, 2, 4, 8)), ints(0, 0, 0, 0), ints(1, 4, 4, 8),
                   ints(1, 2, 1, 1)), rules.UNSPECIFIED)],
    "slopes": [(one("PRELU", BIG, BIG, weights(4, 4, 8)), rules.UNSPECIFIED)],
    "tile": [(one("TILE", BIG, T((1, 8, 4, 8)), ints(1, 2, 1, 1), version=2), rules.UNSUPPORTED)],
    "transpose-size": [(one("TRANSPOSE", T((1, 64, 64, 32)), T((1, 32, 64, 64)),
                            ints(0, 3, 1, 2)), rules.UNSPECIFIED)],
}  # fmt: skip
"""For each rule what offends against it, and what the compiler says."""

TAKEN: list[Model] = [
    conv(version=5, options={"fusedActivationFunction": 3}),
    conv(options={"dilationHFactor": 2, "dilationWFactor": 2}),
    one("QUANTIZE", T((1, 8), "uint8"), ROW),
    one("ADD", BIG, BIG, weights(8)),
    one("FULLY_CONNECTED", ROW, T((1, 2)), weights(2, 8), version=4),
    one("FULLY_CONNECTED", T((1, 1, 8)), T((1, 1, 2)), weights(2, 8), options={"keepNumDims": 1}),
    one("MEAN", BIG, ROW, ints(1, 2)),
    one("MEAN", BIG, T((1, 4, 4)), ints(3)),  # 8 channels
    resized("RESIZE_BILINEAR", 64),
    resized("RESIZE_NEAREST_NEIGHBOR", 64),
    joined(T((1, 4, 4, 8), "int8", 3, zero_point=3)),
    joined(T((1, 4, 4, 8), "int8", -3, zero_point=-3)),
    same("SOFTMAX", (1, 16_384)),
    one("STRIDED_SLICE", BIG, BIG, ints(0, 0, 0, 0), ints(1, 4, 4, 8), ints(1, 1, 1, 1)),
    one("PRELU", BIG, BIG, weights(1, 1, 8)),
    one("TILE", T((1, 1, 1, 8)), T((1, 4, 4, 8)), ints(1, 4, 4, 1)),
    one("TRANSPOSE", T((1, 64, 64, 32)), T((1, 64, 64, 32)), ints(0, 2, 1, 3)),
    one("TRANSPOSE", BIG, T((1, 8, 4, 4)), ints(0, 3, 1, 2)),
    one("RESHAPE", BIG, T((1, 128)), ints(1, 128)),
    one("RESHAPE", BIG, T((1, 128))),  # the shape in its options, as in 2018
    one("PAD", BIG, T((1, 6, 6, 8)), T((4, 2), "int32", ((0, 0), (1, 1), (1, 1), (0, 0)))),
    one("L2_NORMALIZATION", ROW, ROW),
    same("AVERAGE_POOL_2D", (1, 4, 4, 8)),
]  # fmt: skip
"""What stays just inside the rules."""


def ready(path: Path, model: Model) -> Prediction:
    return predict(write(path / "m.tflite", *model))


@pytest.mark.parametrize(
    ("name", "model", "says"),
    [(name, *case) for name, cases in BROKEN.items() for case in cases],
)
def test_each_rule(name: str, model: Model, says: str, tmp_path: Path) -> None:
    tensors, operations = model
    # An operation before it that is quantised: a file of float operations is refused as a whole.
    tensors = {"in": T((1, 2)), "out": T((1, 2)), **tensors}
    found = ready(tmp_path, (tensors, [Op("RELU", ["in"], ["out"]), *operations]))
    verdict = found.operations[1]
    assert (verdict.rule, verdict.mapped) == (name, False)
    assert says in verdict.status and verdict.source
    assert verdict.cure or verdict.custom
    rule = next(r for r in rules.RULES if r.name == name)
    assert (found.verdict == "refused") is rule.refuses
    assert found.operations[0].mapped


def test_each_rule_has_a_case() -> None:
    assert [rule.name for rule in rules.RULES] == list(BROKEN)


@pytest.mark.parametrize("model", TAKEN)
def test_what_stays_inside_the_rules_is_mapped(model: Model, tmp_path: Path) -> None:
    found = ready(tmp_path, model)
    assert [(o.status, o.rule) for o in found.operations] == [(rules.MAPPED, "")]
    assert (found.verdict, found.complete, found.subgraphs) == ("mapped", True, 1)


def lstm(state: str) -> Model:
    names = [f"w{i}" for i in range(8)]
    tensors = {"x": T((1, 28, 28)), **{n: weights(20, 28) for n in names}}
    tensors |= {"h": T((1, 20), variable=True), "c": T((1, 20), state, variable=True)}
    tensors["y"] = T((1, 28, 20))
    inputs = ["x", *names, *[""] * 3, *[""] * 6, "h", "c", *[""] * 4]
    return tensors, [Op("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, ["y"], version=2)]


def test_an_lstm_keeps_its_cell_in_int16(tmp_path: Path) -> None:
    assert ready(tmp_path, lstm("int16")).complete


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "compiled": (lambda p: chain(p, ["QUANTIZE", "edgetpu-custom-op"]), "compiled already"),
    "subgraphs": (lambda p: write(p, *same("RELU", (1, 8)), subgraphs=2), "more than one"),
    "outside": (lambda p: write(p, *one("ADD", ROW, ROW, T((8,), outside=True))), "behind"),
    "quantised": (lambda p: TINY_FLOAT, "Model not quantized"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_each_rule_about_whole_files(name: str, tmp_path: Path) -> None:
    make, says = REFUSED[name]
    found = predict(make(tmp_path / "m.tflite"))
    (refusal,) = found.refusals
    assert (refusal.rule, refusal.operation) == (name, None)
    assert says in refusal.says and refusal.cure and refusal.source
    assert found.verdict == ("compiled" if name == "compiled" else "refused")
    assert (found.mapped, found.subgraphs) == ((1, 1) if name == "compiled" else (0, 0))


def test_each_rule_about_whole_files_has_a_case() -> None:
    assert [rule.name for rule in rules.WHOLE] == list(REFUSED)


# Where the graph is cut. The letters stand for operations: t the Edge TPU takes, c it does not.
KINDS = {"t": "RELU", "c": "LEAKY_RELU"}


@pytest.mark.parametrize(
    ("row", "mapped", "cuts"),
    [
        ("ttt", "ttt", []),
        ("ttc", "tt-", [2]),
        ("tct", "t--", [1]),
        ("tctct", "t----", [1]),
        ("ctt", "-tt", []),  # before the Edge TPU's part nothing is cut
        ("cctct", "--t--", [3]),
        ("c", "-", []),
    ],
)
def test_the_cut_of_a_row(row: str, mapped: str, cuts: list[int], tmp_path: Path) -> None:
    found = predict(chain(tmp_path / "m.tflite", [KINDS[k] for k in row]))
    assert "".join("t" if o.mapped else "-" for o in found.operations) == mapped
    assert list(found.cuts) == cuts
    late = [o.index for o in found.operations if o.status == rules.LATE]
    assert late == [i for i, k in enumerate(row) if k == "t" and mapped[i] == "-"]
    assert found.verdict == {0: "none", len(row): "mapped"}.get(found.mapped, "partly")
    assert found.subgraphs == (found.mapped > 0)


def test_a_branch_beside_the_cut_stays_on_the_edge_tpu(tmp_path: Path) -> None:
    tensors = {n: T((1, 8)) for n in "xabcdef"}
    operations = [
        Op("RELU", ["x"], ["a"]),
        Op("LEAKY_RELU", ["a"], ["b"]),
        Op("LOGISTIC", ["a"], ["c"]),
        Op("TANH", ["c"], ["d"]),
        Op("ADD", ["b", "d"], ["e"]),
        Op("ABS", ["e"], ["f"]),
    ]
    found = predict(write(tmp_path / "m.tflite", tensors, operations))
    expected = [rules.MAPPED, rules.UNSUPPORTED, rules.MAPPED, rules.MAPPED, rules.LATE,
                rules.UNSUPPORTED]  # fmt: skip
    assert [o.status for o in found.operations] == expected
    assert (found.cuts, found.mapped, found.on_cpu) == ((1,), 3, 3)


def test_a_segmentation_of_2019_is_left_to_the_cpu_at_its_last_upsampling(tmp_path: Path) -> None:
    def u8(*shape: int) -> T:
        return T(shape, "uint8")

    tensors = {
        "x": u8(1, 33, 33, 64), "pooled": u8(1, 1, 1, 64), "axes": ints(1, 2),
        "wide": u8(1, 33, 33, 64), "times": ints(1, 33, 33, 1), "both": u8(1, 33, 33, 128),
        "w": T((21, 1, 1, 128), "uint8", 7), "b": T((21,), "int32", 1), "small": u8(1, 33, 33, 21),
        "same": u8(1, 33, 33, 21), "small_size": ints(33, 33), "large": u8(1, 513, 513, 21),
        "size": ints(513, 513), "axis": ints(3), "labels": T((1, 513, 513), "int32"),
    }  # fmt: skip
    operations = [
        Op("MEAN", ["x", "axes"], ["pooled"]),
        Op("TILE", ["pooled", "times"], ["wide"]),
        Op("CONCATENATION", ["x", "wide"], ["both"]),
        Op("CONV_2D", ["both", "w", "b"], ["small"]),
        Op("RESIZE_BILINEAR", ["small", "small_size"], ["same"]),
        Op("RESIZE_BILINEAR", ["same", "size"], ["large"]),
        Op("ARG_MAX", ["large", "axis"], ["labels"]),
    ]
    found = predict(write(tmp_path / "m.tflite", tensors, operations))
    assert [o.mapped for o in found.operations] == [True] * 5 + [False] * 2
    assert [o.status for o in found.operations[5:]] == [rules.UNSPECIFIED, rules.DATA_TYPE]
    assert found.cuts == (5,)


def test_a_detector_of_2018_ends_on_the_cpu(tmp_path: Path) -> None:
    tensors = {
        "x": T((1, 10, 10, 12), "uint8"), "boxes": T((1, 300, 1, 4), "uint8"),
        "to": ints(1, 300, 1, 4), "flat": T((1, 300, 4), "uint8"),
        "anchors": T((300, 4), "uint8", 1), "found": T((1, 10, 4), "float32"),
        "scores": T((1, 10), "float32"),
    }  # fmt: skip
    operations = [
        Op("RESHAPE", ["x", "to"], ["boxes"]),
        Op("SQUEEZE", ["boxes"], ["flat"]),
        Op("TFLite_Detection_PostProcess", ["flat", "flat", "anchors"], ["found", "scores"]),
    ]
    found = predict(write(tmp_path / "m.tflite", tensors, operations))
    assert (found.verdict, found.mapped, found.cuts) == ("partly", 2, (2,))
    assert found.table()["CUSTOM", rules.DATA_TYPE] == 1


def test_float_at_both_ends_stays_on_the_cpu(tmp_path: Path) -> None:
    tensors = {"x": PLAIN, "a": BIG, "b": BIG, "y": PLAIN}
    operations = [
        Op("QUANTIZE", ["x"], ["a"]), Op("RELU", ["a"], ["b"]), Op("DEQUANTIZE", ["b"], ["y"])
    ]  # fmt: skip
    found = predict(write(tmp_path / "m.tflite", tensors, operations))
    expected = [rules.UNSPECIFIED, rules.MAPPED, rules.DATA_TYPE]
    assert [o.status for o in found.operations] == expected and found.cuts == (2,)
    assert "uint8 or int8 input and output" in found.operations[0].cure


def test_the_table_is_what_the_compiler_would_print(tmp_path: Path) -> None:
    found = predict(chain(tmp_path / "m.tflite", ["RELU", "RELU", "LEAKY_RELU", "RELU"]))
    assert dict(found.table()) == {
        ("RELU", rules.MAPPED): 2,
        ("RELU", rules.LATE): 1,
        ("LEAKY_RELU", rules.UNSUPPORTED): 1,
    }


def test_a_refusal_names_the_operation_that_is_at_fault(tmp_path: Path) -> None:
    # The converter gives all convolutions the version that the grouped one needs.
    tensors = {"x": BIG, "y": BIG, "z": BIG, "w": weights(8, 1, 1, 8), "g": weights(8, 1, 1, 4)}
    operations = [Op("CONV_2D", [a, w], [b], version=6) for a, w, b in ("xwy", "ygz")]
    (refusal,) = predict(write(tmp_path / "m.tflite", tensors, operations)).refusals
    assert refusal.operation == 1 and "grouped convolution" in refusal.cure


def test_a_fused_activation_behind_a_transposed_convolution(tmp_path: Path) -> None:
    tensors = {"s": ints(1, 8, 8, 2), "w": weights(2, 3, 3, 8), "x": BIG, "y": T((1, 8, 8, 2))}
    options = {"fusedActivationFunction": 1}
    for version, verdict in ((2, "mapped"), (3, "mapped"), (4, "refused")):
        op = Op("TRANSPOSE_CONV", ["s", "w", "x"], ["y"], version, options)
        found = predict(write(tmp_path / "m.tflite", tensors, [op]))
        assert found.verdict == verdict
    assert "no activation in Conv2DTranspose" in found.refusals[0].cure


def test_a_layer_is_known_by_its_name(tmp_path: Path) -> None:
    tensors = {"x": BIG, "net/layer_normalization_3/Neg": BIG}
    model = write(tmp_path / "m.tflite", tensors, [Op("NEG", ["x"], [list(tensors)[1]])])
    assert predict(model).operations[0].cure == rules.BATCH_NORM


def test_the_way_to_float_gets_the_cure_of_what_is_in_float(tmp_path: Path) -> None:
    tensors = {"x": BIG, "a": BIG, "f": PLAIN, "g": PLAIN, "y": BIG}
    operations = [
        Op("RELU", ["x"], ["a"]),
        Op("DEQUANTIZE", ["a"], ["f"]),
        Op("ELU", ["f"], ["g"]),
        Op("QUANTIZE", ["g"], ["y"]),
    ]
    found = predict(write(tmp_path / "m.tflite", tensors, operations))
    assert [o.cure for o in found.operations] == ["", *[rules.CURES["ELU"]] * 3]


# Memory. Published pairs (MobileNet v1 in four widths, the widest without its dense layer, and a
# dense layer): bytes of weights, output channels by the architecture, bytes once compiled.
PAIRS = [
    (478_804, 3_737, 566_912),
    (1_346_052, 6_473, 1_473_280),
    (2_605_748, 9_209, 2_777_600),
    (3_228_864, 10_944, 3_363_072),
    (1_048_576, 1_024, 1_056_768),
]


@pytest.mark.parametrize(("stored", "channels", "compiled"), PAIRS)
def test_the_estimate_of_compiled_parameters(stored: int, channels: int, compiled: int) -> None:
    ours = stored + preflight.BYTES_A_CHANNEL * channels + preflight.BYTES_A_FILE
    assert compiled <= ours <= 1.04 * compiled


@pytest.mark.parametrize(("units", "streams"), [(1024, False), (4000, True)])
def test_what_does_not_fit_is_streamed(units: int, streams: bool, tmp_path: Path) -> None:
    dense = one("FULLY_CONNECTED", T((1, 2048)), T((1, units)), weights(units, 2048))
    found = ready(tmp_path, dense)
    assert found.parameter_bytes == 2048 * units
    assert found.compiled_bytes == 2048 * units + 16 * units + 32768
    assert found.streamed_bytes == max(0, found.compiled_bytes - 7_864_320)
    assert (found.streamed_bytes > 0) is streams


def test_the_run_time_that_is_needed(tmp_path: Path) -> None:
    assert ready(tmp_path, same("RELU", (1, 8))).runtime == 0
    assert ready(tmp_path, one("QUANTIZE", T((1, 8), "uint8"), ROW)).runtime == 13
    assert ready(tmp_path, one("REDUCE_MAX", BIG, ROW, ints(1, 2))).runtime == 14


@pytest.mark.parametrize(
    ("model", "note"),
    [
        (one("RELU", T((1, 8), signature=(-1, 8)), ROW), "the batch is left open"),
        (one("FULLY_CONNECTED", ROW, T((1, 2)), T((2, 8), "int8", 1, (0.1, 0.2))), "zeros"),
        (one("L2_NORMALIZATION", ROW, ROW), "1/128"),
        (one("TRANSPOSE", BIG, T((1, 8, 4, 4)), ints(0, 3, 1, 2)), "moves the channels"),
    ],
)
def test_notes_that_are_no_obstacle(model: Model, note: str, tmp_path: Path) -> None:
    found = ready(tmp_path, model)
    assert found.complete and len(found.notes) == 1 and note in found.notes[0]


# Real files, and the command.


@pytest.mark.parametrize("file", sorted(ASSETS.glob("*.tflite")), ids=lambda f: f.name)
def test_what_ships_maps_whole(file: Path) -> None:
    found = predict(file)
    assert [o for o in found.operations if not o.mapped] == []
    assert found.complete and not found.notes and found.streamed_bytes == 0


def test_no_tensorflow_is_needed_for_a_tflite_file() -> None:
    code = (
        "import sys; from converters.preflight import predict\n"
        f"assert predict({str(TINY)!r}).complete\n"
        "print(sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("name", ["none.tflite", "none.keras", "model.onnx", "."])
def test_what_is_no_model_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"expected a \.tflite|No such file|no such file"):
        predict(tmp_path / name)


def test_a_keras_file_that_is_cut_off_is_told_before_anything_is_converted(tmp_path: Path) -> None:
    (tmp_path / "net.keras").write_bytes(b"PK\x03\x04 and no end")
    with pytest.raises(ModelError, match=r"net\.keras is no Keras network, damaged or cut off"):
        predict(tmp_path / "net.keras")


def test_the_command(edgecnn: Any, tmp_path: Path) -> None:
    code, out, _ = edgecnn("preflight", TINY, "--strict")
    assert code == 0 and "predicted, all 6 operations will run on the Edge TPU" in out
    assert "CONV_2D                        1          Mapped to Edge TPU" in out
    partly = chain(tmp_path / "p.tflite", ["RELU", "LEAKY_RELU", "RELU"])
    code, out, _ = edgecnn("preflight", partly)
    assert code == 0 and "1 of 3 operations" in out
    assert "operation 1, LEAKY_RELU t2, which cuts the graph: Operation not supported" in out
    assert "cure: from LeakyReLU: ReLU" in out
    assert edgecnn("preflight", partly, "--strict")[0] == 1
    code, out, _ = edgecnn("preflight", TINY_FLOAT)
    assert code == 0 and "refused: Model not quantized\n  cure: convert to full int8" in out
    assert edgecnn("preflight", TINY_FLOAT, "--strict")[0] == 1
    compiled = chain(tmp_path / "c.tflite", ["edgetpu-custom-op", "RELU"])
    code, out, _ = edgecnn("preflight", compiled)
    assert code == 0 and "c.tflite: compiled for the Edge TPU already" in out
    assert "RELU                           1          left to the CPU" in out
    assert edgecnn("preflight", compiled, "--strict")[0] == 1


def test_the_command_in_json(edgecnn: Any) -> None:
    code, out, _ = edgecnn("preflight", TINY, "--json")
    found = json.loads(out)
    assert code == 0 and found["verdict"] == "mapped" and found["mapped"] == 6
    first = found["operations"][1]
    assert (first["kind"], first["version"], first["mapped"]) == ("CONV_2D", 3, True)


def test_operations_without_what_they_need_are_told(tmp_path: Path) -> None:
    model = one("CONV_2D", T(()), T(()), weights(1))
    with pytest.raises(ModelError, match="operations do not fit their tensors"):
        ready(tmp_path, model)


@pytest.mark.parametrize("seed", range(4))
def test_mutated_files_are_told_or_looked_at(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    whole = np.frombuffer(TINY.read_bytes(), np.uint8)
    for _ in range(50):
        content = whole.copy()
        places = random.integers(8, len(content), random.integers(1, 12))
        content[places] = random.integers(0, 256, len(places))
        (tmp_path / "m.tflite").write_bytes(content.tobytes())
        with suppress(ModelError):
            predict(tmp_path / "m.tflite").as_dict()


def test_a_cut_off_file_is_one_line(edgecnn: Any, tmp_path: Path) -> None:
    (tmp_path / "cut.tflite").write_bytes(TINY.read_bytes()[:900])
    code, out, err = edgecnn("preflight", tmp_path / "cut.tflite")
    assert (code, out, err.count("\n")) == (2, "", 1) and "cut.tflite" in err

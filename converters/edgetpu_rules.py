"""What the Edge TPU compiler takes: one table, a row a rule, each with its source.

The compiler is frozen: 16.0.384591198 of July 2021 is the last. Sources, as the rows name them:

* ``coral``: coral.ai, "TensorFlow models on the Edge TPU", requirements and supported operations.
* ``edgetpu#N``, ``libedgetpu#N``: an issue of google-coral on GitHub with the compiler's own log.
* ``tf2.5``: TensorFlow 2.5.0, whose parser the compiler carries; ``runtime_version.cc`` says which
  version of an operation came with which release, and what we know of refusals agrees.
* ``pairs``: published files with their compiled counterparts, read side by side.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from converters.edgetpu_node import (
    RANK,
    SHAPES,
    SIZING,
    WEIGHTS,
    Node,
    is_broadcast,
    is_custom,
    is_float,
    is_fused,
    is_grouped,
    is_padding,
    is_plain_slice,
    leading,
    moves_channels,
    over_batch,
    over_channels,
    slopes_vary,
)
from converters.flatbuffer import Graph

COMPILED = "edgetpu-custom-op"
"""The custom operation that holds what was compiled (coral)."""

MAPPED = "Mapped to Edge TPU"
DATA_TYPE = "Operation is working on an unsupported data type"
UNSPECIFIED = "Operation is otherwise supported, but not mapped due to some unspecified limitation"
LATE = "More than one subgraph is not supported"
UNSUPPORTED = "Operation not supported"
UNSUPPORTED_RANK = "Tensor has unsupported rank (up to 3 innermost dimensions mapped)"
NOT_CONSTANT = "Filter, bias, or other param is not constant at compile-time"
"""These seven are the compiler's own words in the table that ``-s`` prints."""

NOT_QUANTISED = "Model not quantized"
OUT_OF_RANGE = (
    "ERROR: Op builtin_code out of range: {code}. Are you using old TFLite binary with newer model?"
)
TOO_NEW = (
    "ERROR: Didn't find op for builtin opcode '{kind}' version '{version}'. An older version of "
    "this builtin might be supported. Are you using an old TFLite binary with a newer model?"
)
DYNAMIC = (
    "ERROR: Attempting to use a delegate that only supports static-sized tensors with a graph that "
    "has dynamic-sized tensors."
)
UNRESOLVED = "ERROR: Encountered unresolved custom op: {kind}."

SUPPORTED = {
    "ADD": 0, "AVERAGE_POOL_2D": 0, "CONCATENATION": 0, "CONV_2D": 0, "DEPTHWISE_CONV_2D": 0,
    "EXPAND_DIMS": 13, "FULLY_CONNECTED": 0, "L2_NORMALIZATION": 0, "LOGISTIC": 0, "MAXIMUM": 0,
    "MAX_POOL_2D": 0, "MEAN": 0, "MINIMUM": 0, "MUL": 0, "PACK": 13, "PAD": 0, "PRELU": 13,
    "QUANTIZE": 13, "REDUCE_MAX": 14, "REDUCE_MIN": 14, "RELU": 0, "RELU6": 0, "RELU_N1_TO_1": 0,
    "RESHAPE": 0, "RESIZE_BILINEAR": 0, "RESIZE_NEAREST_NEIGHBOR": 0, "RSQRT": 14, "SLICE": 0,
    "SOFTMAX": 0, "SPACE_TO_DEPTH": 0, "SPLIT": 0, "SQUARED_DIFFERENCE": 14, "SQUEEZE": 0,
    "STRIDED_SLICE": 0, "SUB": 0, "SUM": 13, "TANH": 0, "TILE": 0, "TRANSPOSE": 14,
    "TRANSPOSE_CONV": 13, "UNIDIRECTIONAL_SEQUENCE_LSTM": 14,
}  # fmt: skip
"""Operation to the Edge TPU run time that it needs at least, 0 for any. Source: coral; TILE from
pairs, where one that only repeats a single value was absorbed."""

NEWEST = {
    "ABS": 3, "ADD": 3, "ARG_MAX": 2, "ARG_MIN": 2, "AVERAGE_POOL_2D": 3, "BATCH_MATMUL": 4,
    "BATCH_TO_SPACE_ND": 3, "BIDIRECTIONAL_SEQUENCE_LSTM": 3, "BIDIRECTIONAL_SEQUENCE_RNN": 3,
    "BROADCAST_TO": 3, "CONCATENATION": 3, "CONV_2D": 5, "DEPTHWISE_CONV_2D": 6,
    "DEPTH_TO_SPACE": 2, "DEQUANTIZE": 4, "DIV": 2, "EMBEDDING_LOOKUP": 3, "EQUAL": 3,
    "FAKE_QUANT": 2, "FILL": 3, "FLOOR_DIV": 2, "FULLY_CONNECTED": 9, "GATHER": 5, "GATHER_ND": 3,
    "GREATER": 2, "GREATER_EQUAL": 2, "L2_NORMALIZATION": 2, "LEAKY_RELU": 2, "LESS": 2,
    "LESS_EQUAL": 2, "LOGISTIC": 3, "LOG_SOFTMAX": 2, "LSTM": 4, "MAXIMUM": 4, "MAX_POOL_2D": 3,
    "MEAN": 3, "MINIMUM": 4, "MIRROR_PAD": 2, "MUL": 4, "NOT_EQUAL": 3, "PACK": 3, "PAD": 3,
    "PADV2": 3, "QUANTIZE": 2, "REDUCE_MAX": 3, "REDUCE_MIN": 3, "RELU": 3, "RELU6": 3,
    "RESIZE_BILINEAR": 4, "RESIZE_NEAREST_NEIGHBOR": 4, "REVERSE_V2": 3, "RNN": 3, "RSQRT": 2,
    "SELECT": 2, "SLICE": 5, "SOFTMAX": 3, "SPACE_TO_BATCH_ND": 3, "SPACE_TO_DEPTH": 2,
    "SPARSE_TO_DENSE": 3, "SPLIT": 4, "SPLIT_V": 2, "SQUARED_DIFFERENCE": 2, "SQUEEZE": 2,
    "STRIDED_SLICE": 5, "SUB": 5, "SUM": 2, "SVDF": 4, "TANH": 3, "TILE": 2, "TOPK_V2": 2,
    "TRANSPOSE": 5, "TRANSPOSE_CONV": 3, "UNIDIRECTIONAL_SEQUENCE_LSTM": 3,
    "UNIDIRECTIONAL_SEQUENCE_RNN": 3, "UNPACK": 4,
}  # fmt: skip
"""The newest version of each operation that the compiler parses; 1 where not listed. Source:
tf2.5."""

CODES = 140
"""How many builtin operations the compiler knows, ``HASHTABLE_SIZE`` (139) being the last. Source:
tf2.5; 150 and 151 were refused (edgetpu#862)."""

DTYPES = {"int8", "uint8"}
"""What flows on an Edge TPU (coral)."""

STATES = {"UNIDIRECTIONAL_SEQUENCE_LSTM": {"int16"}}
"""What else an operation may hold: the cell of an LSTM (pairs)."""

ON_CPU = ("TFLite_Detection_PostProcess", "PosenetDecoderOp")
"""Custom operations that the compiler knows and leaves alone. Source: pairs."""

SOFTMAX_ITEMS = 16_384
"""coral says 16,000; pairs hold one of 16,384 that was mapped."""

RESIZE_BYTES = 2 << 20
"""Between what was mapped and what was not: a bilinear output of 0.5 MiB was, one of 8 MiB was not
(edgetpu#31); a U-Net of 128×128 was, of 256×256, whose last one is 4 MiB, was not (edgetpu#187).
The compiler's own limit is not public."""

TRANSPOSE_BYTES = 1 << 16
"""Of a TRANSPOSE that moves the channels: 50 kB was mapped, 200 kB was not (edgetpu#512)."""


@dataclass(frozen=True)
class Rule:
    """A row of the table.

    Attributes:
        name: for tests and for ``--json``.
        broken: whether an operation, or for :data:`WHOLE` a graph, offends against it.
        says: the compiler's words where they are known; ``{kind}``, ``{version}`` and ``{code}``
            are the operation's.
        cure: what to do; '' where :data:`CURES` knows better, by the kind of operation.
        source: see this module.
        refuses: the whole file, not the one operation.
    """

    name: str
    broken: Callable[[Node], object]
    says: str
    cure: str
    source: str
    refuses: bool = False


@dataclass(frozen=True)
class Whole:
    """A rule about the file as a whole, which it refuses; attributes as for :class:`Rule`."""

    name: str
    broken: Callable[[Graph], bool]
    says: str
    cure: str
    source: str


WHOLE = (
    Whole("compiled", lambda g: any(o.kind == COMPILED for o in g.operations),
          "Invalid model: it is compiled already", "use it as it is, or compile the file that it "
          "was made from", "pairs"),
    Whole("subgraphs", lambda g: g.subgraphs > 1,
          "Invalid model: it has more than one subgraph", "take IF, WHILE and layers with state "
          "out of the network; one signature a file", "coral"),
    Whole("outside", lambda g: any(t.outside for t in g.tensors),
          "Invalid model: its values stand behind the FlatBuffer, where the compiler reads none",
          "convert with TensorFlow's converter, or write the buffers into the file", "tf2.5"),
    Whole("quantised", lambda g: not _is_quantised(g), NOT_QUANTISED,
          "convert to full int8 with calibration pictures: edgecnn convert",
          "edgetpu#168, edgetpu#222, edgetpu#403"),
)  # fmt: skip
"""The rules about files; the first that is broken is what the compiler says."""

FIX_BATCH = "fix the batch to 1 before converting: keras.Input(shape, batch_size=1)"
TO_INT8 = "convert it to int8 from end to end, with uint8 or int8 input and output"
FOLD = "move the activation into a layer of its own, or into the convolution before"

RULES = (
    Rule("code", lambda n: n.operation.code >= CODES, OUT_OF_RANGE, "", "edgetpu#862, tf2.5", True),
    Rule("version", lambda n: n.operation.version > NEWEST.get(n.kind, 1) and not is_custom(n),
         TOO_NEW, "", "edgetpu#631, edgetpu#845, edgetpu#879, libedgetpu#71, tf2.5", True),
    Rule("custom", lambda n: is_custom(n) and n.kind not in (*ON_CPU, COMPILED), UNRESOLVED,
         "use layers that have TFLite builtins; no SELECT_TF_OPS", "coral, tf2.5", True),
    Rule("dynamic", lambda n: n.kind in SIZING and n.varies(SHAPES), DYNAMIC, FIX_BATCH,
         "edgetpu#829, edgetpu#831, tensorflow#88361", True),
    Rule("float-input", lambda n: n.kind == "QUANTIZE" and is_float(n.picture().dtype),
         UNSPECIFIED, TO_INT8, "edgetpu#512"),
    Rule("constant", lambda n: n.varies(WEIGHTS) or n.varies(SHAPES), NOT_CONSTANT,
         "give it weights, axes and sizes that are known when it is converted", "coral"),
    Rule("data-type", lambda n: any(t.dtype not in _dtypes(n) for t in n.activations()),
         DATA_TYPE, "", "coral, edgetpu#438"),
    Rule("supported", lambda n: n.kind not in SUPPORTED, UNSUPPORTED, "", "coral, edgetpu#272"),
    Rule("rank", lambda n: any(leading(t, RANK) > 1 for t in n.activations()), UNSUPPORTED_RANK,
         "give it at most three dimensions above 1, and batch 1", "coral"),
    Rule("pool-activation", lambda n: n.kind.endswith("_POOL_2D") and is_fused(n), UNSPECIFIED,
         FOLD, "coral"),
    Rule("concatenation-activation", lambda n: n.kind == "CONCATENATION" and is_fused(n),
         UNSPECIFIED, FOLD, "coral"),
    Rule("concatenation-constant", lambda n: n.kind == "CONCATENATION" and not is_padding(n),
         UNSPECIFIED, "concatenate what is computed, or one such with zeros", "coral"),
    Rule("dilation", lambda n: n.kind in ("CONV_2D", "DEPTHWISE_CONV_2D")
         and n.options.get("dilation_h_factor", 1) != n.options.get("dilation_w_factor", 1),
         UNSPECIFIED, "dilate rows and columns alike", "coral"),
    Rule("weights-format", lambda n: n.options.get("weights_format", 0) != 0, UNSPECIFIED,
         "convert without shuffled weights", "coral"),
    Rule("dense-rank", lambda n: n.kind == "FULLY_CONNECTED" and leading(n.output, 1) > 1,
         UNSUPPORTED_RANK, "use a 1×1 convolution, or flatten first", "coral"),
    Rule("mean-channels", lambda n: n.kind == "MEAN" and over_channels(n)
         and n.picture().shape[-1] % 4 != 0,
         UNSPECIFIED, "average over channels only where their number is a multiple of 4", "coral"),
    Rule("batch", lambda n: over_batch(n), UNSPECIFIED, "leave the batch dimension alone",
         "coral"),
    Rule("resize-size", lambda n: n.kind.startswith("RESIZE_") and n.output.bytes > RESIZE_BYTES,
         UNSPECIFIED, "end the network before it and resize on the CPU, or take smaller pictures",
         "coral, edgetpu#31, edgetpu#187"),
    Rule("softmax-rank", lambda n: n.kind == "SOFTMAX" and leading(n.output, 1) > 1, UNSPECIFIED,
         "end the network at the logits: softmax is cheap in numpy", "coral"),
    Rule("softmax-size", lambda n: n.kind == "SOFTMAX"
         and math.prod(n.output.shape) > SOFTMAX_ITEMS, UNSPECIFIED,
         "end the network at the logits: softmax is cheap in numpy", "coral, pairs"),
    Rule("slice", lambda n: n.kind == "STRIDED_SLICE" and not is_plain_slice(n), UNSPECIFIED,
         "slice with strides of 1, without new axes", "coral"),
    Rule("slopes", lambda n: n.kind == "PRELU" and slopes_vary(n), UNSPECIFIED,
         "share the slopes: PReLU(shared_axes=[1, 2])", "coral"),
    Rule("tile", lambda n: n.kind == "TILE" and not is_broadcast(n), UNSUPPORTED, "", "pairs"),
    Rule("transpose-size", lambda n: n.kind == "TRANSPOSE" and moves_channels(n)
         and n.output.bytes > TRANSPOSE_BYTES, UNSPECIFIED,
         "build the network with channels last throughout", "edgetpu#512"),
)  # fmt: skip
"""The rules about operations, in the order in which the compiler looks: the first one broken says
why."""

NO_NORM = "normalise the output in numpy, or with tf.math.l2_normalize, which is one operation"
BATCH_NORM = "BatchNormalization in its place: it disappears into the convolution"
RELU = "ReLU, ReLU(6) or PReLU(shared_axes=[1, 2]) in its place"
NUMPY = "end the network before it and do this in numpy"
REPLACE = "another layer in its place, or an older TensorFlow to convert with"
NEAREST = (
    "keras.ops.image.resize(x, size, 'nearest') in place of UpSampling2D: that is "
    "RESIZE_NEAREST_NEIGHBOR"
)
SLOPES = "one PReLU(shared_axes=[1, 2]) without another activation before it is one PRELU"

LAYERS = {
    "layer_normalization": BATCH_NORM,
    "group_normalization": BATCH_NORM,
    "unit_normalization": NO_NORM,
    "up_sampling2d": NEAREST,
    "p_re_lu": SLOPES,
}
"""Part of a name, as Keras gives it to a layer and the converter to what becomes of it, to what to
do in place of that layer, whichever of its operations is at fault."""

CURES = {
    "BATCH_MATMUL": "a 1×1 convolution in its place; attention stays on the CPU",
    "CONV_2D": "a grouped convolution: split by hand, or DepthwiseConv2D and a 1×1 convolution",
    "DEPTH_TO_SPACE": "Conv2DTranspose or a resize in its place",
    "DEQUANTIZE": f"an output in float, or what follows has no int8 form: {TO_INT8}",
    "DIV": "multiply by the inverse, or do it in numpy",
    "ELU": RELU,
    "EXP": f"from SELU, softplus, mish or exp: {RELU}",
    "GELU": RELU,
    "HARD_SWISH": f"from hard_swish: {RELU}",
    "LEAKY_RELU": f"from LeakyReLU: {RELU}",
    "NEG": f"from a layer or group normalisation: {BATCH_NORM}; or from PReLU: {SLOPES}",
    "PADV2": "pad with zeros",
    "PosenetDecoderOp": "",
    "QUANTIZE": "int16 activations: quantise to int8",
    "RSQRT": f"from UnitNormalization or keras.ops.normalize: {NO_NORM}",
    "SHAPE": FIX_BATCH,
    "SQRT": f"from a normalisation: {NO_NORM}",
    "SQUARE": f"from UnitNormalization or keras.ops.normalize: {NO_NORM}",
    "TFLite_Detection_PostProcess": "",
    "TILE": NEAREST,
    "TRANSPOSE_CONV": "no activation in Conv2DTranspose: BatchNormalization or another operation "
    "between it and ReLU",
}
"""Kind of operation to what to do where neither layer nor rule say; '' where nothing need be."""


AT_FAULT: dict[str, Callable[[Node], bool]] = {
    "CONV_2D": lambda n: is_grouped(n),
    "TRANSPOSE_CONV": lambda n: is_fused(n),
}
"""Kind to which of several operations needs a newer version than the compiler has (tf2.5)."""


def runtime(node: Node) -> int:
    """The Edge TPU run time that an operation needs at least, 0 for any (coral)."""
    dilated = node.kind == "DEPTHWISE_CONV_2D" and node.options.get("dilation_h_factor", 1) > 1
    if dilated or (node.kind == "MEAN" and over_channels(node)):
        return 13
    return SUPPORTED.get(node.kind, 0)


def _dtypes(node: Node) -> set[str]:
    return DTYPES | STATES.get(node.kind, set())


def _is_quantised(graph: Graph) -> bool:
    made = [graph.tensors[i] for o in graph.operations for i in o.outputs]
    return any(t.dtype in ("int8", "uint8") and t.scales for t in made)

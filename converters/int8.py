"""A Keras network to full int8 TFLite, in a process of its own.

TensorFlow's converter can crash the whole process on an op that it does not expect, so
:func:`as_child` runs in a child. What comes out is then looked into here, since two of its
properties depend on the converter's good will:

* the input is the byte mapping of :func:`edgecnn.images.to_network`, uint8 with scale 1/128 and
  zero point 128, so that a picture's bytes go in untouched;
* dense layers have one scale for all their weights. Run times of TFLite 2.9 and older take a
  file with one a channel without complaint and compute zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from converters import child, flatbuffer
from edgecnn import networks
from edgecnn.errors import ConversionError
from edgecnn.images import ZERO_BYTE, Image, to_network

QUANTISERS = ("tensorflow", "litert")
"""TensorFlow's converter, and LiteRT's own quantiser (``ai-edge-quantizer``), which starts from the
float file that the former makes. The first is the default; docs/design.md says why."""

ONE_SCALE_PER_DENSE = "_experimental_disable_per_channel_quantization_for_dense_layers"
"""A private switch of ``tf.lite.TFLiteConverter`` since 2.16; older ones never did it."""


def convert(
    network: str | Path,
    calibration: str | Path | None,
    out: str | Path,
    float_out: str | Path | None = None,
    timeout_s: float = child.TIMEOUT_S,
    quantiser: str = QUANTISERS[0],
    percentile: float | None = None,
    float_layers: Sequence[str] = (),
) -> None:
    """Convert a network whose input is a picture in the range of ``to_network``.

    A convolutional network is converted for the size of the calibration pictures.

    Args:
        network: a ``.keras`` file; one input ``(H, W, C)``, any number of outputs.
        calibration: a ``.npy`` file, ``(N, H, W, C)`` uint8 as the network gets them. None for
            made-up pictures of the network's own size: what comes out shows its operations and is
            good for nothing else, so it is not looked into.
        out: where the int8 ``.tflite`` goes: batch 1, uint8 in and out.
        float_out: where the same network in float32 goes, None for nowhere.
        quantiser: one of :data:`QUANTISERS`.
        percentile, float_layers: as :func:`converters.ranges.quantise` takes them; for TensorFlow's
            converter alone.

    Raises:
        ConversionError: the child failed, crashed or took too long, or what it wrote is not as
            described.
        MissingExtra: TensorFlow, or the quantiser, is not installed.
    """
    child.require("train", "tensorflow")
    if quantiser == "litert":
        child.require("quantizer", "ai_edge_quantizer")
    arguments = [network, calibration or "", out, quantiser, float_out or ""]
    arguments += [str(percentile or ""), *float_layers]
    child.run("converters.int8", arguments, network, out, timeout_s)
    if calibration is not None:
        check(out, float_layers)


def check(path: str | Path, float_layers: Sequence[str] = ()) -> None:
    """Look into an int8 file for what this module promises.

    Args:
        float_layers: names of the tensors that are to be computed in float.

    Raises:
        ConversionError: the input is not the byte mapping, an output is not uint8, the batch is
            not fixed, something else is left in float, or dense weights have a scale a channel.
    """
    graph = flatbuffer.read(path)
    fault = _fault(graph, len(float_layers))
    if fault:
        raise ConversionError(
            f"{path} came out of the converter with {fault}: install the TensorFlow that "
            "edgecnn doctor names"
        )


def _fault(graph: flatbuffer.Graph, float_layers: int = 0) -> str | None:
    picture = graph.input()
    if len(graph.inputs) != 1 or picture.dynamic or picture.shape[0] != 1:
        return f"an input of shape {picture.shape}, expected one picture with batch 1"
    mapping = (picture.dtype, picture.scales, picture.zero_points)
    if mapping != ("uint8", (1 / ZERO_BYTE,), (ZERO_BYTE,)):
        return f"input {mapping}, expected uint8 with scale 1/128 and zero point 128"
    for i in graph.outputs:
        if graph.tensors[i].dtype != "uint8":
            return f"output {graph.tensors[i].name} in {graph.tensors[i].dtype}, expected uint8"
    in_float = [o.kind for o in graph.operations if _in_float(graph, o)]
    if len(in_float) != float_layers:
        return (
            f"{' and '.join(in_float) or 'nothing'} in float, expected int8"
            f"{f' but for {float_layers}' if float_layers else ''}"
        )
    for operation in graph.operations:
        if operation.kind == "FULLY_CONNECTED" and not _in_float(graph, operation):
            scales = len(graph.tensors[operation.inputs[1]].scales)
            if scales != 1:
                return f"{scales} scales for the weights of a dense layer, expected 1"
    return None


def _in_float(graph: flatbuffer.Graph, operation: flatbuffer.Operation) -> bool:
    """Whether an operation computes floats, those that only bring values there left aside."""
    computed = [graph.tensors[i].dtype for i in operation.outputs]
    return operation.kind != "DEQUANTIZE" and any(t.startswith("float") for t in computed)


def _with_both_ends(pixels: Image) -> Image:
    """A first picture that holds the bytes 0 and 255, before ``pixels``.

    The calibrated range decides the input's scale; with both ends seen it is the byte mapping
    exactly. Two bytes of one picture change no other range by more than noise.
    """
    first = pixels[:1].copy()
    first.reshape(-1)[[0, -1]] = 0, 255
    return np.concatenate([first, pixels])


def _made_up(inputs: list[Any]) -> Image:
    """Four pictures of noise for a network that has one input of one size."""
    shapes = [tuple(x.shape[1:]) for x in inputs]
    if len(shapes) != 1 or len(shapes[0]) != 3 or None in shapes[0]:
        raise ValueError(f"expected a network for one picture of one size. Received: {shapes}")
    return np.random.default_rng(0).integers(0, 256, (4, *shapes[0]), np.uint8)


def _by_tensorflow(
    model: Any, pixels: Image, percentile: str, float_layers: tuple[str, ...]
) -> bytes:
    import tensorflow as tf

    def representative() -> Any:
        for one in pixels:
            yield [to_network(one[None])]

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    if hasattr(converter, ONE_SCALE_PER_DENSE):
        setattr(converter, ONE_SCALE_PER_DENSE, True)
    content: bytes
    if not percentile and not float_layers:
        content = converter.convert()
        return content
    from converters import ranges

    share = float(percentile) if percentile else None
    content = ranges.quantise(converter, pixels, share, float_layers)
    return content


def as_child(
    network: str,
    calibration: str,
    out: str,
    quantiser: str = QUANTISERS[0],
    float_out: str = "",
    percentile: str = "",
    *float_layers: str,
) -> None:
    """What the child does: the arguments of :func:`convert`, each '' for None."""
    import tensorflow as tf

    trained = networks.load(network)
    pictures = np.load(calibration) if calibration else _made_up(trained.inputs)
    pixels = _with_both_ends(pictures)
    # An open batch dimension would leave SHAPE and STRIDED_SLICE before every reshape.
    model = networks.resized(trained, pixels.shape[1:], batch=1)
    as_float = b""
    if float_out or quantiser == "litert":
        as_float = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    if float_out:
        Path(float_out).write_bytes(as_float)
    if quantiser == "litert":
        from converters import litert

        Path(out).write_bytes(litert.quantise(as_float, pixels))
    else:
        Path(out).write_bytes(_by_tensorflow(model, pixels, percentile, float_layers))

"""A Keras network to full int8 TFLite, in a process of its own.

TensorFlow's converter can crash the whole process on an op that it does not expect, so it runs in
a child: ``python -m converters.int8 NETWORK CALIBRATION OUT [FLOAT_OUT [PERCENTILE [TENSOR …]]]``;
CALIBRATION is empty for made-up pictures. What comes out is then looked into here, since two of its
properties depend on the converter's good will:

* the input is the byte mapping of :func:`edgecnn.images.to_network`, uint8 with scale 1/128 and
  zero point 128, so that a picture's bytes go in untouched;
* dense layers have one scale for all their weights. Run times of TFLite 2.9 and older take a
  file with one a channel without complaint and compute zeros.
"""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from converters import flatbuffer
from edgecnn import networks
from edgecnn.errors import ConversionError, needs
from edgecnn.images import ZERO_BYTE, Image, to_network
from edgecnn.runtime.child import environment

TIMEOUT_S = 1800.0
"""Long enough for 256 pictures through a network of 100 million multiply-accumulates."""

ONE_SCALE_PER_DENSE = "_experimental_disable_per_channel_quantization_for_dense_layers"
"""A private switch of ``tf.lite.TFLiteConverter`` since 2.16; older ones never did it."""


def convert(
    network: str | Path,
    calibration: str | Path | None,
    out: str | Path,
    float_out: str | Path | None = None,
    timeout_s: float = TIMEOUT_S,
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
        percentile, float_layers: as :func:`converters.ranges.quantise` takes them.

    Raises:
        ConversionError: the child failed, crashed or took too long, or what it wrote is not as
            described.
        MissingExtra: TensorFlow is not installed.
    """
    with needs("train", "tensorflow"):
        if importlib.util.find_spec("tensorflow") is None:
            raise ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow")
    command = [sys.executable, "-m", "converters.int8"]
    command += [str(network), str(calibration or ""), str(out), str(float_out or "")]
    command += [str(percentile or ""), *float_layers]
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    try:
        child = subprocess.run(
            command,
            env=environment(**quiet, KERAS_BACKEND="tensorflow"),
            capture_output=True,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired:
        raise ConversionError(
            f"the converter did not end within {timeout_s:g} s: use a smaller network or fewer "
            "calibration pictures"
        ) from None
    if child.returncode or not Path(out).is_file():
        raise ConversionError(
            f"TensorFlow's converter failed on {network} "
            f"({_reason(child.returncode, child.stderr.decode('utf-8', 'replace'))}): "
            "look for a layer that TFLite has no int8 operation for"
        )
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


def _reason(code: int, errors: str) -> str:
    """Why the child ended, in one line: the signal, or the last line that names an error."""
    if code < 0:
        name = signal.Signals(-code).name
        return f"{name}, out of memory?" if name == "SIGKILL" else f"it crashed with {name}"
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    named = [line for line in lines if "Error" in line or "error:" in line]
    return (named or lines or [f"exit code {code}"])[-1][:300]


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


def _child(
    network: str,
    calibration: str,
    out: str,
    float_out: str = "",
    percentile: str = "",
    *float_layers: str,
) -> None:
    import tensorflow as tf

    trained = networks.load(network)
    pictures = np.load(calibration) if calibration else _made_up(trained.inputs)
    pixels = _with_both_ends(pictures)
    # An open batch dimension would leave SHAPE and STRIDED_SLICE before every reshape.
    model = networks.resized(trained, pixels.shape[1:], batch=1)

    def representative() -> Any:
        for one in pixels:
            yield [to_network(one[None])]

    if float_out:
        Path(float_out).write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    if hasattr(converter, ONE_SCALE_PER_DENSE):
        setattr(converter, ONE_SCALE_PER_DENSE, True)
    if not percentile and not float_layers:
        Path(out).write_bytes(converter.convert())
        return
    from converters import ranges

    share = float(percentile) if percentile else None
    Path(out).write_bytes(ranges.quantise(converter, pixels, share, float_layers))


if __name__ == "__main__":
    _child(*sys.argv[1:])

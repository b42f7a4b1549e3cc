"""Int8 with other ranges, or with a layer in float, by TensorFlow's own converter taken apart.

The converter works in two steps: it calibrates, which writes the least and largest value seen into
each tensor of a float ``.tflite`` file, and quantises by what stands there. Between the two the
ranges can be changed, and a layer can be left out of the second step; everything else is the
converter's as ever. Called in the child process of :mod:`converters.int8` alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from converters import flatbuffer
from edgecnn.errors import ConversionError
from edgecnn.images import Floats, Image, to_network
from edgecnn.runtime.interpreter import default_threads, runtime_module

PICTURES = 64
"""To find percentiles with: without accelerated kernels each costs an embedder 0.1 s."""

BINS = 4096
"""Of a histogram between the least and largest value: finer than int8 by a factor of 16."""


def quantise(
    converter: Any, pixels: Image, percentile: float | None, float_layers: tuple[str, ...]
) -> bytes:
    """The file of a ``tf.lite.TFLiteConverter`` that is set up for full int8, uint8 in and out.

    Args:
        pixels: ``(N, H, W, C)`` uint8, what it calibrates on.
        percentile: share of a layer's values, in percent, that its range holds; values beyond are
            cut off. None for all. The network's inputs and outputs keep theirs.
        float_layers: names of the tensors that layers which stay in float compute.

    Raises:
        ConversionError: there is no such tensor.
    """
    from tensorflow.lite.python.convert import mlir_quantize

    converter._experimental_calibrate_only = True
    calibrated = converter.convert()
    if percentile is not None:
        calibrated = clipped(calibrated, pixels[:PICTURES], percentile)
    known = {t.name.decode() for t in unpacked(calibrated).subgraphs[0].tensors}
    if unknown := [name for name in float_layers if name not in known]:
        raise ConversionError(f"there is no layer {unknown[0]} to keep in float")
    import tensorflow as tf

    content: bytes = mlir_quantize(
        calibrated,
        input_data_type=tf.uint8,
        output_data_type=tf.uint8,
        disable_per_channel_for_dense_layers=True,
        denylisted_nodes=list(float_layers),
    )
    return content


def clipped(calibrated: bytes, pixels: Image, percentile: float) -> bytes:
    """A calibrated float file whose ranges hold ``percentile`` % of the values of each layer."""
    import flatbuffers

    model = unpacked(calibrated)
    graph = model.subgraphs[0]
    fixed = {*graph.inputs, *graph.outputs}
    ranges = {
        i: (float(tensor.quantization.min[0]), float(tensor.quantization.max[0]))
        for i, tensor in enumerate(graph.tensors)
        if i not in fixed and tensor.quantization is not None
        and tensor.quantization.min is not None and len(tensor.quantization.min) == 1
    }  # fmt: skip
    for i, counts in histograms(calibrated, pixels, ranges).items():
        low, high = within(counts, *ranges[i], percentile)
        graph.tensors[i].quantization.min = np.array([low], np.float32)
        graph.tensors[i].quantization.max = np.array([high], np.float32)
    builder = flatbuffers.Builder(len(calibrated) + 1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def histograms(
    content: bytes, pixels: Image, ranges: dict[int, tuple[float, float]]
) -> dict[int, npt.NDArray[np.int64]]:
    """How often each of :data:`BINS` equal parts of its range occurs in a tensor, over pictures."""
    module = runtime_module()
    interpreter = module.Interpreter(
        model_content=content,
        num_threads=default_threads(),
        experimental_op_resolver_type=module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]["index"]
    wide = {i: r for i, r in ranges.items() if r[1] > r[0]}
    found = {i: np.zeros(BINS, np.int64) for i in wide}
    for one in pixels:
        interpreter.set_tensor(entry, to_network(one[None]))
        interpreter.invoke()
        for i, (low, high) in wide.items():
            parts = (interpreter.get_tensor(i).ravel() - low) * (BINS / (high - low))
            places = np.clip(parts, 0, BINS - 1).astype(np.int64)
            found[i] += np.bincount(places, minlength=BINS)
    return found


def within(
    counts: npt.NDArray[np.int64], low: float, high: float, percentile: float
) -> tuple[float, float]:
    """The part of ``low`` … ``high`` without the rarest values at either end.

    Values at 0 are not counted: after a ReLU they are most, and say nothing about the others.

    Args:
        counts: of equal parts between ``low`` and ``high``.
        percentile: of what lies above 0 so much stays below the upper end, and the same below 0.
    """
    edges: Floats = np.linspace(low, high, len(counts) + 1).astype(np.float32)
    above, below = counts * (edges[:-1] > 0), counts * (edges[1:] < 0)
    return -_end(below[::-1], -edges[::-1], percentile), _end(above, edges, percentile)


def unpacked(content: bytes) -> Any:
    """A ``.tflite`` file as objects that can be changed."""
    model = flatbuffer.schema().ModelT
    return model.InitFromPackedBuf(bytearray(content), 0)


def _end(counts: npt.NDArray[np.int64], edges: Floats, percentile: float) -> float:
    """The edge up to which ``percentile`` % of the counts lie; 0 of none."""
    total = np.cumsum(counts)
    if not total[-1]:
        return 0.0
    return float(edges[1 + int(np.searchsorted(total, total[-1] * percentile / 100))])

"""A Keras network to ``.tflite`` files that compute in float: float32, float16, dynamic-range."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from converters import child, int8, metadata
from edgecnn import networks
from edgecnn.bundle import ModelEntry
from edgecnn.images import Preprocess
from edgecnn.runtime.interpreter import Model

STORED = {
    "float32": "float32",
    "float16": "float16",
    "dynamic-range": "dynamic-range int8",
}
"""What the weights become: as they were trained; rounded to float16, which run times on a CPU widen
again; in int8, which they multiply with activations that they quantise picture by picture."""

load = Model
"""The file as a function from bytes to numbers."""


def write(kind: str, network: Path, out: Path, name: str, entry: ModelEntry) -> None:
    """Write the file: batch 1, float32 in and out, in the range of ``to_network``, and the same
    metadata as in an int8 file.

    Args:
        kind: one of :data:`STORED`.
        network: a ``.keras`` file.
        name: of the model, as a bundle calls it.
        entry: its input, labels and facts.

    Raises:
        ConversionError: the converter failed, crashed or took too long.
        MissingExtra: TensorFlow is not installed.
    """
    child.require("train", "tensorflow")
    arguments: list[str | Path] = [kind, network, ",".join(map(str, entry.input.shape)), out]
    lacks = "TFLite has no operation for"
    child.run("converters.float_tflite", arguments, network, out, lacks=lacks)
    if isinstance(entry.input, Preprocess) and name in metadata.OUTPUTS:
        metadata.write(out, name, entry.input, entry.labels, stored=STORED[kind])


def _converted(kind: str, model: Any) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if kind == "dynamic-range" and hasattr(converter, int8.ONE_SCALE_PER_DENSE):
        setattr(converter, int8.ONE_SCALE_PER_DENSE, True)
    content: bytes = converter.convert()
    return content


def as_child(kind: str, network: str, size: str, out: str) -> None:
    """What the child does; ``size`` is ``HEIGHT,WIDTH,CHANNELS``."""
    shape = [int(n) for n in size.split(",")]
    model = networks.resized(networks.load(network), shape, batch=1)
    Path(out).write_bytes(_converted(kind, model))

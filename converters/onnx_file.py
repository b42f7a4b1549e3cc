"""A Keras network to ONNX, by tf2onnx, and such a file as a function from bytes to numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from converters import child, metadata
from edgecnn import networks
from edgecnn.bundle import ModelEntry
from edgecnn.errors import needs
from edgecnn.images import Floats, to_network
from edgecnn.runtime.interpreter import Tensor

OPSET = 17
"""Of 2022, and more than these networks need: nearly all that reads ONNX reads it."""

PICTURE = "picture"
"""Name of the input."""


def write(kind: str, network: Path, out: Path, name: str, entry: ModelEntry) -> None:
    """Write the file: ``(1, C, H, W)`` float32 in, in the range of ``to_network``; outputs in the
    order and shape that they have in Keras, channels last. What a reader has to know besides stands
    in its ``metadata_props``.

    Args:
        kind: ``onnx``.
        network: a ``.keras`` file.
        name: of the model, as a bundle calls it.
        entry: its input, labels and facts.

    Raises:
        ConversionError: the converter failed, crashed or took too long.
        MissingExtra: tf2onnx is not installed.
    """
    child.require("onnx", "tf2onnx", "onnx", "onnxruntime", "tensorflow")
    import onnx

    arguments: list[str | Path] = [network, ",".join(map(str, entry.input.shape)), out]
    lacks = "ONNX has no operation for"
    child.run("converters.onnx_file", arguments, network, out, called="tf2onnx", lacks=lacks)
    model = onnx.load(out)
    if name in metadata.OUTPUTS:
        _rename(model, [metadata.OUTPUTS[name][0]])
    facts = {"model": name, "input": entry.input.to_dict(), "labels": entry.labels, **entry.facts}
    onnx.helper.set_model_props(model, {k: json.dumps(v) for k, v in facts.items()})
    onnx.checker.check_model(model, full_check=True)
    out.write_bytes(model.SerializeToString())


class OnnxModel:
    """An ONNX file, run by ONNX Runtime.

    Attributes:
        inputs: its one input, as the ``(1, H, W, C)`` that pictures have here.
    """

    def __init__(self, path: str | Path):
        with needs("onnx", "onnxruntime"):
            import onnxruntime
        self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        (picture,) = self._session.get_inputs()
        _, c, h, w = picture.shape
        self.inputs = [Tensor(picture.name, (1, h, w, c), "float32", 0.0, 0)]

    def __call__(self, pixels: npt.NDArray[np.uint8]) -> list[Floats]:
        """One picture ``(H, W, C)`` uint8 to its outputs, with a leading dimension of 1."""
        channels_first = np.ascontiguousarray(to_network(pixels).transpose(2, 0, 1))
        outputs: list[Floats] = self._session.run(None, {PICTURE: channels_first[None]})
        return outputs


load = OnnxModel
"""The file as a function from bytes to numbers."""


def _rename(model: Any, names: list[str]) -> None:
    """Call the outputs ``names``."""
    called = {o.name: new for o, new in zip(model.graph.output, names, strict=True)}
    for node in model.graph.node:
        for places in (node.input, node.output):
            places[:] = [called.get(place, place) for place in places]
    for output in model.graph.output:
        output.name = called[output.name]


def _modernise(model: Any) -> None:
    """Spell nearest up-sampling as ONNX does from opset 13 on.

    tf2onnx keeps ``tf_half_pixel_for_nn``, floor((x + 0.5) / scale), which opset 13 deprecates. For
    whole scales, and Keras has no others, that is ``asymmetric``, floor(x / scale).
    """
    for node in model.graph.node:
        for attribute in node.attribute if node.op_type == "Resize" else ():
            if attribute.s == b"tf_half_pixel_for_nn":
                attribute.s = b"asymmetric"


def as_child(network: str, size: str, out: str) -> None:
    """What the child does; ``size`` is ``HEIGHT,WIDTH,CHANNELS``."""
    import tensorflow as tf
    import tf2onnx

    shape = [int(n) for n in size.split(",")]
    model = networks.resized(networks.load(network), shape, batch=1)
    spec = tf.TensorSpec((1, *shape), tf.float32, name=PICTURE)
    call = tf.function(lambda picture: model(picture, training=False), input_signature=[spec])
    made, _ = tf2onnx.convert.from_function(
        call, input_signature=[spec], opset=OPSET, inputs_as_nchw=[PICTURE]
    )
    _rename(made, model.output_names)
    _modernise(made)
    Path(out).write_bytes(made.SerializeToString())

"""A network's weights back out of an int8 file, so that what ships can be trained further.

A converted file has no batch normalisation: it is folded into the convolutions. Here their folded
weights are de-quantised and a normalisation is set up around them that leaves every answer as it
is, from what the convolutions hand on for some pictures. The kernels are scaled so that this has a
variance of 1, as in a network trained from the beginning: usual learning rates then fit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.errors import ModelError, needs
from edgecnn.images import Floats
from edgecnn.runtime.intact import read
from edgecnn.runtime.interpreter import runtime_module
from edgecnn.training.run import Run

with needs("train", "keras", "tensorflow"):
    import keras

SUFFIX = ".tflite"
BATCH = 16
"""Pictures at a time, when looking at what the convolutions hand on."""
THAWED = 128
"""Training pictures that suffice for that: convolutions give thousands of numbers a picture."""
LEAST_VARIANCE = 1e-6
"""Of a channel, below which its kernel is not scaled: it hands on nothing."""


def lend_weights(start: str | Path, network: Any, pixels: Floats) -> None:
    """Give ``network`` the weights of a run, or those of an int8 file of the same network.

    Args:
        start: a run folder, or a ``.tflite`` file that this project converted.
        pixels: ``(N, H, W, C)`` training pictures in the network's range; of use for a file only.

    Raises:
        DataError: there is no such run, or its network is another one.
        ModelError: the file is damaged or holds another network.
    """
    if Path(start).suffix == SUFFIX:
        thaw(start, network, pixels)
    else:
        Run(start).lend_weights(network)


def thaw(path: str | Path, network: Any, pixels: Floats) -> None:
    """Set all weights of ``network`` so that it answers what the file at ``path`` answers.

    Layers are found by their names, which a converted file carries. Convolutions have either a
    bias or a :class:`keras.layers.BatchNormalization` right behind them.

    Raises:
        ModelError: the file is damaged, or a layer is missing in it or has another shape.
    """
    stored = _constants(path)
    normalised = {layer.input.name: layer for layer in network.layers if _is_norm(layer)}
    norms = []
    for layer in network.layers:
        if not layer.weights or _is_norm(layer):
            continue
        kernel, bias = _folded(stored, layer, path)
        if norm := normalised.get(layer.output.name):
            layer.set_weights([kernel])
            no_mean, variance = np.zeros_like(bias), np.ones_like(bias) - norm.epsilon
            norm.set_weights([np.ones_like(bias), bias, no_mean, variance])
            norms.append((layer, norm))
        else:
            layer.set_weights([kernel, bias])
    means, variances = _moments(network, [norm.input for _, norm in norms], pixels)
    for (layer, norm), mean, variance in zip(norms, means, variances, strict=True):
        _spread(layer, norm, mean, variance)


def _spread(layer: Any, norm: Any, mean: Floats, variance: Floats) -> None:
    """Scale a kernel to a variance of 1 and let its normalisation undo that."""
    scale = 1 / np.sqrt(np.where(variance < LEAST_VARIANCE, np.float32(1), variance))
    (kernel,) = layer.get_weights()
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    layer.set_weights([kernel * (scale[:, None] if depthwise else scale)])
    _, bias, _, _ = norm.get_weights()
    gamma = np.sqrt(variance * scale**2 + norm.epsilon) / scale
    norm.set_weights([gamma, bias + mean, mean * scale, variance * scale**2])


def _moments(network: Any, tensors: list[Any], pixels: Floats) -> tuple[list[Floats], list[Floats]]:
    """Mean and variance of each channel of some of a network's tensors, over all pictures."""
    if not tensors:
        return [], []
    watcher = keras.Model(network.input, tensors)
    shape = [(2, tensor.shape[-1]) for tensor in tensors]
    sums, counts = [np.zeros(s, np.float64) for s in shape], np.zeros(len(tensors))
    for i in range(0, len(pixels), BATCH):
        for k, x in enumerate(watcher.predict_on_batch(pixels[i : i + BATCH])):
            rows = np.asarray(x, np.float64).reshape(-1, x.shape[-1])
            sums[k] += np.stack([rows.sum(0), (rows**2).sum(0)])
            counts[k] += len(rows)
    moments = [s / n for s, n in zip(sums, counts, strict=True)]
    means = [m.astype(np.float32) for m, _ in moments]
    variances = [np.maximum(q - m**2, 0).astype(np.float32) for m, q in moments]
    return means, variances


def _is_norm(layer: Any) -> bool:
    return isinstance(layer, keras.layers.BatchNormalization)


def _constants(path: str | Path) -> list[tuple[set[str], Floats]]:
    """Weights of a file, de-quantised, with the names of the layers that each belongs to."""
    try:
        interpreter = runtime_module().Interpreter(model_content=read(Path(path)), num_threads=1)
        tensors = interpreter.get_tensor_details()
    except (ValueError, RuntimeError) as e:
        raise ModelError(f"{path} does not load ({str(e).splitlines()[0]}): copy it again") from e
    found = []
    for tensor in tensors:
        quantised = tensor["quantization_parameters"]
        scales = np.asarray(quantised["scales"], np.float32)
        if not len(scales) or tensor["name"].startswith("StatefulPartitionedCall"):
            continue
        try:
            values = interpreter.get_tensor(tensor["index"]).astype(np.float32)
        except ValueError:  # an activation: it has no values before the file was run
            continue
        shape = [1] * values.ndim
        shape[quantised["quantized_dimension"]] = len(scales)
        names = {part.split("/")[1] for part in tensor["name"].split(";") if "/" in part}
        found.append((names, values * scales.reshape(shape)))
    return found


def _folded(
    stored: list[tuple[set[str], Floats]], layer: Any, path: str | Path
) -> tuple[Floats, Floats]:
    """A layer's kernel, in Keras's order of dimensions, and its bias."""
    shape = tuple(layer.kernel.shape)
    order = (1, 2, 3, 0) if len(shape) == 4 else (1, 0)
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        wanted, width = (1, *shape[:3]), shape[2]
    else:
        wanted, width = (shape[-1], *shape[:-1]), shape[-1]
    mine = [values for names, values in stored if names & {layer.name, f"{layer.name}_1"}]
    kernels = [v for v in mine if v.shape == wanted]
    biases = [v for v in mine if v.shape == (width,)]
    if len(kernels) != 1 or len(biases) != 1:
        raise ModelError(
            f"expected weights {wanted} and ({width},) of the layer {layer.name} in {path}. Found "
            f"{[v.shape for v in mine] or 'none'}: use the options it was trained with"
        )
    return kernels[0].transpose(order), biases[0]

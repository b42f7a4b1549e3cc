"""Cross-layer equalisation: channels of one layer made alike in size, the next undoing it.

After Nagel et al. 2019, *Data-Free Quantization Through Weight Equalization and Bias Correction*
(arXiv 1906.04721), §4.1: between two layers with a ReLU, channel i may be divided by any s > 0 and
the next layer's weights for it multiplied by s, since ReLU(x / s) = ReLU(x) / s; what the network
computes stays the same. Theirs is a quantiser with one scale for all weights of a layer; here
convolutions have a scale a channel, so what an unbalanced channel loses first is its activations,
which share a scale. The range that is equalised is therefore that of the activations, over the
calibration pictures, against the next layer's weights.

ReLU6 ends at 6 whatever the channel is scaled by. A channel whose values stay below
:data:`CEILING`, half of that, may be scaled up to it: only a value twice as high as any that the
calibration showed would be cut off. The others stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from converters import graph
from converters.activations import BOUND
from edgecnn.errors import ConversionError, needs
from edgecnn.images import Floats, Image

with needs("train", "keras", "tensorflow"):
    from keras import layers

ROUNDS = 8
"""A pair's factors change what its neighbours see; after 8 rounds they move by less than 1 %."""

CEILING = 3.0
"""Of a channel before ReLU6, half of where that ends."""

SAME = 1e-3
"""How far outputs may move, as a share of their spread: float32 rounds, and no more."""

HOMOGENEOUS = (
    layers.MaxPooling2D, layers.AveragePooling2D, layers.GlobalAveragePooling2D,
    layers.GlobalMaxPooling2D, layers.ZeroPadding2D, layers.Cropping2D, layers.UpSampling2D,
    layers.LeakyReLU, layers.Flatten,
)  # fmt: skip
"""f(x / s) = f(x) / s for each channel."""


@dataclass(eq=False)
class Pair:
    """A layer and those that read its channels.

    Attributes:
        first: the layer before, ``readers`` those behind.
        relu6: whether a ReLU6 lies between.
        last: name of the operation whose output the readers see.
    """

    first: Any
    readers: list[Any]
    relu6: bool
    last: str


def equalise(network: Any, pixels: Image) -> tuple[Any, int]:
    """A network that computes the same, its channels alike in size, and how many pairs it had.

    Args:
        network: from :func:`converters.graph.fold`; it is changed.
        pixels: ``(N, H, W, C)`` uint8, calibration pictures.

    Raises:
        ConversionError: it would not compute the same: a layer is not what it seems.
    """
    before = graph.outputs_of(network, pixels[: graph.BATCH])
    found, ranges = pairs(network), graph.extremes(network, pixels)
    for _ in range(ROUNDS):
        for pair in found:
            _scale(pair, factors(pair, ranges), ranges)
    for a, b in zip(before, graph.outputs_of(network, pixels[: graph.BATCH]), strict=True):
        moved = float(np.abs(a - b).max() / (np.ptp(a) + 1e-9))
        if moved > SAME:
            raise ConversionError(
                f"equalised, the network computes something else (outputs move by {moved:.2g} of "
                "their spread)"
            )
    return network, len(found)


def pairs(network: Any) -> list[Pair]:
    """The pairs that may be scaled, in the network's order."""
    calls = graph.nodes(network)
    readers: dict[int, list[Any]] = {}
    for node in calls:
        for x in node.input_tensors:
            readers.setdefault(id(x), []).append(node)
    outputs = {id(x) for x in network.outputs}
    operations = [id(node.operation) for node in calls]
    found = []
    for node in calls:
        if not graph.is_weighted(node.operation) or operations.count(id(node.operation)) > 1:
            continue
        pair = Pair(node.operation, [], False, node.operation.name)
        if _follow(node, pair, readers, outputs) and pair.readers:
            found.append(pair)
    return found


def factors(pair: Pair, ranges: graph.Extremes) -> Floats:
    """What to multiply each channel by, ``(C,)``: 1 where it must not be touched.

    A channel's activations use the share a / max(a) of their int8 range, its weights in the reader
    the share w / max(w) of theirs; the product stays, and is split evenly (equation 11 of the
    paper). A depthwise reader has a scale for each channel, so there the activations get all.
    """
    active = _largest(ranges[pair.last])
    # A dense layer before shares one scale among its own rows of weights as well.
    own = _largest_weight(pair.first) if isinstance(pair.first, layers.Dense) else active
    used = np.sqrt(_share(active) * _share(own))
    if any(isinstance(reader, layers.DepthwiseConv2D) for reader in pair.readers):
        wanted = np.ones_like(used)
    else:
        weights = np.max([_read_weight(r, len(used)) for r in pair.readers], axis=0)
        wanted = np.sqrt(used * _share(weights))
    alive = (active > 0) & (used > 0) & (wanted > 0)
    scale = np.divide(wanted, used, out=np.ones_like(used), where=alive)
    scale[alive] *= active.max() / (active * scale)[alive].max() if alive.any() else 1.0
    if pair.relu6:
        peak = ranges[pair.first.name][1]  # before it is cut off
        free = alive & (peak < CEILING) & (peak > 0)
        top = np.where(free, CEILING / np.where(free, peak, 1.0), 1.0)
        scale = np.where(free, np.minimum(scale, top), 1.0)
    return np.asarray(scale, np.float32)


def _follow(node: Any, pair: Pair, readers: dict[int, list[Any]], outputs: set[int]) -> bool:
    """Fill in what reads the channels of ``node``; False where something else does."""
    (tensor,) = node.outputs
    if id(tensor) in outputs:
        return False
    for reader in readers.get(id(tensor), []):
        operation = reader.operation
        if graph.is_weighted(operation):
            if getattr(operation, "groups", 1) != 1 or operation in pair.readers:
                return False
            pair.readers.append(operation)
            continue
        end = graph.relu_end(operation)
        if end is None and not isinstance(operation, HOMOGENEOUS):
            return False
        pair.relu6 |= end == BOUND
        if not isinstance(operation, layers.Flatten):
            pair.last = operation.name
        if not _follow(reader, pair, readers, outputs):
            return False
    return True


def _scale(pair: Pair, scale: Floats, ranges: graph.Extremes) -> None:
    """Multiply the channels of the first by ``scale``, and divide them out in its readers."""
    kernel, bias = pair.first.get_weights()
    shape = [kernel.shape[a] for a in graph.channel_axis(pair.first)]
    pair.first.set_weights([kernel * scale.reshape(shape), bias * scale])
    for reader in pair.readers:
        kernel, bias = reader.get_weights()
        if isinstance(reader, layers.Dense):  # of a flattened map, each channel at each place
            undo = np.tile(scale, kernel.shape[0] // len(scale))[:, None]
        else:
            undo = scale[:, None]
        reader.set_weights([kernel / undo, bias])
    for name in {pair.first.name, pair.last}:
        ranges[name] = ranges[name][0] * scale, ranges[name][1] * scale


def _largest(both: tuple[Floats, Floats]) -> Floats:
    return np.maximum(np.abs(both[0]), np.abs(both[1]))


def _largest_weight(dense: Any) -> Floats:
    return np.asarray(np.abs(dense.get_weights()[0]).max(axis=0))


def _read_weight(reader: Any, channels: int) -> Floats:
    """For each input channel the largest weight, as a share of that weight's int8 range."""
    kernel = np.abs(reader.get_weights()[0])
    if isinstance(reader, layers.Dense):
        return np.asarray(kernel.reshape(-1, channels, kernel.shape[1]).max(axis=(0, 2)))
    kernel = kernel / np.maximum(kernel.max(axis=(0, 1, 2)), 1e-30)  # a scale for each output
    return np.asarray(kernel.max(axis=(0, 1, 3)))


def _share(values: Floats) -> Floats:
    return np.asarray(values / max(float(values.max()), 1e-30))

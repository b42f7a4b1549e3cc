"""Float against int8 layer by layer, and which layer hurts most.

The difference at a layer says little about it: it has collected the errors of all layers before.
Its *own* error, given the right inputs, says what it adds, but not whether that matters: a layer
whose small channels are lost has a fine ratio of signal to noise, since the large ones make the
signal, and still ruins a network that lives on the small ones. So each layer's own error, alone,
is put into the float network, and the layer that hurts most is the one whose error is largest
where it counts: at the network's outputs. Errors of different layers are nearly independent, so
their powers there add up, and each has its *share* of the whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from converters import autopsy_measure as measure
from converters.autopsy_match import called, fused, matched
from converters.autopsy_measure import Activations, Weights, power
from converters.cut import Network, described
from converters.flatbuffer import TensorFacts
from edgecnn.images import Floats, to_network

CHANNEL_AXES = {
    "CONV_2D": (0, 3),
    "FULLY_CONNECTED": (0, 1),
    "TRANSPOSE_CONV": (0, 3),
    "DEPTHWISE_CONV_2D": (3, 3),
}
"""Axes of the output and of the input channels in an operation's weights, its second input
(TensorFlow's 8-bit quantisation specification)."""


@dataclass(frozen=True)
class LayerError:
    """A layer of an int8 network beside the same layer in float, over some pictures.

    Attributes:
        name: the Keras layer that holds the weights; else the first of those fused; else
            ``output N``, the network's output of that number.
        layers: all Keras layers that were fused into it.
        kind: of the operation.
        tensor: name of what it computes in the int8 file.
        sqnr_db, cosine: int8 to float in the running network, errors of the layers before
            included.
        own_sqnr_db: of its own error, given the right inputs as far as int8 can say them.
        output_sqnr_db: of the network's outputs, were this layer's error the only one.
        share: of the power of all layers' errors at the outputs, 0…1.
        from_weights: share of its own error's power that rounded weights make; rounded and
            clipped values make the rest.
        from_clipping: share that values outside its range make.
        from_shift: share that is a constant for each channel.
        activations, weights: what it computes and what it holds; None without weights.
    """

    name: str
    layers: tuple[str, ...]
    kind: str
    tensor: str
    sqnr_db: float
    cosine: float
    own_sqnr_db: float
    output_sqnr_db: float
    share: float
    from_weights: float
    from_clipping: float
    from_shift: float
    activations: Activations
    weights: Weights | None


@dataclass(frozen=True)
class Autopsy:
    """An int8 network beside its float twin.

    Attributes:
        layers: in the order of the int8 file.
        sqnr_db, cosine: of the network's outputs, int8 to float; of several the mean.
        pictures: how many it was looked at with.
        model, part: the task it was trained for, and which of its data the pictures are; empty
            where files were compared.
    """

    layers: tuple[LayerError, ...]
    sqnr_db: float
    cosine: float
    pictures: int
    model: str = ""
    part: str = ""


def compare(float_file: Path, int8_file: Path, pixels: npt.NDArray[np.uint8]) -> Autopsy:
    """Compare two ``.tflite`` files of one network.

    Layers are matched by the names of their tensors; operations that hand on values as they come
    are none. The int8 file may have layers in float.

    Args:
        pixels: ``(N, H, W, C)``, N 1 at least: pictures that it was not calibrated on.

    Raises:
        ModelError: a file is damaged or has several subgraphs.
        ConversionError: the files are not of one network.
    """
    before, after = Network(float_file), Network(int8_file)
    twins = matched(before, after)
    pair = _Pair(before, after, twins, pixels)
    found = [pair.layer(i, f) for i, f in twins.items()]
    total = sum(noise for _, noise in found) or 1.0
    rows = (
        LayerError(**facts, output_sqnr_db=measure.decibels(1.0, noise), share=noise / total)
        for facts, noise in found
    )
    return Autopsy(tuple(rows), *pair.outcome(), len(pixels))


def layers(float_file: Path, int8_file: Path, pixels: npt.NDArray[np.uint8]) -> list[LayerError]:
    """The layers alone of :func:`compare`."""
    return list(compare(float_file, int8_file, pixels).layers)


def ranked(rows: Sequence[LayerError]) -> list[LayerError]:
    """Those that hurt most first: whose own error is largest at the outputs; of equals, those that
    are worse by themselves."""
    return sorted(rows, key=lambda row: (-row.share, row.own_sqnr_db))


def worst(rows: Sequence[LayerError]) -> LayerError:
    """The layer that hurts most; ``rows`` has one at least."""
    return ranked(rows)[0]


class _Pair:
    """A float and an int8 network side by side over some pictures, layer after layer.

    Attributes:
        twins: tensors of the int8 network and those of the float one.
        truth, now: what float, and int8 as it runs, compute: ``(N, ...)`` by tensor.
        outputs: what float computes in the end.
    """

    def __init__(
        self,
        before: Network,
        after: Network,
        twins: Mapping[int, int],
        pixels: npt.NDArray[np.uint8],
    ):
        self.before, self.after = before, after
        picture, stored = before.graph.inputs[0], after.graph.inputs[0]
        self.twins = {**twins, stored: picture}
        self.truth: dict[int, Floats] = {picture: to_network(pixels)}
        self.now: dict[int, Floats] = {stored: self.truth[picture]}
        self.outputs = before.part(before.graph.outputs, ())(self.truth)

    def layer(self, stored: int, true: int) -> tuple[dict[str, Any], float]:
        """Facts about the layer that computes ``stored`` in int8 and ``true`` in float, and the
        relative power of its own error at the outputs. To be asked in the file's order."""
        in_float = self.before.part([true], self.twins.values())
        in_int8 = self.after.part([stored], self.twins)
        self.truth |= in_float(self.truth)
        self.now |= in_int8(self.now)
        # The right inputs as int8 can say them: to round them was the fault of the layers before.
        right = {i: self.truth[self.twins[i]] for i in in_int8.inputs}
        given = {self.twins[i]: _rounded(self.after, i, real) for i, real in right.items()}
        wanted = in_float(given)[true]
        error = in_int8(right)[stored] - wanted
        low, high = limits(self.after.graph.tensors[stored])
        seen = measure.activations(self.truth[true], low, high)
        looked = self._weights(stored, true)
        by_weights = np.zeros_like(error)
        if looked:
            rounded = self.before.part([true], self.twins.values(), {looked[1]: looked[2]})
            by_weights = rounded(given)[true] - wanted
        parts = power(by_weights), power(error - by_weights)
        beyond = power(error[(wanted < low) | (wanted > high)]) if seen.clipped else 0.0
        operation = self.after.graph.operations[self.after.makers[stored]]
        names = [self.before.graph.tensors[t].name for t in (true, *(looked[1:2]))]
        facts = {
            "name": called(*names),
            "layers": fused(";".join(names)),
            "kind": operation.kind,
            "tensor": self.after.graph.tensors[stored].name,
            "sqnr_db": measure.sqnr_db(self.truth[true], self.now[stored]),
            "cosine": measure.cosine(self.truth[true], self.now[stored]),
            "own_sqnr_db": measure.decibels(power(self.truth[true]), power(error)),
            "from_weights": parts[0] / (sum(parts) or 1.0),
            "from_clipping": beyond / (power(error) or 1.0),
            "from_shift": measure.shift(error),
            "activations": seen,
            "weights": looked[0] if looked else None,
        }
        return facts, self._at_the_outputs(true, error)

    def outcome(self) -> tuple[float, float]:
        """SQNR in dB and cosine of the outputs once all layers have been asked for."""
        named = {self.after.graph.tensors[t].name: t for t in self.after.graph.outputs}
        stored = {f: named[self.before.graph.tensors[f].name] for f in self.outputs}
        now = self.after.part(list(stored.values()), self.twins)(self.now)
        pairs = [(values, now[stored[f]]) for f, values in self.outputs.items()]
        ratios = [power(found - true) / (power(true) or 1.0) for true, found in pairs]
        cosines = [measure.cosine(true, found) for true, found in pairs]
        return measure.decibels(1.0, float(np.mean(ratios))), float(np.mean(cosines))

    def _at_the_outputs(self, tensor: int, error: Floats) -> float:
        """Power of what an error there changes at the outputs, over their own; of several outputs
        the mean."""
        spoiled = {**self.truth, tensor: self.truth[tensor] + error}
        later = [t for t in self.before.graph.outputs if t not in spoiled]
        if later:
            spoiled |= self.before.part(later, spoiled)(spoiled)
        ratios = [
            power(spoiled[t] - values) / (power(values) or 1.0)
            for t, values in self.outputs.items()
        ]
        return float(np.mean(ratios))

    def _weights(self, stored: int, true: int) -> tuple[Weights, int, Floats] | tuple[()]:
        """Facts about a layer's weights, their tensor in the float file, and what int8 makes of
        them; nothing without weights in int8."""
        one, other = (
            network.graph.operations[network.makers[tensor]]
            for network, tensor in ((self.after, stored), (self.before, true))
        )
        if one.kind != other.kind or one.kind not in CHANNEL_AXES:
            return ()
        int8 = self.after.graph.tensors[one.inputs[1]]
        real = self.before.graph.tensors[other.inputs[1]]
        if int8.dtype != "int8" or not int8.stored or not real.stored or int8.shape != real.shape:
            return ()
        axis, input_axis = CHANNEL_AXES[one.kind]
        shape = [1] * len(int8.shape)
        shape[axis] = -1
        scales = np.asarray(int8.scales, np.float32)
        # Weights are symmetric: their zero point is 0 (TensorFlow's 8-bit quantisation spec).
        rounded = np.frombuffer(int8.stored, np.int8).reshape(int8.shape) * scales.reshape(shape)
        values = np.frombuffer(real.stored, np.float32).reshape(real.shape)
        facts = measure.weights(values, rounded, scales, axis, input_axis)
        return facts, other.inputs[1], rounded


def limits(tensor: TensorFacts) -> tuple[float, float]:
    """The real numbers at the ends of an int8 tensor's range; equal for one in float."""
    known = described(tensor)
    low, high = ((q - known.zero_point) * known.scale for q in (-128, 127))
    return low, high


def _rounded(network: Network, tensor: int, values: Floats) -> Floats:
    known = described(network.graph.tensors[tensor])
    return known.dequantise(known.quantise(values))

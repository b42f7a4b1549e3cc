"""What a network consists of: layers, shapes, parameters, multiply-accumulates, bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgecnn import networks
from edgecnn.errors import ModelError


@dataclass(frozen=True)
class Layer:
    """A layer of a Keras network, or an operation of a ``.tflite`` file.

    Attributes:
        type: ``Conv2D``, ``CONV_2D`` and their like.
        output_shape: without the batch; of the first output.
        parameters: trained numbers, and for batch normalisation its statistics.
        macs: multiply-accumulates for one picture.
        bytes: what the parameters take where they stand now.
        int8_bytes: what they take, or will take, in an int8 file; None for a float ``.tflite``.
    """

    name: str
    type: str
    output_shape: tuple[int, ...]
    parameters: int
    macs: int
    bytes: int
    int8_bytes: int | None


def totals(layers: Sequence[Layer]) -> dict[str, int | None]:
    """Sums over all layers: ``layers``, ``parameters``, ``macs``, ``bytes``, ``int8_bytes``."""
    known = [layer.int8_bytes for layer in layers if layer.int8_bytes is not None]
    return {
        "layers": len(layers),
        "parameters": sum(layer.parameters for layer in layers),
        "macs": sum(layer.macs for layer in layers),
        "bytes": sum(layer.bytes for layer in layers),
        "int8_bytes": sum(known) if len(known) == len(layers) else None,
    }


def load(path: str | Path) -> Any:
    """A ``.keras`` file as a network.

    Raises:
        ModelError: it cannot be read.
        MissingExtra: Keras is not installed.
    """
    if not Path(path).is_file():
        raise ModelError(f"{path} cannot be read (no such file): check the path")
    try:
        return networks.load(path)
    except (OSError, ValueError, TypeError, KeyError) as e:
        reason = (str(e).splitlines() or [type(e).__name__])[0]
        raise ModelError(f"{path} is no Keras network that loads ({reason}): train again") from e


def keras_layers(network: Any) -> list[Layer]:
    """The layers of a Keras network in their order, those of networks inside it included.

    An int8 file holds one byte for each weight and four for each bias; batch normalisation
    disappears into the convolution before it and leaves a bias there. ``int8_bytes`` says so.
    """
    return [_layer(layer) for layer in _flat(network)]


def depth(network: Any) -> int:
    """Layers with weights on the way from input to output, the most that one output has behind it.

    Normalisation is folded away and not counted; of two ways that meet, as in a residual block, the
    longer counts.
    """
    longest: dict[str, int] = {}
    for layer in _flat(network):
        inputs = layer.input if isinstance(layer.input, list | tuple) else [layer.input]
        outputs = layer.output if isinstance(layer.output, list | tuple) else [layer.output]
        before = max((longest.get(x.name, 0) for x in inputs), default=0)
        here = any(len(w.shape) > 1 for w in layer.weights)
        longest |= {x.name: before + here for x in outputs}
    return max(longest.values(), default=0)


def _flat(network: Any) -> Iterator[Any]:
    for layer in network.layers:
        if getattr(layer, "layers", None):
            yield from _flat(layer)
        else:
            yield layer


def _layer(layer: Any) -> Layer:
    output = layer.output[0] if isinstance(layer.output, list | tuple) else layer.output
    shape = tuple(int(n or 1) for n in output.shape[1:])
    parameters = int(layer.count_params())
    biases = sum(math.prod(w.shape) for w in layer.weights if len(w.shape) == 1)
    kind = type(layer).__name__
    int8 = 4 * shape[-1] if kind == "BatchNormalization" else parameters + 3 * biases
    return Layer(
        layer.name, kind, shape, parameters, _macs(layer, kind, shape), 4 * parameters, int8
    )


def _macs(layer: Any, kind: str, out: tuple[int, ...]) -> int:
    """Standard counts: each output value of a convolution or dense layer is one dot product."""
    kernels = [tuple(int(n) for n in w.shape) for w in layer.weights if len(w.shape) > 1]
    if kind == "Dense":
        return math.prod(out) * kernels[0][0]
    if kind == "Conv2D":  # (h, w, in / groups, out)
        return math.prod(out) * math.prod(kernels[0][:3])
    if kind == "DepthwiseConv2D":  # (h, w, in, multiplier)
        return math.prod(out) * math.prod(kernels[0][:2])
    if kind == "SeparableConv2D":  # the depthwise kernel, then the 1×1
        depthwise, pointwise = kernels
        between = math.prod(depthwise[2:])
        return math.prod(out[:2]) * (between * math.prod(depthwise[:2]) + math.prod(pointwise))
    if kind == "Conv2DTranspose":  # (h, w, out, in), once for each input value
        return math.prod(int(n) for n in layer.input.shape[1:]) * math.prod(kernels[0][:3])
    return 0


def as_text(layers: Sequence[Layer]) -> str:
    """A table for a terminal, with a last line of sums."""
    head = ("layer", "type", "output", "parameters", "MACs", "bytes")
    rows = [
        (layer.name, layer.type, "×".join(map(str, layer.output_shape)),
         f"{layer.parameters:,}", f"{layer.macs:,}", f"{layer.bytes:,}")
        for layer in layers
    ]  # fmt: skip
    sums = totals(layers)
    last = (
        "total",
        f"{len(layers)} layers",
        "",
        *(f"{sums[k]:,}" for k in ("parameters", "macs", "bytes")),
    )
    table = [head, *((name[:40], *rest) for name, *rest in rows), last]
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    lines = []
    for row in table:
        padded = [c.ljust(w) for c, w in zip(row[:3], widths, strict=False)]
        padded += [c.rjust(w) for c, w in zip(row[3:], widths[3:], strict=True)]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def as_dict(layers: Sequence[Layer]) -> dict[str, Any]:
    """``{"layers": [...], "totals": {...}}`` for JSON."""
    return {"layers": [asdict(layer) for layer in layers], "totals": totals(layers)}

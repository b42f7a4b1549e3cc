"""How long an int8 network takes on a board: a table measured there, or what the board's facts
say of multiply-accumulates and memory traffic. One thread, batch 1.

A network is a row of operations, each as long as the slower of its arithmetic and its memory
traffic (the roofline of Williams et al. 2009), and an overhead of its own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgecnn.errors import DataError, needs
from edgecnn.storage import whole_file

SCHEMA = 1

ARITHMETIC = {"Conv2D": "dense", "Dense": "dense", "DepthwiseConv2D": "depthwise",
              "SeparableConv2D": "dense", "Conv2DTranspose": "dense"}  # fmt: skip
"""Layers that multiply; a depthwise convolution cannot use dot products, so it has its own rate."""

MEMORY = {"Add", "GlobalAveragePooling2D", "AveragePooling2D", "MaxPooling2D", "Concatenate",
          "Enlarge", "ZeroPadding2D"}  # fmt: skip
"""Layers that only move bytes. All others are folded into their neighbours, as batch normalisation
and ReLU6 are."""


class Operation(NamedTuple):
    """One operation of an int8 file.

    Attributes:
        kind: ``dense`` (convolutions, too), ``depthwise`` or ``memory``.
        macs: multiply-accumulates for one picture.
        bytes: read and written: inputs, outputs, weights, biases.
    """

    kind: str
    macs: int
    bytes: int


@dataclass(frozen=True)
class Rates:
    """What one core of a board does.

    Attributes:
        dense, depthwise: 10⁹ multiply-accumulates a second in operations of that kind.
        memory: 10⁹ bytes a second.
        overhead_us: microseconds that each operation takes besides.
    """

    dense: float
    depthwise: float
    memory: float
    overhead_us: float

    def ms(self, operations: Iterable[Operation]) -> float:
        """Milliseconds that a network of these operations takes."""
        rate = {"dense": self.dense, "depthwise": self.depthwise, "memory": math.inf}
        return sum(
            max(o.macs / rate[o.kind], o.bytes / self.memory) / 1e6 + self.overhead_us / 1e3
            for o in operations
        )


@dataclass(frozen=True)
class Measured:
    """A network of a table."""

    name: str
    operations: tuple[Operation, ...]
    ms: float


@dataclass(frozen=True)
class Latency:
    """Milliseconds, and how they are known: one of :data:`HOW`."""

    ms: float
    how: str

    def __str__(self) -> str:
        return f"{'~' * (self.how != 'measured')}{self.ms:.3g} ms ({self.how})"


HOW = {
    "measured": "this very network was timed on such a board",
    "fitted": "the rates were fitted to networks timed on such a board",
    "predicted": "from the board's published facts; nothing was timed there",
}


@dataclass(frozen=True)
class Latencies:
    """What is known of a board.

    Attributes:
        board: its name.
        rates: by which a network that was not timed is judged.
        how: ``fitted`` or ``predicted``.
        measured: networks that were timed, by their operations.
    """

    board: str
    rates: Rates
    how: str
    measured: Mapping[tuple[Operation, ...], float] = field(default_factory=dict)

    def of(self, network: Any) -> Latency:
        """How long a Keras network takes once it is int8."""
        found = operations(network)
        if found in self.measured:
            return Latency(self.measured[found], "measured")
        return Latency(self.rates.ms(found), self.how)


def operations(network: Any) -> tuple[Operation, ...]:
    """What the int8 file of a Keras network does, in its order."""
    from edgecnn.report.layers import keras_layers

    sizes: dict[str, int] = {}
    found = []
    described = {layer.name: layer for layer in keras_layers(network)}
    for layer in network.layers:
        kind = type(layer).__name__
        inputs = layer.input if isinstance(layer.input, list | tuple) else [layer.input]
        outputs = layer.output if isinstance(layer.output, list | tuple) else [layer.output]
        sizes |= {x.name: math.prod(int(n or 1) for n in x.shape[1:]) for x in outputs}
        if kind in ARITHMETIC or kind in MEMORY:
            facts = described[layer.name]
            traffic = sum(sizes[x.name] for x in (*inputs, *outputs)) + (facts.int8_bytes or 0)
            found.append(Operation(ARITHMETIC.get(kind, "memory"), facts.macs, traffic))
    return tuple(found)


def fit(table: Sequence[Measured]) -> Rates:
    """The rates that explain a table best: least squares of the logarithm of predicted by measured,
    with outliers held back (soft L1).

    Raises:
        DataError: fewer than five networks, for four rates.
    """
    if len(table) < 5:
        raise DataError(f"expected five networks at least to fit rates to. Received: {len(table)}")
    with needs("train", "scipy"):
        from scipy.optimize import least_squares

    def residuals(logs: Any) -> Any:
        rates = Rates(*np.exp(logs))
        return [math.log(rates.ms(m.operations) / m.ms) for m in table]

    began = np.log([10.0, 2.0, 5.0, 1.0])
    # A factor of 10⁴ either way: what no network depends on would else run away.
    bounds = (began - math.log(1e4), began + math.log(1e4))
    best = least_squares(residuals, began, bounds=bounds, loss="soft_l1", f_scale=0.3)
    return Rates(*(float(rate) for rate in np.exp(best.x)))


def left_out(table: Sequence[Measured]) -> list[tuple[str, float, float]]:
    """Name, measured and predicted milliseconds of each network, by rates fitted to all others."""
    others = ((m, [o for o in table if o is not m]) for m in table)
    return [(m.name, m.ms, fit(rest).ms(m.operations)) for m, rest in others]


def agreement(measured: Sequence[float], predicted: Sequence[float]) -> dict[str, float]:
    """``rank_correlation`` (Spearman), ``median_ratio`` of predicted by measured, and ``worst``,
    the largest factor between the two."""
    with needs("train", "scipy"):
        from scipy.stats import spearmanr

    ratios = np.asarray(predicted) / np.asarray(measured)
    return {
        "rank_correlation": float(spearmanr(measured, predicted).statistic),
        "median_ratio": float(np.median(ratios)),
        "worst": float(np.exp(np.abs(np.log(ratios)).max())),
    }


def write_table(path: Path, board: str, facts: Mapping[str, Any], rows: Sequence[Measured]) -> None:
    """Write a table as ``docs/formats.md`` describes it, a network a line.

    Args:
        facts: of the measurement, such as ``machine``; JSON types.
    """
    head = json.dumps({"schema": SCHEMA, "board": board, **facts}, indent=1)[:-2]
    lines = ",\n  ".join(json.dumps({"name": m.name, "ms": round(m.ms, 5),
                                     "operations": [list(o) for o in m.operations]})
                         for m in rows)  # fmt: skip
    with whole_file(path) as draft:
        draft.write_text(f'{head},\n "networks": [\n  {lines}\n ]\n}}\n', "utf-8")


def read_table(path: Path) -> tuple[str, list[Measured]]:
    """The board and the networks of a table.

    Raises:
        DataError: it cannot be read, or is no such table.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
        if found["schema"] != SCHEMA:
            raise ValueError(f"schema {found['schema']}")
        rows = [
            Measured(
                str(row["name"]),
                tuple(Operation(str(k), int(m), int(b)) for k, m, b in row["operations"]),
                float(row["ms"]),
            )
            for row in found["networks"]
        ]
        kinds = {o.kind for row in rows for o in row.operations}
        if (
            not rows
            or not all(0 < row.ms < math.inf for row in rows)
            or kinds - {*ARITHMETIC.values(), "memory"}
        ):
            raise ValueError("no networks, a time that is not above 0, or a foreign kind")
        return str(found["board"]), rows
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise DataError(
            f"expected a table of latencies, made by edgecnn bench --table. {path} is none ({e})"
        ) from e


def tables(folder: Path) -> dict[str, list[Measured]]:
    """The tables of a folder (``*.json``) by board; several of one board are taken together.

    Raises:
        DataError: one is none, or there is none.
    """
    found: dict[str, list[Measured]] = {}
    for path in sorted(folder.glob("*.json")):
        board, rows = read_table(path)
        found.setdefault(board, []).extend(rows)
    if not found:
        raise DataError(
            f"expected tables of latencies (*.json) in {folder}. There are none: edgecnn bench "
            f"--table BOARD --out {folder}/BOARD.json"
        )
    return found


def of_table(board: str, table: Sequence[Measured]) -> Latencies:
    """What a table says of its board."""
    return Latencies(board, fit(table), "fitted", {m.operations: m.ms for m in table})


def as_dict(found: Latencies) -> dict[str, Any]:
    """For JSON: board, how, the rates, and how many networks were timed."""
    names = ("dense", "depthwise", "memory", "overhead_us")
    rates = dict(zip(names, astuple(found.rates), strict=True))
    return {"board": found.board, "how": found.how, "rates": rates, "timed": len(found.measured)}

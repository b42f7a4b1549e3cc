"""Convolutional and dense networks side by side: who takes part, and what the outcome says.

All see the same pictures, split, seed, epochs and augmentation; only the network differs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from edgecnn.errors import DataError

CHANNELS = ((4, 6), (8, 16), (16, 32, 64))
"""Filters of the convolutional networks: a few hundred parameters, a few thousand, many."""

UNITS = (16, 64, 256, 1024)
"""Hidden units of the dense ones."""

ORDINARY = 10
"""Layers up to which a network is ``compact``; deeper ones are ``residual``."""


@dataclass(frozen=True)
class Contender:
    """A network that takes part.

    Attributes:
        name: for tables, and of its folder.
        settings: of :mod:`edgecnn.training.images`, beside those that all share.
    """

    name: str
    settings: dict[str, Any]

    @property
    def is_dense(self) -> bool:
        """Whether every pixel goes to every unit."""
        return bool(self.settings["network"] == "dense")


@dataclass(frozen=True)
class Row:
    """What became of one.

    Attributes:
        layers: with weights, on the way from the picture to the answer.
        macs: multiply-accumulates for one picture.
        int8_bytes: of the ``.tflite`` file.
        accuracy: float, of the test part, 0…1; ``low`` and ``high`` its 95 % interval.
        int8_accuracy: the same for the int8 file.
        seconds: that its training took.
    """

    name: str
    is_dense: bool
    layers: int
    parameters: int
    macs: int
    int8_bytes: int
    accuracy: float
    low: float
    high: float
    int8_accuracy: float
    test_pictures: int
    epochs: int
    seconds: float
    settings: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def contenders(
    channels: Iterable[Sequence[int]], units: Iterable[int], depths: Sequence[int] = (),
    width: float | None = None,
) -> list[Contender]:  # fmt: skip
    """Those of the options given.

    Args:
        channels: filters of the stages of each compact network. ``units``: hidden units of each
            dense one. ``depths``: layers of further convolutional ones, with ``width``.

    Raises:
        DataError: ``width`` without ``depths``, or a network that is named twice.
    """
    if width is not None and not depths:
        raise DataError("--width is of the networks of --depths: name some, or leave it out")
    found = [
        Contender(f"cnn-{'-'.join(map(str, c))}", {"network": "compact", "channels": list(c)})
        for c in channels
    ]
    for depth in depths:
        network = "compact" if depth <= ORDINARY else "residual"
        settings = {"network": network, "depth": depth, "width": width}
        found.append(Contender(f"{network}-{depth}-layers", settings))
    found += [Contender(f"dense-{u}", {"network": "dense", "channels": [u]}) for u in units]
    often, times = Counter(contender.name for contender in found).most_common(1)[0]
    if times > 1:
        raise DataError(f"expected each network once. Received: {often} {times} times")
    return found


def verdicts(rows: Sequence[Row]) -> list[str]:
    """In words: what each convolutional network takes, and which dense one is as accurate."""
    dense = sorted((r for r in rows if r.is_dense), key=lambda r: r.parameters)
    return [_verdict(row, dense) for row in rows if not row.is_dense]


def _verdict(row: Row, dense: Sequence[Row]) -> str:
    said = f"{row.name}: {row.accuracy:.2%} with {row.parameters:,} parameters"
    if not dense:
        return said + "."
    rival = next((r for r in dense if r.accuracy >= row.accuracy), None)
    if rival is None:
        best = max(dense, key=lambda r: r.accuracy)
        return (
            f"{said}; no dense network here is as accurate: {best.name} comes closest, "
            f"{best.accuracy:.2%} with {best.parameters:,}."
        )
    return (
        f"{said}; the smallest dense network that is as accurate is {rival.name} with "
        f"{rival.parameters:,}: {_times(rival.parameters, row.parameters)} the parameters, "
        f"{_times(rival.int8_bytes, row.int8_bytes)} the bytes in int8 and "
        f"{_times(rival.macs, row.macs)} the multiply-accumulates."
    )


def _times(other: float, own: float) -> str:
    ratio = other / own
    return f"{ratio:.3g} times" if ratio >= 1 else f"1/{1 / ratio:.3g} of"

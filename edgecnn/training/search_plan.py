"""What ``edgecnn search`` tries, within what, and what became of it: facts, without Keras."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgecnn.errors import TrainingError
from edgecnn.report.latency import Latencies, Latency

SPACE = {
    "compact": (5, 6, 7, 8, 9, 10),
    "residual": (8, 10, 14, 20, 26, 32),
    "separable": (8, 10, 14, 20, 26, 32),
}
"""Network to the depths that are tried, as many for each: so a level of depth means something
whatever the network, and the optimiser has one space."""

LEVELS = 6
"""Depths of each."""

WIDTHS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0)
SIDES = (16, 24, 32, 48, 64, 96)
"""Longer sides of the input that are tried besides the one ``edgecnn train`` would take, where
they are smaller."""

DEFAULT = ("compact", 7, 1.0)
"""What ``edgecnn train`` builds unless told otherwise: tried first, where it keeps the budget."""

SAMPLERS = ("tpe", "random")
"""How candidates are drawn. TPE: it learns from tens of trials, which is what a CPU has time for,
where NSGA-II wants generations of them; and the budget is a wall known beforehand, not a second aim
to be traded. Random is there to be compared with."""


@dataclass(frozen=True)
class Plan:
    """What is searched, and how.

    Attributes:
        data: a folder for each class. ``latencies``: of the board.
        budget_ms: what the network may take there.
        storage: an SQLAlchemy address, or a path that ends in ``.log`` for Optuna's journal.
        sizes: width and height of the inputs that are tried; empty for :data:`SIDES`.
        networks: keys of :data:`SPACE`.
        trials: networks to be trained, by all processes together.
        folds, epochs: of each.
        seed, held_out, skip_broken: as ``edgecnn train`` has them.
        sampler: one of :data:`SAMPLERS`.
    """

    data: str
    latencies: Latencies
    budget_ms: float
    storage: str
    sizes: tuple[tuple[int, int], ...] = ()
    networks: tuple[str, ...] = tuple(SPACE)
    trials: int = 30
    folds: int = 4
    epochs: int = 15
    seed: int = 0
    held_out: float = 0.15
    skip_broken: bool = False
    sampler: str = "tpe"

    @property
    def study(self) -> str:
        """Its name in the storage."""
        return f"{Path(self.data).resolve().name} {self.latencies.board} {self.budget_ms:g}ms"

    def command(self, candidate: Candidate, out: Path) -> str:
        """What trains a network for good, on the split that the search left the test part of."""
        width, height = candidate.size_wh
        words = [
            "edgecnn", "train", self.data, "--task", "images", "--network", candidate.network,
            "--depth", str(candidate.depth), "--width", f"{candidate.width:g}",
            "--size", str(width) if width == height else f"{width}x{height}",
            "--seed", str(self.seed), "--held-out", f"{self.held_out:g}",
            *(["--skip-broken"] if self.skip_broken else []), "--out", str(out),
        ]  # fmt: skip
        return shlex.join(words)


@dataclass(frozen=True)
class Candidate:
    """A network: ``size_wh`` is its input, in pixels."""

    network: str
    depth: int
    width: float
    size_wh: tuple[int, int]

    def __str__(self) -> str:
        size = "×".join(map(str, self.size_wh))
        return f"{self.network} of {self.depth} layers × {self.width:g}, {size}"


@dataclass(frozen=True)
class Trial:
    """What became of a candidate.

    Attributes:
        accuracy: over all folds, 0…1; of those before that where ``stopped``.
        pictures: that it is of.
        stopped: between two folds, since a network that is no slower was clearly better.
        seconds: that its training took.
    """

    candidate: Candidate
    latency: Latency
    accuracy: float
    pictures: int
    stopped: bool
    seconds: float

    def __str__(self) -> str:
        said = f"{self.candidate}: {self.accuracy:.2%}, {self.latency}"
        return said + (", stopped: a faster one is better" if self.stopped else "")

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def best(trials: Sequence[Trial]) -> Trial:
    """The most accurate one that was not stopped; of equals the fastest.

    Raises:
        TrainingError: none has come to its end.
    """
    whole = [t for t in trials if not t.stopped]
    if not whole:
        raise TrainingError(
            "no network has been trained to its end yet: wait for the processes that are at it, or "
            "go on by --resume"
        )
    return max(whole, key=lambda t: (t.accuracy, -t.latency.ms))


def front(trials: Sequence[Trial]) -> list[Trial]:
    """Those that no other one beats in both, accuracy and latency; the fastest first."""
    found: list[Trial] = []
    for trial in sorted(trials, key=lambda t: (t.latency.ms, -t.accuracy)):
        if not trial.stopped and (not found or trial.accuracy > found[-1].accuracy):
            found.append(trial)
    return found

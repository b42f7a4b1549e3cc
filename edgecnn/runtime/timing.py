"""How long things take: percentiles over many runs, several contenders interleaved."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from edgecnn.runtime.interpreter import Model

Summary = dict[str, float]


def summarise(latencies_ms: list[float]) -> Summary:
    """``p50_ms``, ``p95_ms``, ``p99_ms`` and ``runs`` of a list of latencies in milliseconds."""
    shares = (50, 95, 99)
    found = np.percentile(latencies_ms, shares) if latencies_ms else [float("nan")] * len(shares)
    named = {f"p{share}_ms": float(ms) for share, ms in zip(shares, found, strict=True)}
    return {**named, "runs": len(latencies_ms)}


def invoke_of(model: Model) -> Callable[[], object]:
    """A call that runs a model once on a fixed input of its own stored type: noise."""
    tensor = model.inputs[0]
    pixels = np.random.default_rng(0).integers(0, 256, tensor.shape, np.uint8)
    fixed = pixels.astype(tensor.dtype) if tensor.scale else pixels.astype(tensor.dtype) / 128 - 1
    return lambda: model.invoke(np.asarray(fixed, tensor.dtype))


def interleave(
    contenders: Mapping[str, Callable[[], object]], runs: int = 100, warmup: int = 5
) -> dict[str, Summary]:
    """Time each contender ``runs`` times in turn, so that a noisy machine treats all alike."""
    return {name: summarise(ms) for name, ms in turns(contenders, runs, warmup).items()}


def turns(
    contenders: Mapping[str, Callable[[], object]], runs: int = 100, warmup: int = 5
) -> dict[str, list[float]]:
    """As :func:`interleave`, each turn in milliseconds."""
    for _ in range(warmup):
        for call in contenders.values():
            call()
    took: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(runs):
        for name, call in contenders.items():
            start = time.perf_counter()
            call()
            took[name].append((time.perf_counter() - start) * 1e3)
    return took


@dataclass(frozen=True)
class Ratio:
    """How many times as fast one contender is as another.

    Attributes:
        times: the other's best turn by the first one's; above 1, the first is faster.
        low, high: the least and the most of the same over the parts of the measurement.
        first_ms, other_ms: the best turns, in milliseconds.
        turns: how many each had.
    """

    times: float
    low: float
    high: float
    first_ms: float
    other_ms: float
    turns: int


def times_as_fast(
    first: Callable[[], object],
    other: Callable[[], object],
    limit_s: float = 1.5,
    parts: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> Ratio:
    """Let two contenders take turns for ``limit_s`` seconds, and compare their best turns.

    The best, since whatever else a machine does can only lengthen a turn; the parts show how far
    that can be trusted. Each part has three turns at least, so that slow contenders take longer
    than ``limit_s``.
    """
    first()
    other()
    bests, turns = [], 0
    for _ in range(parts):
        took: list[tuple[float, float]] = []
        begun = clock()
        while len(took) < 3 or clock() - begun < limit_s / parts:
            start = clock()
            first()
            middle = clock()
            other()
            took.append((middle - start, clock() - middle))
        bests.append([min(times) * 1e3 for times in zip(*took, strict=True)])
        turns += len(took)
    ratios = [b / max(a, 1e-9) for a, b in bests]
    first_ms, other_ms = (min(times) for times in zip(*bests, strict=True))
    overall = other_ms / max(first_ms, 1e-9)
    return Ratio(overall, min(ratios), max(ratios), first_ms, other_ms, turns)

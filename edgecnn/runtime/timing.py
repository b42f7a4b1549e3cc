"""How long things take: percentiles over many runs, several contenders interleaved."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

Summary = dict[str, float]


def summarise(latencies_ms: list[float]) -> Summary:
    """``p50_ms``, ``p95_ms`` and ``runs`` of a list of latencies in milliseconds."""
    if not latencies_ms:
        return {"p50_ms": float("nan"), "p95_ms": float("nan"), "runs": 0}
    p50, p95 = np.percentile(latencies_ms, [50, 95])
    return {"p50_ms": float(p50), "p95_ms": float(p95), "runs": len(latencies_ms)}


def interleave(
    contenders: Mapping[str, Callable[[], object]], runs: int = 100, warmup: int = 5
) -> dict[str, Summary]:
    """Time each contender ``runs`` times in turn, so that a noisy machine treats all alike."""
    for _ in range(warmup):
        for call in contenders.values():
            call()
    took: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(runs):
        for name, call in contenders.items():
            start = time.perf_counter()
            call()
            took[name].append((time.perf_counter() - start) * 1e3)
    return {name: summarise(ms) for name, ms in took.items()}

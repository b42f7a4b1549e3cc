"""Percentiles, and contenders that take turns."""

from __future__ import annotations

import math

import pytest

from edgecnn.runtime.timing import interleave, summarise


@pytest.mark.parametrize(
    ("latencies", "p50", "p95"),
    [
        ([3.0], 3.0, 3.0),
        ([1.0, 2.0], 1.5, 1.95),
        ([5.0, 1.0, 4.0, 2.0, 3.0], 3.0, 4.8),  # between the 4th and the 5th: 0.95 · 4 = 3.8
    ],
)
def test_percentiles(latencies: list[float], p50: float, p95: float) -> None:
    found = summarise(latencies)
    assert found["runs"] == len(latencies)
    assert found["p50_ms"] == pytest.approx(p50) and found["p95_ms"] == pytest.approx(p95)


def test_nothing_measured_is_no_number() -> None:
    found = summarise([])
    assert found["runs"] == 0 and math.isnan(found["p50_ms"]) and math.isnan(found["p95_ms"])


def test_contenders_take_turns_and_are_warmed_up() -> None:
    order: list[str] = []
    calls = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    found = interleave(calls, runs=3, warmup=2)
    assert order == ["a", "b"] * 5
    assert [summary["runs"] for summary in found.values()] == [3, 3]

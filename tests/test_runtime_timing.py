"""Percentiles, and contenders that take turns."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest

from edgecnn.runtime.timing import Ratio, interleave, summarise, times_as_fast


@pytest.mark.parametrize(
    ("latencies", "p50", "p95", "p99"),
    [
        ([3.0], 3.0, 3.0, 3.0),
        ([1.0, 2.0], 1.5, 1.95, 1.99),
        # Between the 4th and the 5th: 0.95 · 4 = 3.8, 0.99 · 4 = 3.96.
        ([5.0, 1.0, 4.0, 2.0, 3.0], 3.0, 4.8, 4.96),
    ],
)
def test_percentiles(latencies: list[float], p50: float, p95: float, p99: float) -> None:
    found = summarise(latencies)
    assert found["runs"] == len(latencies)
    assert found["p50_ms"] == pytest.approx(p50) and found["p95_ms"] == pytest.approx(p95)
    assert found["p99_ms"] == pytest.approx(p99)


def test_nothing_measured_is_no_number() -> None:
    found = summarise([])
    assert found["runs"] == 0 and math.isnan(found["p50_ms"]) and math.isnan(found["p95_ms"])


def test_contenders_take_turns_and_are_warmed_up() -> None:
    order: list[str] = []
    calls = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    found = interleave(calls, runs=3, warmup=2)
    assert order == ["a", "b"] * 5
    assert [summary["runs"] for summary in found.values()] == [3, 3]


class Clock:
    """Time that passes only where somebody works."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def work(self, *seconds: float) -> Callable[[], None]:
        """A call that takes so long, the next time so long, and then from the beginning."""
        left = itertools.cycle(seconds)

        def call() -> None:
            self.now += next(left)

        return call


def test_the_best_turns_are_compared() -> None:
    clock = Clock()
    first, other = clock.work(9.0, 2.0, 3.0, 5.0), clock.work(8.0, 6.0, 9.0)
    found = times_as_fast(first, other, limit_s=0, parts=2, clock=clock)
    # After a turn each to warm up: 2 3 5 and 9 2 3 for the first, 6 9 8 and 6 9 8 for the other.
    assert found == Ratio(3.0, 3.0, 3.0, 2000.0, 6000.0, 6)


def test_the_spread_is_that_of_the_parts() -> None:
    clock = Clock()
    first, other = clock.work(1.0), clock.work(*[4.0] * 4, *[3.0] * 3)
    found = times_as_fast(first, other, limit_s=0, parts=2, clock=clock)
    assert (found.times, found.low, found.high) == (3.0, 3.0, 4.0)


def test_it_takes_the_time_it_is_given() -> None:
    clock = Clock()
    found = times_as_fast(clock.work(0.1), clock.work(0.1), limit_s=10, parts=5, clock=clock)
    assert 50 <= found.turns <= 55 and clock.now < 11.5

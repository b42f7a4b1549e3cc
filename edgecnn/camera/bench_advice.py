"""What figures of a board come to: which back end, how many threads, and whether it stays fast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NEARLY = 1.1
"""Fewer threads are as good where a frame takes at most a tenth longer: they leave processors for
the camera, and make less heat."""

SLOWER = 0.9
"""A board that keeps less of its rate through a soak has slowed down, rather than wavered."""

ENDS = 6
"""Samples at the beginning and the end of a soak that are compared: half a minute each, fewer where
the soak is shorter."""


def best_threads(totals: Mapping[int, Mapping[str, float]]) -> int:
    """How many threads to use.

    Args:
        totals: number of threads to the percentiles of a whole frame.
    """
    best_ms = min(total["p50_ms"] for total in totals.values())
    return min(n for n, total in totals.items() if total["p50_ms"] <= NEARLY * best_ms)


def spent_ms(result: Mapping[str, Any]) -> tuple[float, float]:
    """Milliseconds of the models that an Edge TPU ran: on the CPU with the threads to use, and
    there."""
    there = result["edgetpu"]["invokes"]
    here = result["threads"][str(result["use"]["threads"])]["invokes"]
    return sum(here[f]["p50_ms"] for f in there), sum(t["p50_ms"] for t in there.values())


def best_backend(result: Mapping[str, Any]) -> str:
    """``"edgetpu"`` where there is one, and it is faster, else ``"cpu"``."""
    here, there = spent_ms(result)
    return "edgetpu" if there < here else "cpu"


def kept(samples: list[dict[str, Any]]) -> float | None:
    """The rate at the end of a soak over that at its beginning; None for a single sample."""
    ends = min(ENDS, len(samples) // 2)
    if not ends:
        return None
    first, last = (sum(s["fps"] for s in part) for part in (samples[:ends], samples[-ends:]))
    return float(last / first) if first else None


def advice(result: Mapping[str, Any]) -> list[str]:
    """Sentences, the most important first.

    Args:
        result: as in ``docs/boards``, without its ``says``.
    """
    lines = []
    machine = result["machine"]
    if machine["emulated"]:
        lines.append(
            "This board is emulated: the figures show that everything runs, and nothing about how "
            "fast a real one is."
        )
    elif machine["virtual"]:
        lines.append(
            f"This is a virtual machine ({machine['virtual']}), whose processors others may use, "
            "too: expect other figures next time."
        )
    lines += [*_threads(result), *_accelerator(result), *_soak(result["soak"])]
    busy = result["load_before"] / (machine["processors"] or 1)
    if busy >= 0.5:
        lines.append(
            f"Other programs were busy (a load of {result['load_before']:.1f} before it began): "
            "stop the camera's service for better figures."
        )
    return lines


def _threads(result: Mapping[str, Any]) -> list[str]:
    totals = {int(n): found["stages"]["total"] for n, found in result["threads"].items()}
    chosen = result["use"]["threads"]
    ms = totals[chosen]["p50_ms"]
    others = [f"{n}: {totals[n]['p50_ms']:.1f} ms" for n in sorted(totals) if n != chosen]
    line = (
        f"Use {_count(chosen)} (--threads {chosen}): a frame takes {ms:.1f} ms, "
        f"{1000 / ms:.0f} a second"
    )
    return [f"{line} (with {', '.join(others)})." if others else f"{line}."]


def _accelerator(result: Mapping[str, Any]) -> list[str]:
    tpu = result["edgetpu"]
    if not tpu["invokes"]:
        return [f"Use the CPU: {tpu['why']}."]
    here, there = spent_ms(result)
    figures = f"{here:.1f} ms against {there:.1f} ms for {', '.join(tpu['invokes'])}"
    if best_backend(result) == "cpu":
        return [
            f"The CPU of this board beats its accelerator for this model: {figures}. Use it "
            "(--accelerator cpu)."
        ]
    return [
        f"The Edge TPU is {here / there:.1f} times as fast as the CPU: {figures}. The camera uses "
        "it by itself. Models that take turns there are slower than that: each sends its weights "
        "again."
    ]


def _soak(soaked: Mapping[str, Any] | None) -> list[str]:
    if soaked is None:
        return []
    samples = soaked["samples"]
    degrees = [s["temperature_c"] for s in samples if s["temperature_c"] is not None]
    heat = f", up to {max(degrees):.0f} °C" if degrees else ", no temperature to be read"
    span = f"In {soaked['seconds']:.0f} s of frame after frame{heat}"
    share = kept(samples)
    if any(s["throttled"] for s in samples):
        rate = f" to {share:.0%} of its rate" if share is not None else ""
        return [f"{span}, the board slowed itself down{rate}: give it a heat sink or a fan."]
    if share is not None and share < SLOWER:
        return [f"{span}, the rate fell to {share:.0%}, though the board does not say why."]
    if share is None:
        return [f"{span}: too short to tell whether it keeps its rate."]
    return [f"{span}, it kept its rate."]


def _count(threads: int) -> str:
    return "one thread" if threads == 1 else f"{threads} threads"

"""Boards side by side, as a picture. An emulated one is named beneath it, and never ranked."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np

from edgecnn.errors import needs

# Blue, sky blue, orange and green of Okabe & Ito's palette.
COLOURS = ("#0072b2", "#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#999999")


def ranked(results: Mapping[str, Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    """Names of real machines, the fastest frame first, and those of emulated ones."""
    emulated = [name for name, result in results.items() if result["machine"]["emulated"]]
    real = [name for name in results if name not in emulated]
    return sorted(real, key=lambda name: (total_ms(results[name]), name)), sorted(emulated)


def total_ms(result: Mapping[str, Any]) -> float:
    """A whole frame's median with the threads that are to be used."""
    chosen = result["threads"][str(result["use"]["threads"])]
    return float(chosen["stages"]["total"]["p50_ms"])


def plot(results: Mapping[str, Mapping[str, Any]]) -> bytes:
    """A PNG: a bar a machine, of the medians of its stages, a whisker to the 99th percentile of a
    frame, and what a soak did to the rate.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    with needs("train", "matplotlib"):
        from matplotlib.figure import Figure
    names, emulated = ranked(results)
    figure = Figure(figsize=(9, 1.6 + 0.55 * max(1, len(names))), layout="constrained")
    axes = figure.subplots()
    stages = list(dict.fromkeys(s for n in names for s in _stages(results[n])))
    places = np.arange(len(names))[::-1]
    left = np.zeros(len(names))
    for stage, colour in zip(stages, COLOURS * len(stages), strict=False):
        widths = [_stages(results[n]).get(stage, {"p50_ms": 0.0})["p50_ms"] for n in names]
        axes.barh(places, widths, left=left, color=colour, label=stage, height=0.6)
        left = left + widths
    for place, name, end in zip(places, names, left, strict=True):
        p99 = results[name]["threads"][str(results[name]["use"]["threads"])]["stages"]["total"]
        axes.plot([end, max(end, p99["p99_ms"])], [place, place], color="#333333", linewidth=1)
        axes.text(max(end, p99["p99_ms"]), place, f"  {_says(results[name])}", va="center", size=8)
    axes.set_yticks(places, [_label(name, results[name]) for name in names])
    axes.set_xlabel("milliseconds a frame: medians of the stages, line to the 99th percentile")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.25)
    if stages:
        figure.legend(loc="outside upper center", frameon=False, ncols=len(stages), fontsize=8)
    if emulated:
        figure.supxlabel(
            f"emulated, so that nothing is said of their speed: {', '.join(emulated)}", size=8
        )
    out = BytesIO()
    figure.savefig(out, format="png", dpi=120, metadata={"Software": None})
    return out.getvalue()


def _stages(result: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    found = result["threads"][str(result["use"]["threads"])]["stages"]
    return {stage: took for stage, took in found.items() if stage != "total"}


def _label(name: str, result: Mapping[str, Any]) -> str:
    virtual = result["machine"]["virtual"]
    return f"{name} (virtual)" if virtual else name


def _says(result: Mapping[str, Any]) -> str:
    soaked, threads = result["soak"], result["use"]["threads"]
    hot = ", throttled" if soaked and any(s["throttled"] for s in soaked["samples"]) else ""
    return f"{total_ms(result):.1f} ms, {threads} thread{'s' if threads > 1 else ''}{hot}"

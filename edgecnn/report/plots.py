"""Charts as PNG bytes: learning curves, confusion, trade-offs, what goes through the layers.

Every chart comes for a light or for a dark page, on a transparent ground.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import needs

LIGHT = {"ink": "#5c6675", "grid": "#e3e7ee", "lines": ("#2456c9", "#d9730d"),
         "more": ("#2456c9", "#d9730d", "#1a8a5a", "#8a4bc9"),
         "map": ("#f6f8fc", "#2456c9"), "low": "#1c2330", "high": "#ffffff"}  # fmt: skip
DARK = {"ink": "#9aa5b5", "grid": "#2c3440", "lines": ("#7aa5ff", "#ffb454"),
        "more": ("#7aa5ff", "#ffb454", "#5fd39b", "#c79bff"),
        "map": ("#20272f", "#7aa5ff"), "low": "#e6e9ef", "high": "#10151c"}  # fmt: skip
"""Colours of text, grid and curves, two or more; the ends of the colour map, and the numbers on
either half."""

NOT_DRAWN = {"stage", "epoch", "seconds"}
"""Columns of ``history.csv`` that are no figures of quality."""


def curves(history: Sequence[Mapping[str, str]], *, dark: bool = False) -> bytes:
    """One panel for each figure of ``history.csv``, training and validation together.

    Args:
        history: the rows as read, values as text; a blank is no value.
    """
    rows = [{k: _number(v) for k, v in row.items() if k not in NOT_DRAWN} for row in history]
    columns = {k for row in rows for k in row}
    panels = list(dict.fromkeys(k.removeprefix("val_") for row in rows for k in row))
    figure, axes = _panels(max(1, len(panels)), dark)
    epochs = np.arange(1, len(rows) + 1)
    style = DARK if dark else LIGHT
    for ax, panel in zip(axes, panels, strict=False):
        for name, label, colour in zip(
            (panel, f"val_{panel}"), ("training", "validation"), style["lines"], strict=True
        ):
            if name in columns:
                values = [row.get(name, np.nan) for row in rows]
                marker = "o" if len(rows) < 3 else None
                ax.plot(epochs, values, color=colour, lw=1.8, label=label, marker=marker)
        stages = [row.get("stage", "") for row in history]
        for i in range(1, len(stages)):
            if stages[i] != stages[i - 1]:
                ax.axvline(i + 0.5, color=style["grid"], lw=1.2, ls="--")
        ax.set_title(panel.replace("_", " "), loc="left", fontsize=10, color=style["ink"])
        ax.set_xlabel("epoch", fontsize=9, color=style["ink"])
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(color=style["grid"], lw=0.8)
        ax.legend(frameon=False, fontsize=8, labelcolor=style["ink"])
    return _png(figure)


def histograms(
    values: Mapping[str, npt.NDArray[np.floating]],
    line: float,
    label: str,
    *,
    dark: bool = False,
) -> bytes:
    """Two distributions over one another, each scaled to its own share, and a line at a value.

    Args:
        values: two names and their values.
        line: where the vertical line stands, such as a threshold.
        label: of the x axis.
    """
    figure, axes = _panels(1, dark, (7.0, 3.2))
    style, ax = DARK if dark else LIGHT, axes[0]
    lowest = min(float(v.min()) for v in values.values())
    bins = np.linspace(lowest, max(float(v.max()) for v in values.values()), 80)
    for (name, v), colour in zip(values.items(), style["lines"], strict=True):
        ax.hist(v, bins, weights=np.full(len(v), 100 / len(v)), color=colour, alpha=0.6, label=name)
    ax.axvline(line, color=style["ink"], lw=1.2, ls="--")
    ax.set_xlabel(label, fontsize=9, color=style["ink"])
    ax.set_ylabel("% of pairs", fontsize=9, color=style["ink"])
    ax.legend(frameon=False, fontsize=8, labelcolor=style["ink"])
    return _png(figure)


def trade_off(
    rates: npt.NDArray[np.floating],
    missed: npt.NDArray[np.floating],
    point: tuple[float, float] | None = None,
    intervals: Sequence[tuple[float, float, float]] = (),
    *,
    dark: bool = False,
) -> bytes:
    """The detection error trade-off: strangers named, from left to right, against people missed.

    Args:
        rates: ``(K,)`` FPIR, rising, 0…1; shown by powers of ten.
        missed: ``(K,)`` FNIR, 0…1.
        point: both, at the threshold in use.
        intervals: at some FPIR, the lower and the upper end of the FNIR.
    """
    figure, (ax,) = _panels(1, dark, (7.0, 3.6))
    style = DARK if dark else LIGHT
    shown = np.asarray(rates) > 0
    ax.step(100 * np.asarray(rates)[shown], 100 * np.asarray(missed)[shown], where="post",
            color=style["lines"][0], lw=1.8, label="over all thresholds")  # fmt: skip
    for rate, low, high in intervals:
        ax.plot([100 * rate] * 2, [100 * low, 100 * high], color=style["lines"][0], lw=5, alpha=0.3)
    if point is not None:
        # At none of the strangers named, the left edge is the least that could have been counted.
        left = max(point[0], float(np.min(np.asarray(rates)[shown], initial=1.0)))
        ax.plot(100 * left, 100 * point[1], "o", color=style["lines"][1],
                label="at the threshold in use")  # fmt: skip
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_ylim(0, 100)
    ax.set_xlabel("% of strangers named (FPIR)", fontsize=9, color=style["ink"])
    ax.set_ylabel("% of the enrolled missed (FNIR)", fontsize=9, color=style["ink"])
    ax.grid(color=style["grid"], lw=0.8)
    ax.legend(frameon=False, fontsize=8, labelcolor=style["ink"])
    return _png(figure)


def reliability(bins: Mapping[str, npt.NDArray[np.floating]], *, dark: bool = False) -> bytes:
    """How right answers are by how sure they are; the larger a dot, the more answers.

    Args:
        bins: one or two names and their ``(B, 3)`` answers, mean sureness and share right, 0…1.
    """
    figure, (ax,) = _panels(1, dark, (4.6, 4.0))
    style = DARK if dark else LIGHT
    ax.plot([0, 100], [0, 100], color=style["ink"], lw=1.2, ls="--")
    for (name, table), colour, marker in zip(bins.items(), style["lines"], "os", strict=False):
        count, sure, right = np.asarray(table)[np.asarray(table)[:, 0] > 0].T
        ax.plot(100 * sure, 100 * right, color=colour, lw=1.5, label=name)
        sizes = 12 + 150 * count / max(1.0, count.sum())
        ax.scatter(100 * sure, 100 * right, sizes, color=colour, marker=marker, alpha=0.7)
    ax.set_xlabel("% sure", fontsize=9, color=style["ink"])
    ax.set_ylabel("% right", fontsize=9, color=style["ink"])
    ax.grid(color=style["grid"], lw=0.8)
    ax.legend(frameon=False, fontsize=8, labelcolor=style["ink"])
    return _png(figure)


def sizes(
    groups: Mapping[str, Sequence[tuple[float, float, float, float, str]]],
    labels: tuple[str, str],
    *,
    dark: bool = False,
) -> bytes:
    """A share against a size by powers of ten: each a dot with its interval and its name.

    Args:
        groups: two names and their dots: size, share, its lower and its upper end (0…1), name.
        labels: of the x and the y axis.
    """
    figure, (ax,) = _panels(1, dark, (7.0, 4.0))
    style = DARK if dark else LIGHT
    for (group, dots), colour, marker in zip(groups.items(), style["lines"], "os", strict=True):
        if not dots:
            continue
        size, share, low, high = (100 * np.array([d[k] for d in dots]) for k in range(4))
        spread = [np.maximum(0, share - low), np.maximum(0, high - share)]
        ax.errorbar(size / 100, share, spread, fmt=marker, color=colour, lw=1.5, label=group)
    ax.set_xscale("log")
    ax.tick_params(which="minor", colors=style["ink"], labelsize=8, length=0)
    ax.margins(x=0.15)
    ax.set_xlabel(labels[0], fontsize=9, color=style["ink"])
    ax.set_ylabel(labels[1], fontsize=9, color=style["ink"])
    ax.grid(color=style["grid"], lw=0.8)
    ax.legend(frameon=False, fontsize=8, labelcolor=style["ink"], loc="lower right")
    named = [(x, 100 * y, name) for dots in groups.values() for x, y, *_, name in dots]
    _name(figure, ax, named, style["ink"])
    return _png(figure)


BESIDE = [(side * 7, up) for up in (-3, 8, -14, 19, -25, 30) for side in (1, -1)]
"""Where a dot's name may stand, in points from the dot; the first that is free."""


def _name(figure: Any, ax: Any, dots: Sequence[tuple[float, float, str]], ink: Any) -> None:
    """Write each dot's name beside it, over no other name and no other dot where there is room."""
    figure.draw_without_rendering()  # now axes and dots have their places
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in ax.transData.transform([d[:2] for d in dots])]
    for *place, name in dots:
        for k, (dx, dy) in enumerate([*BESIDE, BESIDE[0]]):
            note = ax.annotate(name, place, (dx, dy), textcoords="offset points", fontsize=8,
                               color=ink, ha="left" if dx > 0 else "right")  # fmt: skip
            note.set_in_layout(False)
            x0, y0, x1, y1 = note.get_window_extent().extents
            over = any(x0 < b[2] and b[0] < x1 and y0 < b[3] and b[1] < y1 for b in taken)
            inside = ax.bbox.x0 < x0 and x1 < figure.bbox.x1
            if (inside and not over) or k == len(BESIDE):
                taken.append((x0, y0, x1, y1))
                break
            note.remove()


def bands(
    panels: Mapping[str, Mapping[str, npt.NDArray[np.floating]]],
    ticks: Mapping[str, Sequence[str]],
    *,
    dark: bool = False,
) -> bytes:
    """Shares with their intervals over steps, a panel each.

    A name that ends in ``float`` or ``int8`` shares its colour with the other; int8 is dashed.

    Args:
        panels: title to name to ``(K, 4)``: where on the x axis, share, lower and upper end, 0…1.
        ticks: title to what stands under 0, 1, 2 … of the x axis.
    """
    figure, axes = _panels(len(panels), dark)
    style = DARK if dark else LIGHT
    for ax, (title, of) in zip(axes, panels.items(), strict=True):
        stems = list(dict.fromkeys(re.sub(" (float|int8)$", "", name) for name in of))
        for name, points in of.items():
            x, share, low, high = points.T
            stem = stems.index(re.sub(" (float|int8)$", "", name))
            colour = style["more"][stem % len(style["more"])]
            dash = "--" if name.endswith(" int8") else "-"
            ax.plot(x, 100 * share, color=colour, lw=1.8, ls=dash, label=name)
            ax.fill_between(x, 100 * low, 100 * high, color=colour, alpha=0.12, lw=0)
        ax.set_ylim(0, 102)
        ax.set_xticks(range(len(ticks[title])), ticks[title])
        ax.set_title(title, loc="left", fontsize=10, color=style["ink"])
        ax.grid(color=style["grid"], lw=0.8)
    axes[0].set_ylabel("% right", fontsize=9, color=style["ink"])
    axes[0].legend(frameon=False, fontsize=8, labelcolor=style["ink"], loc="lower left")
    return _png(figure)


def confusion_matrix(
    table: npt.NDArray[np.int64], labels: Sequence[str], *, dark: bool = False
) -> bytes:
    """Rows are the true classes, columns the answers; colour is the share of the row.

    Args:
        table: ``(K, K)`` counts.
    """
    with needs("train", "matplotlib"):
        from matplotlib.colors import LinearSegmentedColormap

    table = np.asarray(table)
    count, style = len(labels), DARK if dark else LIGHT
    shares = table / np.maximum(1, table.sum(axis=1, keepdims=True))
    side = float(np.clip(1.6 + 0.42 * count, 3.2, 9))
    figure, (ax,) = _panels(1, dark, (side, side))
    colours = LinearSegmentedColormap.from_list("shares", style["map"])
    ax.imshow(shares, cmap=colours, vmin=0, vmax=1)
    if count <= 20:
        for row, column in np.ndindex(count, count):
            if table[row, column]:
                is_low = shares[row, column] < 0.5
                ax.text(
                    column, row, str(table[row, column]), ha="center", va="center",
                    fontsize=8, color=style["low" if is_low else "high"],
                )  # fmt: skip
    ticks = list(range(0, count, -(-count // 40)))
    names = [plain(_short(labels[i])) for i in ticks]
    steep = max((len(labels[i]) for i in ticks), default=0) > 3
    ax.set_xticks(ticks, names, fontsize=8, rotation=90 if steep else 0)
    ax.set_yticks(ticks, names, fontsize=8)
    ax.set_xlabel("answer", fontsize=9, color=style["ink"])
    ax.set_ylabel("true class", fontsize=9, color=style["ink"])
    return _png(figure)


@dataclass(frozen=True)
class Counts:
    """A histogram of equal bins from ``low`` to ``high``, and values to mark in it."""

    title: str
    low: float
    high: float
    counts: Sequence[int]
    marks: Sequence[float] = ()


def through_layers(
    names: Sequence[str],
    lines: Mapping[str, Sequence[float]],
    shares: Sequence[float],
    *,
    dark: bool = False,
) -> bytes:
    """Ratios of signal to error layer by layer, and under them each layer's share of the damage.

    Args:
        names: of the layers.
        lines: two names and a value in dB for each layer.
        shares: in per cent; the largest stands out.
    """
    figure, axes = _panels(2, dark, (10.0, 6.0), columns=1)
    style, places = DARK if dark else LIGHT, np.arange(len(names))
    for (name, values), colour, marker in zip(lines.items(), style["lines"], "o.", strict=True):
        axes[0].plot(places, values, color=colour, lw=1.6, marker=marker, ms=4, label=name)
    axes[0].set_ylabel("signal to error, dB", fontsize=9, color=style["ink"])
    axes[0].legend(frameon=False, fontsize=8, labelcolor=style["ink"])
    axes[0].set_xticks(places, [""] * len(names))
    # A layer without any error would flatten all others.
    axes[0].set_ylim(top=min(70.0, axes[0].get_ylim()[1]))
    most = int(np.argmax(shares))
    axes[1].bar(places, shares, color=[style["lines"][int(i == most)] for i in places])
    axes[1].set_ylabel("% of the error at the outputs", fontsize=9, color=style["ink"])
    axes[1].set_xticks(places, [_short(n, 24) for n in names], rotation=90,
                       fontsize=8 if len(names) < 40 else 6)  # fmt: skip
    for ax in axes:
        ax.set_xlim(-0.7, len(names) - 0.3)
        ax.grid(color=style["grid"], lw=0.8)
        ax.set_axisbelow(True)
    return _png(figure)


def layer(
    histograms: Sequence[Counts], steps: Sequence[float], few: float, *, dark: bool = False
) -> bytes:
    """Histograms side by side, counts by powers of ten, and how many steps each channel takes.

    Args:
        steps: one a channel, rising.
        few: too few; a line stands there.
    """
    figure, axes = _panels(len(histograms) + 1, dark)
    style = DARK if dark else LIGHT
    for ax, one in zip(axes, histograms, strict=False):
        edges = np.linspace(one.low, one.high, len(one.counts) + 1)
        ax.stairs(one.counts, edges, fill=True, color=style["lines"][0], alpha=0.8)
        ax.set_yscale("log")
        ax.set_ylim(bottom=0.7)
        ax.minorticks_off()
        for mark in one.marks:
            ax.axvline(mark, color=style["lines"][1], lw=1.4, ls="--")
        ax.set_title(one.title, loc="left", fontsize=10, color=style["ink"])
    axes[-1].bar(np.arange(len(steps)), np.maximum(steps, 0.5), 1.0, color=style["lines"][0],
                 alpha=0.8, bottom=0)  # fmt: skip
    axes[-1].axhline(few, color=style["lines"][1], lw=1.4, ls="--")
    axes[-1].set_yscale("log", base=2)
    axes[-1].yaxis.set_major_formatter("{x:g}")
    axes[-1].set_ylim(0.5, max(512.0, *steps))
    axes[-1].set_title("steps of each channel", loc="left", fontsize=10, color=style["ink"])
    return _png(figure)


def _panels(
    count: int, dark: bool, size: tuple[float, float] | None = None, columns: int = 3
) -> tuple[Any, Any]:
    """A figure with ``count`` plain axes side by side, at most ``columns`` a row."""
    with needs("train", "matplotlib"):
        from matplotlib.figure import Figure

    style = DARK if dark else LIGHT
    columns = min(columns, count)
    rows = -(-count // columns)
    # A Figure of its own, not pyplot's: nothing global, and Agg whatever screen there is.
    figure = Figure(figsize=size or (4.6 * columns, 3.1 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for i, ax in enumerate(axes):
        ax.set_visible(i < count)
        ax.patch.set_alpha(0)
        ax.tick_params(colors=style["ink"], labelsize=8, length=0)
        for spine in ax.spines.values():
            spine.set_visible(False)
    return figure, axes[:count]


def _png(figure: Any) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110, transparent=True)
    return buffer.getvalue()


def plain(text: str) -> str:
    """A text that matplotlib writes as it is: a ``$`` would begin a formula."""
    return text.replace("$", r"\$")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _short(name: str, length: int = 16) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"

"""An autopsy as ``autopsy.json`` and as a page, the worst layers first."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from converters.autopsy import Autopsy, LayerError, ranked
from converters.autopsy_advice import CURES, FINE_DB, advise
from converters.autopsy_measure import FEW_STEPS
from edgecnn.report import page, plots
from edgecnn.storage import whole_file

AUTOPSY, PAGE = "autopsy.json", "autopsy.html"
SCHEMA = 1

SHOWN = (3, 6)
"""Layers with a section of their own: so many in any case, and so many at most."""

SMALL = 0.02
"""Share of the error at the outputs below which a layer is no more than in the table."""


def facts(found: Autopsy) -> dict[str, Any]:
    """What stands in ``autopsy.json``; numbers of six digits."""
    rows = [dataclasses.asdict(row) for row in found.layers]
    return {
        "schema": SCHEMA,
        "task": found.model,
        "part": found.part,
        "pictures": found.pictures,
        "sqnr_db": _short(found.sqnr_db),
        "cosine": _short(found.cosine),
        "worst": ranked(found.layers)[0].name,
        "advice": [dataclasses.asdict(advice) for advice in advise(found)],
        "layers": [_short(row) for row in rows],
    }


def write(folder: Path, found: Autopsy) -> Path:
    """Write ``autopsy.json`` and ``autopsy.html`` into a folder, which is made; gives the page.

    Raises:
        StorageError: they cannot be written.
    """
    with whole_file(folder / AUTOPSY) as draft:
        draft.write_text(json.dumps(facts(found), indent=1) + "\n", "utf-8")
    least, most = SHOWN
    first = [
        row for i, row in enumerate(ranked(found.layers)[:most]) if i < least or row.share > SMALL
    ]
    words = {advice.layer: str(advice) for advice in advise(found)}
    sections = [
        page.Section("Result", _result(found)),
        page.Section("In words", _words(found)),
        page.Section("Through the network", _through(found)),
        *(_layer(place, row, words.get(row.name)) for place, row in enumerate(first, 1)),
        page.Section("All layers", _table(found.layers)),
    ]
    page.write(folder / PAGE, f"Autopsy of the int8 network: {found.model}", sections)
    return folder / PAGE


def _result(found: Autopsy) -> str:
    hurts = ranked(found.layers)[0]
    lowest = min(found.layers, key=lambda row: row.sqnr_db)
    return page.figures(
        {
            "Outputs": f"{found.sqnr_db:.1f} dB\nsignal to error; cosine {found.cosine:.4f}",
            "Hurts most": f"{hurts.name}\n{_percent(hurts.share)} of the error at the outputs",
            "Lowest on the way": f"{lowest.sqnr_db:.1f} dB\nat {lowest.name}",
            "Compared on": f"{found.pictures} pictures\n{found.part} data, not calibrated on",
        }
    )


def _words(found: Autopsy) -> str:
    advice = advise(found)
    if found.sqnr_db >= FINE_DB:
        return page.paragraph(
            f"Above {FINE_DB:g} dB at the outputs nothing needs a cure; the layers below share "
            "what little error there is."
        )
    if not advice:
        return page.paragraph(
            "No layer stands out: the error comes from all of them. More calibration pictures, "
            "quantisation-aware training or wider layers help where it is too large."
        )
    rows = [(a.layer, a.text, CURES[a.cure].rstrip(",")) for a in advice]
    return page.table(("layer", "what", "what helps"), rows)


def _through(found: Autopsy) -> str:
    names = [row.name for row in found.layers]
    lines = {
        "as it runs, errors of earlier layers included": [row.sqnr_db for row in found.layers],
        "its own error, given the right inputs": [row.own_sqnr_db for row in found.layers],
    }
    shares = [100 * row.share for row in found.layers]
    return page.plot(
        lambda dark: plots.through_layers(names, lines, shares, dark=dark),
        "Signal to error of each layer in decibels, and its share of the error at the outputs",
        "Above: signal to error, higher is better. Below: each layer's own error, put alone into "
        "the float network, as a share of all of them at the outputs. A layer may be bad by itself "
        "and harmless, or the other way round; the share is what counts.",
    )


def _layer(place: int, row: LayerError, words: str | None) -> page.Section:
    seen, weights = row.activations, row.weights
    panels = [plots.Counts("what it computes", seen.histogram.low, seen.histogram.high,
                           seen.histogram.counts, (seen.low, seen.high))]  # fmt: skip
    if weights is not None:
        bars = weights.histogram
        panels.append(plots.Counts("its weights", bars.low, bars.high, bars.counts))
    numbers = {
        "At the outputs": f"{row.output_sqnr_db:.1f} dB\nwere its error the only one",
        "Own error": f"{row.own_sqnr_db:.1f} dB\n{_percent(row.from_weights)} by its weights, "
        f"{_percent(row.from_clipping)} by clipping, {_percent(row.from_shift)} constant",
        "As it runs": f"{row.sqnr_db:.1f} dB\ncosine {row.cosine:.4f}",
        "Narrow channels": f"{seen.narrow} of {len(seen.steps)}\nof fewer than {FEW_STEPS} of 256 "
        "steps",
    }
    figure = page.plot(
        lambda dark: plots.layer(panels, seen.steps, FEW_STEPS, dark=dark),
        f"Histograms of {row.name}, and the steps that each channel takes",
        "Dashed: the ends of the int8 range. Counts are logarithmic. Steps: how many of the 256 "
        "each channel takes, least first.",
    )
    text = page.paragraph(f"{words}.") if words else ""
    heading = f"{place}. {row.name} ({row.kind}): {_percent(row.share)} of the error"
    return page.Section(heading, text + page.figures(numbers) + figure)


def _table(rows: Sequence[LayerError]) -> str:
    header = ("layer", "operation", "SQNR", "own", "at outputs", "share", "cosine", "clipped",
              "narrow", "weights")  # fmt: skip
    cells = [
        (row.name, row.kind, f"{row.sqnr_db:.1f}", f"{row.own_sqnr_db:.1f}",
         f"{row.output_sqnr_db:.1f}", _percent(row.share), f"{row.cosine:.4f}",
         f"{100 * row.activations.clipped:.2f} %",
         f"{100 * row.activations.narrow / len(row.activations.steps):.0f} %",
         f"{row.weights.sqnr_db:.1f}" if row.weights else "–")
        for row in rows
    ]  # fmt: skip
    note = page.paragraph("Ratios in decibels; narrow: share of the channels.")
    return page.table(header, cells) + note


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _short(value: Any) -> Any:
    """Numbers of six digits, however deep they stand."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    return [_short(item) for item in value] if isinstance(value, list | tuple) else value

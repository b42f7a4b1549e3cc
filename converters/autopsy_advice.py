"""What an autopsy found, in plain words, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from converters.autopsy import Autopsy, LayerError, ranked
from converters.autopsy_measure import FEW_STEPS, MIDDLE

LARGE = 0.1
"""Share of the error at the outputs from which a layer is spoken of."""

MOST = 5
"""Layers spoken of at most."""

FINE_DB = 30.0
"""SQNR at the outputs above which nothing needs a cure: the error is then 3 % of the signal."""

CURES = {
    "calibration": "more calibration pictures, such as it will see,",
    "percentile": "calibration to a percentile of the values, which clips the rare ones,",
    "equalisation": "cross-layer equalisation",
    "bias": "bias correction",
    "training": "quantisation-aware training, or this layer in float,",
    "float": "this layer in float, or its function computed behind the network,",
}
"""What helps, by name; before the word *helps*."""

FIXED = {"LOGISTIC", "TANH", "SOFTMAX", "L2_NORMALIZATION"}
"""Operations whose range TFLite fixes, whatever they compute (its 8-bit quantisation
specification)."""


@dataclass(frozen=True)
class Advice:
    """A sentence about a layer.

    Attributes:
        cure: a name out of :data:`CURES`.
        text: what was found.
    """

    layer: str
    cure: str
    text: str

    def __str__(self) -> str:
        return f"{self.layer}: {self.text}: {CURES[self.cure]} helps"


def advise(autopsy: Autopsy) -> list[Advice]:
    """A sentence for each layer that makes much of the error at the outputs, those that hurt most
    first; nothing where the outputs are fine."""
    if autopsy.sqnr_db >= FINE_DB:
        return []
    return [about(row) for row in _large(autopsy.layers)]


def about(row: LayerError) -> Advice:
    """What makes most of a layer's own error, and what helps against that."""
    cure, cause = _cause(row)
    return Advice(row.name, cure, f"{100 * row.share:.0f} % of the error at the outputs; {cause}")


def _large(rows: Sequence[LayerError]) -> list[LayerError]:
    return [row for row in ranked(rows)[:MOST] if row.share >= LARGE]


def _cause(row: LayerError) -> tuple[str, str]:
    seen, weights = row.activations, row.weights
    if row.from_clipping >= 0.5:
        return "calibration", (
            f"{_percent(seen.clipped)} of its values lie outside the range that calibration gave "
            f"it, {seen.low:.3g} to {seen.high:.3g}; the furthest is "
            f"{max(seen.seen_low, seen.seen_high, key=abs):.3g}"
        )
    if weights is not None and row.from_weights >= 0.5:
        if weights.narrow_outputs:
            return "equalisation", (
                f"{weights.narrow_outputs} of {weights.outputs} channels have weights up to "
                f"{weights.spread_outputs:.0f} times smaller than the largest, and one scale "
                "serves all"
            )
        if weights.narrow_inputs:
            return "equalisation", (
                f"its weights for {weights.narrow_inputs} of {weights.inputs} input channels are "
                f"up to {weights.spread_inputs:.0f} times smaller than the largest and round to "
                f"fewer than {FEW_STEPS} steps"
            )
        if row.from_shift >= 0.5:
            return "bias", "rounding its weights moves each channel by the same in all pictures"
        return "training", f"its weights lose most, at {weights.sqnr_db:.0f} dB"
    if row.kind in FIXED:
        return "float", f"the range of {row.kind} is fixed, and its values take little of it"
    if seen.middle < 0.5:
        return "percentile", (
            f"its range is set by {_percent(1 - MIDDLE)} of the values: the others lie in "
            f"{_percent(seen.middle)} of it"
        )
    if weights is not None and seen.narrow:
        return "equalisation", (
            f"{seen.narrow} of {len(seen.steps)} channels take fewer than {FEW_STEPS} of its 256 "
            "steps, since others need them all"
        )
    if row.from_shift >= 0.5:
        return "bias", "its values are off by the same in all pictures"
    return "training", "256 steps are too coarse for its values"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def summary(autopsy: Autopsy) -> list[str]:
    """The outcome in sentences: the outputs as a whole, the worst layer, advice."""
    hurts = ranked(autopsy.layers)[0]
    lines = [
        f"outputs: {autopsy.sqnr_db:.1f} dB, cosine {autopsy.cosine:.4f}, over "
        f"{autopsy.pictures} pictures{f' of the {autopsy.part} data' if autopsy.part else ''}",
        f"hurts most: {hurts.name} ({hurts.kind}), with {100 * hurts.share:.0f} % of the error at "
        "the outputs",
    ]
    if autopsy.sqnr_db >= FINE_DB:
        return [*lines, f"above {FINE_DB:g} dB nothing needs a cure"]
    return lines + [str(advice) for advice in advise(autopsy)]

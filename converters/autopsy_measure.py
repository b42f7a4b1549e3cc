"""How far two arrays are apart, and what stands in the way of 256 steps: maths without files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

LIMIT_DB = 150.0
"""Of what is told in decibels: float32 itself rounds at about 145 dB."""

BINS = 64
"""Of a histogram; a divisor of :data:`FINE`."""

FINE = 2048
"""Bins that quantiles are read from: eight a step of int8."""

FEW_STEPS = 8
"""A channel that takes fewer of the 256 steps than this has less than 3 bits left."""

MIDDLE = 0.999
"""Share of the values that the range of most of them is told for."""

Reals = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Histogram:
    """Counts in bins of equal width from ``low`` to ``high``."""

    low: float
    high: float
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Activations:
    """What a layer computes in float, and the range that int8 has for it.

    Attributes:
        low, high: the real numbers at the ends of the 256 steps; those seen, where it stayed in
            float.
        seen_low, seen_high: the least and the greatest value over all pictures.
        clipped: share of the values more than half a step outside the range, 0…1.
        middle: the middle 99.9 % of the values lie in this share of the range.
        steps: how many of the 256 each channel, along the last axis, takes; least first.
        histogram: from the lesser of ``low`` and ``seen_low`` to the greater of the others.
    """

    low: float
    high: float
    seen_low: float
    seen_high: float
    clipped: float
    middle: float
    steps: tuple[float, ...]
    histogram: Histogram

    @property
    def narrow(self) -> int:
        """Channels that change, and yet take fewer than :data:`FEW_STEPS` steps."""
        return sum(0 < n < FEW_STEPS for n in self.steps)


@dataclass(frozen=True)
class Weights:
    """The weights of a layer, bias excluded.

    Attributes:
        scales: 1, or one for each output channel.
        sqnr_db: of the int8 weights, to the float ones.
        outputs, inputs: channels; ``inputs`` is 1 for a depthwise convolution.
        narrow_outputs, narrow_inputs: channels none of whose weights takes half of
            :data:`FEW_STEPS` steps either way, those without weights apart.
        spread_outputs, spread_inputs: how many times greater the greatest weight of one channel is
            than that of another; of input channels in steps, so that scales are allowed for.
        histogram: of the float weights.
    """

    scales: int
    sqnr_db: float
    outputs: int
    inputs: int
    narrow_outputs: int
    narrow_inputs: int
    spread_outputs: float
    spread_inputs: float
    histogram: Histogram


def decibels(signal: float, noise: float) -> float:
    """``10 log10(signal / noise)`` of two powers, at most :data:`LIMIT_DB` either way."""
    if noise <= 0:
        return LIMIT_DB
    return float(np.clip(10 * np.log10(max(signal, 1e-300) / noise), -LIMIT_DB, LIMIT_DB))


def power(values: Reals) -> float:
    """Sum of squares."""
    flat = np.asarray(values, np.float64).ravel()
    return float(flat @ flat)


def sqnr_db(true: Reals, found: Reals) -> float:
    """Signal to quantisation noise ratio: the power of ``true`` over that of the difference."""
    return decibels(power(true), power(np.asarray(found, np.float64) - true))


def cosine(true: Reals, found: Reals) -> float:
    """Of the angle between two arrays as vectors; 1 where both are zero, 0 where one is."""
    a, b = (np.asarray(x, np.float64).ravel() for x in (true, found))
    lengths = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / lengths if lengths else float(not a.any() and not b.any())


def activations(values: Reals, low: float, high: float) -> Activations:
    """Look at what a layer computes in float.

    Args:
        values: ``(N, ..., C)``, N pictures.
        low, high: the range of its 256 steps; both equal for none.
    """
    seen_low, seen_high = float(values.min()), float(values.max())
    if low >= high:
        low, high = seen_low, seen_high
    step = (high - low) / 255 or 1.0
    outside = (values < low - step / 2) | (values > high + step / 2)
    wide = (min(low, seen_low), max(high, seen_high))
    if wide[0] == wide[1]:
        wide = (wide[0] - 0.5, wide[1] + 0.5)
    counts = np.histogram(values, FINE, wide)[0]
    by_channel = values.reshape(-1, values.shape[-1])
    steps = np.ptp(by_channel, axis=0) / step
    return Activations(
        low=low,
        high=high,
        seen_low=seen_low,
        seen_high=seen_high,
        clipped=float(outside.mean()),
        middle=_middle(counts) * (wide[1] - wide[0]) / (255 * step),
        steps=tuple(np.sort(steps).tolist()),
        histogram=_histogram(counts, wide),
    )


def weights(values: Reals, stored: Reals, scales: Reals, axis: int, input_axis: int) -> Weights:
    """Look at the weights of a layer.

    Args:
        values: float weights, as TFLite orders them.
        stored: the int8 weights as real numbers.
        scales: ``(1,)`` or one for each output channel.
        axis: of the output channels.
        input_axis: of the input channels; the same as ``axis`` for a depthwise convolution, none
            of whose channels meet.
    """
    shape = [1] * values.ndim
    shape[axis] = -1
    steps = np.abs(values) / np.maximum(scales, 1e-30, dtype=np.float64).reshape(shape)
    outputs = _peaks(steps, axis)
    inputs = np.full(1, steps.max()) if input_axis == axis else _peaks(steps, input_axis)
    limit = float(np.abs(values).max()) or 1.0
    return Weights(
        scales=len(scales),
        sqnr_db=sqnr_db(values, stored),
        outputs=len(outputs),
        inputs=len(inputs),
        narrow_outputs=_narrow(outputs),
        narrow_inputs=_narrow(inputs),
        spread_outputs=_spread(_peaks(np.abs(values), axis)),
        spread_inputs=_spread(inputs),
        histogram=_histogram(np.histogram(values, FINE, (-limit, limit))[0], (-limit, limit)),
    )


def shift(error: Reals) -> float:
    """Share of an error's power that is the same at every place of a channel, in all pictures:
    what other biases would take away.

    Args:
        error: ``(N, ..., C)``.
    """
    by_channel = np.asarray(error, np.float64).reshape(-1, error.shape[-1])
    total = power(by_channel)
    return len(by_channel) * power(by_channel.mean(axis=0)) / total if total else 0.0


def _peaks(sizes: Reals, axis: int) -> Reals:
    return np.asarray(sizes.max(axis=tuple(k for k in range(sizes.ndim) if k != axis)))


def _narrow(steps: Reals) -> int:
    """Channels that have weights, and yet none that takes half of :data:`FEW_STEPS` either way."""
    return int(np.sum((steps > 0) & (steps < FEW_STEPS / 2)))


def _spread(peaks: Reals) -> float:
    there = peaks[peaks > 0]
    return float(there.max() / there.min()) if len(there) else 1.0


def _middle(counts: npt.NDArray[Any]) -> float:
    """Share of the bins from the one where all but 0.05 % are yet to come to where as few are."""
    rising = np.cumsum(counts) / max(1, counts.sum())
    first = int(np.searchsorted(rising, (1 - MIDDLE) / 2, "right"))
    last = int(np.searchsorted(rising, (1 + MIDDLE) / 2))
    return (min(last, len(counts) - 1) - first + 1) / len(counts)


def _histogram(fine: npt.NDArray[Any], ends: tuple[float, float]) -> Histogram:
    return Histogram(*ends, tuple(int(n) for n in fine.reshape(BINS, -1).sum(axis=1)))

"""The maths of an autopsy, by numbers worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from converters import autopsy_measure as measure


@pytest.mark.parametrize(
    ("true", "found", "db", "cosine"),
    [
        ([3.0, 4.0], [3.0, 4.5], 20.0, 1 * (9 + 18) / (5 * np.sqrt(9 + 20.25))),  # 25 over 0.25
        ([1.0, 0.0], [0.0, 1.0], 10 * np.log10(1 / 2), 0.0),
        ([2.0, 0.0], [1.0, 0.0], 10 * np.log10(4), 1.0),  # half of it lost: 6 dB
        ([1.0, 2.0], [1.0, 2.0], 150.0, 1.0),
        ([0.0, 0.0], [0.0, 0.0], 150.0, 1.0),
        ([0.0, 0.0], [1.0, 0.0], -150.0, 0.0),
    ],
)
def test_ratio_and_cosine(true: list[float], found: list[float], db: float, cosine: float) -> None:
    assert measure.sqnr_db(np.array(true), np.array(found)) == pytest.approx(db)
    assert measure.cosine(np.array(true), np.array(found)) == pytest.approx(cosine)


def test_rounding_to_256_steps_has_the_ratio_of_the_textbook() -> None:
    """6.02 dB a bit for a value that is spread evenly (Bennett 1948): 8 bits give 48.2."""
    values = np.random.default_rng(0).uniform(-1, 1, 100_000)
    step = 2 / 256
    assert measure.sqnr_db(values, np.round(values / step) * step) == pytest.approx(48.16, abs=0.1)


def test_activations_of_two_channels_one_a_hundred_times_the_other() -> None:
    wide = np.linspace(0, 255, 256, dtype=np.float32)
    values = np.stack([wide, wide / 100], axis=-1)[None]  # (1, 256, 2)
    seen = measure.activations(values, 0.0, 255.0)
    assert seen.steps == pytest.approx((2.55, 255.0), rel=1e-5) and seen.narrow == 1
    assert (seen.clipped, seen.seen_low, seen.seen_high) == (0, 0, 255)
    assert sum(seen.histogram.counts) == 512
    assert seen.middle == pytest.approx(1, abs=0.01)


def test_values_outside_the_range_are_counted_and_shown() -> None:
    values = np.array([[-2.0], [0.0], [1.0], [1.001], [3.0]], np.float32)
    seen = measure.activations(values, 0.0, 1.0)
    assert seen.clipped == pytest.approx(2 / 5)  # 1.001 is less than half a step outside
    assert (seen.histogram.low, seen.histogram.high) == (-2, 3)
    assert sum(seen.histogram.counts) == 5


def test_a_range_that_one_value_in_ten_thousand_sets() -> None:
    values = np.append(np.linspace(0, 1, 9_999), 100.0).astype(np.float32)[:, None]
    assert measure.activations(values, 0.0, 100.0).middle == pytest.approx(0.01, abs=0.001)


@pytest.mark.parametrize("value", [0.0, 2.5])
def test_a_dead_layer_has_no_narrow_channel(value: float) -> None:
    seen = measure.activations(np.full((2, 3, 4), value, np.float32), 0.0, 0.0)
    assert seen.narrow == 0 and seen.steps == (0, 0, 0, 0)
    assert sum(seen.histogram.counts) == 24


def test_weights_of_a_dense_layer_with_one_scale() -> None:
    # Two output channels, the second 100 times smaller; the third input is 50 times smaller.
    values = np.array([[1.27, -0.635, 0.0254], [0.0127, 0.0, 0.0]], np.float32)
    scales = np.array([0.01])
    stored = np.round(values / scales) * scales
    found = measure.weights(values, stored, scales, 0, 1)
    assert (found.outputs, found.inputs, found.scales) == (2, 3, 1)
    assert (found.narrow_outputs, found.narrow_inputs) == (1, 1)
    assert found.spread_outputs == pytest.approx(100, rel=1e-5)
    assert found.spread_inputs == pytest.approx(50, rel=1e-5)
    noise = 0.005**2 + 0.0046**2 + 0.0027**2  # 0.635, 0.0254 and 0.0127 become 0.64, 0.03, 0.01
    signal = 1.27**2 + 0.635**2 + 0.0254**2 + 0.0127**2
    assert found.sqnr_db == pytest.approx(10 * np.log10(signal / noise), abs=1e-3)


def test_weights_of_a_depthwise_convolution_have_scales_and_no_inputs() -> None:
    values = np.zeros((1, 3, 3, 2), np.float32)
    values[0, 1, 1] = 1.27, 0.00127
    found = measure.weights(values, values, np.array([0.01, 0.00001]), 3, 3)
    assert (found.outputs, found.inputs, found.narrow_outputs, found.narrow_inputs) == (2, 1, 0, 0)
    assert found.spread_outputs == pytest.approx(1000)
    silent = measure.weights(0 * values, values, np.array([0.0, 0.0]), 3, 3)
    assert (silent.narrow_outputs, silent.spread_outputs) == (0, 1)


def test_shift_is_what_a_bias_would_take_away() -> None:
    constant = np.broadcast_to(np.array([1.0, -2.0]), (3, 4, 2))
    assert measure.shift(constant) == pytest.approx(1)
    swinging = np.array([[1.0], [-1.0], [1.0], [-1.0]])
    assert measure.shift(swinging) == 0
    assert measure.shift(swinging + 1) == pytest.approx(0.5)
    assert measure.shift(np.zeros((2, 2))) == 0

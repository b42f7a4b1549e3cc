"""Figures of a classifier against numbers worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.training.measures import (
    accuracies,
    calibration_error,
    confusion,
    cross_entropy,
    interval,
    least_threshold,
    reliability,
    softmax,
)


def test_softmax_sums_to_one_and_bears_large_logits() -> None:
    logits = np.array([[0, np.log(3)], [1000, 0], [-1000, -1000]], np.float32)
    expected = [[0.25, 0.75], [1, 0], [0.5, 0.5]]
    np.testing.assert_allclose(softmax(logits), expected, atol=1e-6)
    assert softmax(np.zeros((0, 3), np.float32)).shape == (0, 3)


def test_cross_entropy_by_hand() -> None:
    logits = np.array([[0, np.log(3)], [np.log(4), 0]], np.float32)
    expected = -(np.log(0.75) + np.log(0.2)) / 2
    assert cross_entropy(logits, np.array([1, 1])) == pytest.approx(expected, rel=1e-6)


def test_confusion_counts_rows_as_truth() -> None:
    table = confusion(np.array([0, 1, 1, 2, 1]), np.array([0, 0, 0, 2, 1]), 3)
    assert table.tolist() == [[1, 2, 0], [0, 1, 0], [0, 0, 1]]
    none = np.array([], np.int64)
    assert confusion(none, none, 2).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("table", "accuracy", "balanced"),
    [
        ([[8, 2], [0, 10]], 0.9, 0.9),
        ([[90, 0], [10, 0]], 0.9, 0.5),
        ([[3, 1], [0, 0]], 0.75, 0.75),
        ([[0, 0], [0, 0]], 0.0, 0.0),
    ],
)
def test_accuracies(table: list[list[int]], accuracy: float, balanced: float) -> None:
    found = accuracies(np.array(table))
    assert list(found) == ["accuracy", "balanced_accuracy"]
    assert found == pytest.approx({"accuracy": accuracy, "balanced_accuracy": balanced})


def test_interval_is_wilsons() -> None:
    # Newcombe, Statist. Med. 17 (1998) 857, table I: 81 of 263 and 0 of 20.
    assert interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert interval(0, 0) == (0, 1)


def two_class(sureness: list[float], right: list[bool]) -> tuple[np.ndarray, np.ndarray]:
    probabilities = np.array([[p, 1 - p] for p in sureness], np.float32)
    return probabilities, np.array([0 if r else 1 for r in right])


@pytest.mark.parametrize(
    ("sureness", "right", "threshold", "rate", "trials"),
    [
        # All right: as low as was seen.
        ([0.9, 0.6, 0.8], [True, True, True], 0.6, 0, 3),
        # A wrong one at 0.7 keeps the threshold above it.
        ([0.9, 0.6, 0.8, 0.7], [True, True, True, False], 0.8, 0, 2),
        # The surest is wrong: the rate never gets to 1 %, the least of them is taken.
        ([0.9, 0.8, 0.7, 0.6], [False, True, True, True], 0.6, 0.25, 4),
        # Equal probabilities, one wrong: given or withheld together.
        ([0.9, 0.7, 0.7], [True, True, False], 0.9, 0, 1),
        ([0.9], [False], 0.9, 1, 1),
    ],
)
def test_least_threshold(
    sureness: list[float], right: list[bool], threshold: float, rate: float, trials: int
) -> None:
    point = least_threshold(*two_class(sureness, right))
    assert point["threshold"] == pytest.approx(threshold)
    assert (point["error_rate"], point["trials"]) == (rate, trials)


def test_least_threshold_allows_one_in_a_hundred() -> None:
    sureness = np.linspace(0.99, 0.6, 200)
    right = [i != 100 for i in range(200)]
    point = least_threshold(*two_class(list(sureness), right))
    assert point == {
        "threshold": pytest.approx(0.6), "error_rate": pytest.approx(0.005), "trials": 200
    }  # fmt: skip
    strict = least_threshold(*two_class(list(sureness), right), error_rate=0.001)
    assert (strict["error_rate"], strict["trials"]) == (0, 100)


def test_least_threshold_of_nothing_answers_nothing() -> None:
    empty = np.zeros((0, 3), np.float32), np.zeros(0, np.int64)
    assert least_threshold(*empty) == {"threshold": 1.0, "error_rate": 0.0, "trials": 0}


def test_least_threshold_agrees_with_trying_every_one() -> None:
    rng = np.random.default_rng(4)
    for _ in range(50):
        probabilities = softmax(rng.normal(0, 2, (40, 3)).round(1).astype(np.float32))
        targets = np.where(rng.random(40) < 0.9, probabilities.argmax(1), rng.integers(0, 3, 40))
        sure, wrong = probabilities.max(1), probabilities.argmax(1) != targets
        rates = {t: wrong[sure >= t].mean() for t in sure}
        allowed = max(0.01, min(rates.values()))
        expected = min(t for t, rate in rates.items() if rate <= allowed)
        assert least_threshold(probabilities, targets)["threshold"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("sureness", "right", "expected"),
    [
        ([], "", 0.0),
        ([1.0, 1.0], "11", 0.0),
        ([0.9, 0.9], "10", 0.4),
        ([0.9, 0.9, 0.6, 0.2], "1010", (2 * 0.4 + 0.4 + 0.2) / 4),
        ([0.61, 0.66], "10", 0.135),  # one bin, (9/15, 10/15]
        ([0.61, 0.67], "10", (0.39 + 0.67) / 2),  # two
        ([0.0], "0", 0.0),
    ],
)
def test_expected_calibration_error_by_hand(
    sureness: list[float], right: str, expected: float
) -> None:
    hits = np.array([c == "1" for c in right], bool)
    found = calibration_error(np.array(sureness, np.float32), hits)
    assert found == pytest.approx(expected, abs=1e-6)


def test_calibration_error_against_a_second_implementation() -> None:
    rng = np.random.default_rng(0)
    sureness, right = rng.random(500), rng.random(500) < 0.7
    expected = 0.0
    for m in range(1, 16):
        rows = [i for i, s in enumerate(sureness) if (m - 1) / 15 < s <= m / 15]
        if rows:
            apart = np.mean(right[rows]) - np.mean(sureness[rows])
            expected += len(rows) / 500 * abs(apart)
    assert calibration_error(sureness, right) == pytest.approx(expected, abs=1e-6)


def test_bins_of_reliability() -> None:
    table = reliability(np.array([0.2, 0.5, 0.50001, 1.0]), np.array([1, 0, 1, 1], bool), bins=2)
    np.testing.assert_allclose(table, [[2, 0.35, 0.5], [2, 0.750005, 1.0]], rtol=1e-5)

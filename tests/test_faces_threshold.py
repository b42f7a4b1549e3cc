"""A threshold for one stranger in N: known distributions, groups, and what cannot be known."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from edgecnn.errors import DataError
from edgecnn.faces.threshold import one_in, threshold_for

PEOPLE = 1200


def normal(mean: float, spread: float, count: int = PEOPLE) -> np.ndarray:
    """Exact quantiles of a normal distribution, shuffled: a sample without its noise."""
    ranks = (np.arange(count) + 0.5) / count
    values = [NormalDist(mean, spread).inv_cdf(r) for r in ranks]
    return np.random.default_rng(0).permutation(values)


@pytest.mark.parametrize("rate", [0.05, 0.01, 0.001, 0.0001])
def test_a_normal_tail_is_read_off_at_the_rate(rate: float) -> None:
    found = threshold_for(rate, normal(0.2, 0.1), np.arange(PEOPLE))
    assert found.value == pytest.approx(NormalDist(0.2, 0.1).inv_cdf(1 - rate), abs=0.003)
    assert found.low < rate < found.high
    assert (found.rate, found.people, found.group) == (rate, PEOPLE, "")


@pytest.mark.parametrize(("rate", "named"), [(0.5, 600), (0.25, 300), (0.1, 120)])
def test_where_there_are_enough_they_are_counted(rate: float, named: int) -> None:
    scores = np.random.default_rng(1).uniform(-1, 1, PEOPLE)
    found = threshold_for(rate, scores, np.arange(PEOPLE))
    assert np.sum(scores >= found.value) == named
    assert found.low < rate < found.high


def test_the_rate_holds_on_average_for_people_it_was_not_fitted_to() -> None:
    rng = np.random.default_rng(2)
    rates = [
        1 - NormalDist(0.1, 0.12).cdf(
            threshold_for(0.001, rng.normal(0.1, 0.12, 1000), np.arange(1000), draws=0).value
        )
        for _ in range(100)
    ]  # fmt: skip
    assert 0.0008 < np.mean(rates) < 0.0016


def test_the_interval_covers_the_true_rate() -> None:
    rng, inside = np.random.default_rng(3), 0
    for _ in range(60):
        found = threshold_for(0.001, rng.normal(0.1, 0.1, 600), np.arange(600), draws=60)
        inside += found.low <= 1 - NormalDist(0.1, 0.1).cdf(found.value) <= found.high
    assert inside >= 46  # 90 % asked; fewer than 46 of 60 would come once in 1,000


def test_each_person_counts_once_however_many_faces() -> None:
    scores = normal(0.2, 0.1)
    # One impostor with 500 faces that are all very alike to somebody.
    many = np.concatenate([scores, np.full(500, 0.9)])
    persons = np.concatenate([np.arange(PEOPLE), np.full(500, PEOPLE)])
    alone = threshold_for(0.001, np.append(scores, 0.9), np.arange(PEOPLE + 1)).value
    assert threshold_for(0.001, many, persons).value == pytest.approx(alone, abs=0.002)
    assert threshold_for(0.001, many, np.arange(PEOPLE + 500)).value > alone + 0.1


def test_the_nearest_group_decides() -> None:
    near, far = normal(0.3, 0.1, 400), normal(0.0, 0.1, 800)
    scores, groups = np.concatenate([near, far]), np.array(["near"] * 400 + ["far"] * 800)
    found = threshold_for(0.001, scores, np.arange(PEOPLE), groups)
    alone = threshold_for(0.001, near, np.arange(400)).value
    assert found.group == "near" and found.value == pytest.approx(alone)
    assert found.value > threshold_for(0.001, scores, np.arange(PEOPLE)).value


def test_a_group_of_few_has_no_say_of_its_own() -> None:
    scores = np.concatenate([normal(0.0, 0.1), normal(0.5, 0.1, 99)])
    groups = np.array(["many"] * PEOPLE + ["few"] * 99)
    found = threshold_for(0.01, scores, np.arange(len(scores)), groups)
    assert found.group == "" and found.people == PEOPLE + 99


def test_all_alike_is_above_them_all() -> None:
    found = threshold_for(0.001, np.full(200, 0.4), np.arange(200))
    assert 0.4 < found.value < 0.41


@pytest.mark.parametrize("people", [103, 118, 1089])
def test_the_rate_that_a_refusal_names_is_not_refused(people: int) -> None:
    scores = np.random.default_rng(0).normal(size=people)
    assert np.isfinite(threshold_for(1 / (10 * people), scores, np.arange(people)).value)


@pytest.mark.parametrize(
    ("rate", "people", "message"),
    [
        (0.0, 200, "between 0 and 1"),
        (1.0, 200, "between 0 and 1"),
        (float("nan"), 200, "between 0 and 1"),
        (0.01, 99, "at least 100 impostors"),
        (1 / 2001, 200, "cannot be known from 200 impostors: ask for 1 in 2,000 or more"),
    ],
)
def test_what_cannot_be_known_is_refused(rate: float, people: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        threshold_for(rate, normal(0.2, 0.1, people), np.arange(people))


def test_the_lowest_rate_that_is_offered_is_accepted() -> None:
    assert threshold_for(1 / 2000, normal(0.2, 0.1, 200), np.arange(200)).value > 0.4


def test_warnings_come_where_something_should_be_told() -> None:
    few = threshold_for(1 / 2000, normal(0.2, 0.1, 200), np.arange(200))
    assert few.warning is not None and "extrapolated" in few.warning and "200" in few.warning
    assert threshold_for(0.01, normal(0.2, 0.1), np.arange(PEOPLE)).warning is None
    never = threshold_for(0.001, normal(0.6, 0.2), np.arange(PEOPLE))
    assert never.value > 1 and never.warning is not None and "nobody" in never.warning


def test_without_draws_there_is_no_interval() -> None:
    found = threshold_for(0.01, normal(0.2, 0.1), np.arange(PEOPLE), draws=0)
    assert np.isnan([found.low, found.high]).all()


@pytest.mark.parametrize(("rate", "text"), [(0.001, "1 in 1,000"), (0.5, "1 in 2"), (0.0, "none")])
def test_rates_for_people_to_read(rate: float, text: str) -> None:
    assert one_in(rate) == text

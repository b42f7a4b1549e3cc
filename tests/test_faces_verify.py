"""Verification figures, against numbers worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.errors import DataError
from edgecnn.faces import verify
from edgecnn.faces.embed import unit


def bools(text: str) -> np.ndarray:
    return np.array([c == "1" for c in text])


@pytest.mark.parametrize(
    ("scores", "same", "threshold"),
    [
        ([0.9, 0.8, 0.3, 0.1], "1100", 0.55),  # half-way between the kinds
        ([0.9, 0.8, 0.3, 0.1], "1111", 0.1),  # accepting all is right
        ([0.5, 0.5, 0.5], "110", 0.5),  # ties cannot be told apart
        ([0.1, 0.9, 0.8], "011", 0.45),
    ],
)
def test_best_threshold(scores: list[float], same: str, threshold: float) -> None:
    assert verify.best_threshold(np.array(scores), bools(same)) == pytest.approx(threshold)


def test_best_threshold_rejects_all_where_nobody_is_the_same() -> None:
    scores = np.array([0.2, 0.7])
    assert verify.best_threshold(scores, bools("00")) > 0.7


def test_best_threshold_is_as_good_as_trying_every_one() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        scores = np.round(rng.random(20), 1)
        same = rng.random(20) < 0.5
        best = max(np.sum((scores >= t) == same) for t in [*scores, 2.0])
        found = verify.best_threshold(scores, same)
        assert np.sum((scores >= found) == same) == best


def test_fold_accuracies_choose_the_threshold_elsewhere() -> None:
    # Two folds; the second one's scores are all lower, so fold 1's threshold misjudges it.
    scores = np.array([0.9, 0.7, 0.5, 0.3])
    same = bools("1010")
    assert verify.fold_accuracies(scores, same, folds=2).tolist() == [0.5, 0.5]


@pytest.mark.parametrize("count", [0, 15])
def test_fold_accuracies_want_equal_folds(count: int) -> None:
    with pytest.raises(DataError, match="10 equal folds"):
        verify.fold_accuracies(np.zeros(count), np.zeros(count, bool))


def test_tar_at_far_is_above_the_fourth_highest_of_3000_impostors() -> None:
    impostors = np.linspace(0, 1, 3000)
    fourth = impostors[-4]
    same = np.array([fourth - 1e-6, fourth, fourth + 1e-6, 2.0])
    scores = np.concatenate([impostors, same])
    labels = np.concatenate([np.zeros(3000, bool), np.ones(4, bool)])
    assert verify.tar_at_far(scores, labels, 1e-3) == 0.5


def test_threshold_at_lets_through_what_was_asked() -> None:
    scores = np.arange(1000, dtype=np.float32) / 1000
    t = verify.threshold_at(scores, 0.01)
    assert np.sum(scores >= t) == 10
    with pytest.raises(DataError, match="at least 10000"):
        verify.threshold_at(scores, 1e-4)


@pytest.mark.parametrize("count", [2, 49, 98, 107])
def test_threshold_at_one_in_all_lets_one_through(count: int) -> None:
    scores = np.arange(count, dtype=np.float32) / count
    assert np.sum(scores >= verify.threshold_at(scores, 1 / count)) == 1


def test_threshold_at_never_lets_ties_through() -> None:
    scores = np.array([0.5] * 50 + [0.1] * 50, np.float32)
    assert np.sum(scores >= verify.threshold_at(scores, 0.1)) == 0


def test_impostor_scores_are_all_pairs_of_different_known_people() -> None:
    rng = np.random.default_rng(1)
    e = unit(rng.normal(size=(9, 4)).astype(np.float32))
    persons = np.array([0, 0, 1, 2, 2, 2, -1, 3, -1])
    oracle = [
        float(e[i] @ e[j])
        for i in range(9)
        for j in range(i + 1, 9)
        if persons[i] >= 0 and persons[j] >= 0 and persons[i] != persons[j]
    ]
    for block in (2, 100):
        found = verify.impostor_scores(e, persons, block)
        assert sorted(found.tolist()) == pytest.approx(sorted(oracle), abs=1e-6)


def test_impostor_scores_of_nobody() -> None:
    assert len(verify.impostor_scores(np.zeros((0, 4), np.float32), np.zeros(0, np.int64))) == 0


def test_verification_pairs_are_half_of_each_kind() -> None:
    persons = np.array([0, 0, 0, 1, 1, 2, -1, -1])
    pairs, same = verify.verification_pairs(persons, 100, seed=3)
    assert same.sum() == 50
    assert ((persons[pairs[:, 0]] == persons[pairs[:, 1]]) == same).all()
    assert (persons[pairs] >= 0).all()
    assert (pairs[same][:, 0] != pairs[same][:, 1]).all()
    again, _ = verify.verification_pairs(persons, 100, seed=3)
    assert (pairs == again).all()


@pytest.mark.parametrize("persons", [[0, 1, 2], [0, 0], [-1, -1], []])
def test_verification_pairs_need_two_kinds(persons: list[int]) -> None:
    with pytest.raises(DataError, match="at least two people"):
        verify.verification_pairs(np.array(persons, np.int64), 10, 0)

"""What networks say of pictures they have not seen, and the labels that this makes doubtful."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.errors import DataError

pytest.importorskip("tensorflow")
from edgecnn.training.folds import doubtful, folds_of, out_of_fold


def test_each_class_is_spread_over_all_folds() -> None:
    targets = np.array([0] * 7 + [1] * 4)
    folds = folds_of(targets, 3, seed=1)
    assert np.bincount(folds[targets == 0]).tolist() == [3, 2, 2]
    assert np.bincount(folds[targets == 1]).tolist() == [2, 1, 1]
    with pytest.raises(DataError, match=r"5 pictures of each class at least.*has 4"):
        folds_of(targets, 5, seed=1)


def test_doubt_needs_another_class_as_sure_as_is_usual_there() -> None:
    targets = np.array([0, 0, 0, 1, 1, 1])
    said = np.array(
        [
            [0.9, 0.1],
            [0.8, 0.2],
            [0.05, 0.95],  # the third looks like class 1
            [0.1, 0.9],
            [0.3, 0.7],
            [0.55, 0.45],
        ]
    )  # the last is unsure: 0.55 < 0.58
    # Usual: class 0 (0.9 + 0.8 + 0.05) / 3 = 0.58, class 1 (0.9 + 0.7 + 0.45) / 3 = 0.68.
    assert doubtful(said.astype(np.float32), targets).tolist() == [2]
    assert doubtful(said[[0, 1, 3]].astype(np.float32), targets[[0, 1, 3]]).tolist() == []


def test_pictures_of_which_no_class_is_sure_are_wrong_as_often_as_the_others() -> None:
    # Sure: five as labelled, one of another class. Six more are not sure, two of them wrong.
    sure, wrong = [[0.9, 0.1]] * 5, [[0.04, 0.96]]
    unsure = [[0.6, 0.4]] * 4 + [[0.3, 0.7], [0.4, 0.6]]
    said = np.array([*sure, *wrong, *unsure, *[[0.05, 0.95]] * 4], np.float32)
    targets = np.array([0] * 12 + [1] * 4)
    # Class 0: the mean is 0.63, class 1: 0.95; a sixth of class 0, of its twelve two, are wrong.
    assert doubtful(said, targets).tolist() == [5, 10]


@pytest.mark.slow
def test_swapped_labels_of_digits_are_found() -> None:
    """Recall and precision of at least 80 %, of 5 % swapped."""
    from sklearn.datasets import load_digits

    from edgecnn import training

    training.start_keras()
    digits = load_digits()
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    targets = digits.target.astype(np.int64)
    rng = np.random.default_rng(3)
    swapped = rng.choice(len(targets), round(0.05 * len(targets)), replace=False)
    given = targets.copy()
    given[swapped] = (given[swapped] + rng.integers(1, 10, len(swapped))) % 10
    steps: list[tuple[int, int]] = []
    said = out_of_fold(pixels, given, 10, progress=lambda done, of: steps.append((done, of)))
    assert steps[-1][0] == steps[-1][1] == len(steps)
    found = doubtful(said, given)
    hits = len({*found.tolist()} & {*swapped.tolist()})
    print(f"{hits} of {len(swapped)} swapped labels found, {len(found) - hits} others")
    assert hits >= 0.8 * len(swapped) and hits >= 0.8 * len(found)


def test_shuffled_labels_give_chance() -> None:
    """Nothing of a picture's own label reaches the network that is asked of it."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (90, 8, 8, 1), np.uint8)
    targets = rng.permutation(np.arange(90) % 3)
    said = out_of_fold(pixels, targets, 3, folds=3, epochs=3)
    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-5)
    right = np.mean(said.argmax(axis=1) == targets)
    assert right < 0.55, "chance is 0.33, and four standard deviations above it 0.53"

"""Classes and people take turns in a sample."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from edgecnn.data.balance import in_turns


def members(count: int | None, seed: int = 0) -> np.ndarray:
    return in_turns(np.repeat([0, 1, 2, -1], [100, 10, 2, 5]), count, seed)


def test_each_group_comes_as_often_as_it_lasts() -> None:
    groups = np.repeat([0, 1, 2], [100, 10, 2])
    chosen = in_turns(groups, 12, seed=3)
    assert Counter(groups[chosen].tolist()) == {0: 5, 1: 5, 2: 2}
    assert len(set(chosen.tolist())) == 12


def test_whoever_is_unknown_is_a_group_of_one() -> None:
    chosen = members(8)
    assert np.sum(chosen >= 112) == 5  # all five, before anybody has a second turn
    assert len(members(8)) == 8 and len(members(None)) == 117


def test_shuffled_and_seeded() -> None:
    assert members(50).tolist() == members(50).tolist() != members(50, seed=1).tolist()
    assert members(None).tolist() != sorted(members(None).tolist()) == list(range(117))


@pytest.mark.parametrize("count", [0, 3, None])
def test_nothing_to_choose_from(count: int | None) -> None:
    assert in_turns(np.zeros(0, np.int64), count, 0).tolist() == []
    assert in_turns(np.zeros(2, np.int64), 0, 0).tolist() == []

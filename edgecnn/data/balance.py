"""A sample of a set in which every class, or person, comes as often as it lasts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def in_turns(groups: Ints, count: int | None, seed: int) -> Ints:
    """Indices of ``count`` members, shuffled; the groups take turns until they run out.

    Args:
        groups: ``(N,)`` the group of each; a negative number is a group of one.
        count: at most so many; None for all.

    >>> sorted(in_turns(np.array([0, 0, 0, 0, 1, 2]), 3, seed=0).tolist())[1:]
    [4, 5]
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(groups))
    # How many of its group stand before each member; sorted by that, the groups take turns.
    mine = groups[order]
    by_group = np.argsort(mine, kind="stable")
    starts = np.concatenate([[True], np.diff(mine[by_group]) != 0]) if len(mine) else mine > 0
    first = np.maximum.accumulate(np.where(starts, np.arange(len(mine)), 0))
    turn = np.zeros(len(mine), np.int64)
    turn[by_group] = np.arange(len(mine)) - first
    turn[mine < 0] = 0
    chosen = order[np.argsort(turn, kind="stable")][:count]
    return np.asarray(rng.permutation(chosen), np.int64)

"""When a face is embedded: the rules one by one."""

import numpy as np
import pytest

from edgecnn.faces.look import BETTER, LOOKS, REFRESH_S, STALE_S, is_due, is_stale
from edgecnn.faces.track import Track


def seen(**changes):
    """A track that was decided on, and looked at a moment ago, with a promise of 0.5."""
    facts = {"looks": 3, "looked_s": 10.0, "best_promise": 0.5, "steady": True, **changes}
    return Track(1, np.zeros(4, np.float32), 10.0, **facts)


NOW = 10.1


def test_a_face_that_was_decided_on_is_left_alone():
    assert not is_due(seen(), True, 0.5, NOW)


@pytest.mark.parametrize(
    ("changes", "decided", "promise", "time_s"),
    [
        ({"looks": 0, "looked_s": None}, False, 0.5, NOW),
        ({}, False, 0.5, NOW),
        ({"doubts": 1}, True, 0.5, NOW),
        ({"steady": False}, True, 0.5, NOW),
        ({}, True, 0.5 * BETTER + 0.01, NOW),
        ({}, True, 0.5, 10 + REFRESH_S),
        ({"looks": LOOKS}, False, 0.5, 10 + REFRESH_S),
    ],
    ids=["new", "undecided", "doubt", "jumped", "better", "late", "undecided and late"],
)
def test_a_look_is_due(changes, decided, promise, time_s):
    assert is_due(seen(**changes), decided, promise, time_s)


def test_after_many_looks_undecided_faces_are_looked_at_as_rarely_as_others():
    assert not is_due(seen(looks=LOOKS), False, 0.5, NOW)


@pytest.mark.parametrize("seed", range(50))
def test_nobody_goes_unseen_for_long(seed):
    rng = np.random.default_rng(seed)
    track = seen(
        looks=int(rng.integers(1, 99)),
        doubts=int(rng.integers(0, 2)),
        steady=bool(rng.integers(2)),
        best_promise=float(rng.random()),
    )
    decided, promise = bool(rng.integers(2)), float(rng.random())
    assert is_due(track, decided, promise, 10 + REFRESH_S + float(rng.exponential()))


def test_a_name_without_a_look_grows_stale():
    assert is_stale(seen(looked_s=None), NOW)
    assert not is_stale(seen(), 10 + STALE_S) and is_stale(seen(), 10.01 + STALE_S)
    assert REFRESH_S < STALE_S

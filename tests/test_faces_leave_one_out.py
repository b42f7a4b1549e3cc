"""Leave-one-out: by hand, without near copies, and with a fit that never sees what is judged."""

import numpy as np
import pytest

from edgecnn.faces.adapt import Adaptation
from edgecnn.faces.embed import unit as scaled
from edgecnn.faces.leave_one_out import (
    FOLDS,
    gain_without,
    index_of,
    leave_one_out,
    recognised,
    weak,
)
from edgecnn.faces.types import Sample


def unit(*values):
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


def test_by_hand():
    samples = [
        Sample("Ann", unit(1, 0, 0)),
        Sample("Ann", unit(1, 1, 0)),
        Sample("Ann", unit(0, 1, 0.1)),
        Sample("Bob", unit(0, 0, 1)),
        Sample("Cid", unit(0, 0.2, 1)),
    ]
    checks = leave_one_out(samples, 0.5)
    # Ann's first against the mean of (1,1,0)/√2 and (0,1,0.1): (0.7071, 1.7021, 0.0995) / 1.8459.
    assert checks[0].own == pytest.approx(0.383, abs=1e-3)
    assert checks[0].other == pytest.approx(0, abs=1e-6)
    assert [c.answer for c in checks] == ["unknown", "right", "unknown", "wrong", "wrong"]
    assert (checks[3].own, checks[3].nearest) == (None, "Cid")
    assert recognised(checks) == {"right": 1, "wrong": 2, "unknown": 2, "alone": 0}
    assert leave_one_out(samples[:1], 0.5)[0].answer == "alone"
    assert leave_one_out([], 0.5) == []


def test_a_near_copy_does_not_vouch():
    a, copy = unit(1, 0, 0), unit(1, 0.1, 0)
    checks = leave_one_out([Sample("Ann", a), Sample("Ann", copy)], 0.5)
    assert [(c.answer, c.own) for c in checks] == [("alone", None)] * 2
    third = Sample("Ann", unit(0.5, 1, 0))
    checks = leave_one_out([Sample("Ann", a), Sample("Ann", copy), third], 0.2)
    # The first is compared with the third alone: cos = 0.5 / 1.118.
    assert checks[0].own == pytest.approx(0.4472, abs=1e-4)


def people(count=4, photos=5, seed=0, spread=1.0):
    rng = np.random.default_rng(seed)
    found = []
    for p in range(count):
        points = scaled(
            scaled(rng.normal(size=64)) + spread * scaled(rng.normal(size=(photos, 64)))
        )
        found += [Sample(f"P{p}", e, source=f"P{p}/{i}") for i, e in enumerate(points)]
    return found


@pytest.mark.parametrize("photos", [5, 12])
def test_a_fit_never_sees_the_photo_that_is_judged(photos):
    samples = people(photos=photos)
    given = []

    def fit(rest):
        given.append({s.source for s in rest})
        return Adaptation(np.eye(64, dtype=np.float32))

    checks = leave_one_out(samples, 0.3, fit)
    assert len(given) == min(FOLDS, len(samples))
    everything = {s.source for s in samples}
    left_out = [everything - g for g in given]
    assert all(left_out) and sorted(s for fold in left_out for s in fold) == sorted(everything)
    # The identity finds what no fit at all finds.
    assert [c.answer for c in checks] == [c.answer for c in leave_one_out(samples, 0.3)]
    # Nobody loses many photos to one fold: they are spread.
    assert (
        max(sum(s.startswith("P0") for s in fold) for fold in left_out) <= -(-photos // FOLDS) + 1
    )


def test_a_fit_that_would_remember_its_photos_gains_nothing():
    """A map that makes the photos it saw alike is of no use to the one that it did not see."""
    samples = people(spread=2.5)

    def remember(rest):
        centres = index_of(rest).centres
        return Adaptation(np.asarray(centres.T @ centres + 1e-3 * np.eye(64), np.float32))

    nested = recognised(leave_one_out(samples, 0.6, remember))["right"]
    seen = remember(samples)
    cheating = recognised(leave_one_out(samples, 0.6, lambda rest: seen))["right"]
    assert nested < cheating


def test_the_index_has_what_is_worth_keeping():
    a, copy, b = unit(1, 0, 0), unit(1, 0.1, 0), unit(0, 1, 0)
    index = index_of([Sample("Ann", a), Sample("Ann", copy), Sample("Bob", b)])
    np.testing.assert_allclose(index.centres, [a, b], atol=1e-6)
    assert len(index_of([])) == 0


def test_the_photo_of_somebody_else_is_what_hurts():
    samples = people(count=1, photos=6, spread=0.8)
    stranger = Sample("P0", people(count=1, photos=1, seed=9)[0].embedding, source="stranger")
    gains = gain_without([*samples, stranger])
    assert max(gains, key=lambda s: gains[s]) == "stranger" and gains["stranger"] > 0.01
    assert gain_without(samples[:3]) == {}


def test_a_gain_by_hand():
    samples = [Sample("Ann", unit(*v), source=str(i)) for i, v in enumerate(
        [(1, 0, 0), (1, 0, 0), (1, 0, 0), (0, 1, 0)])]  # fmt: skip
    gains = gain_without(samples)
    # Without the last, each other has cosine 1 to the two left; with it, 2 / √5.
    assert gains["3"] == pytest.approx(1 - 2 / 5**0.5, abs=1e-6)


def test_who_is_weak():
    checks = leave_one_out(people(spread=0.7), 0.3)
    assert weak(checks) == {}
    assert weak(checks[:2]) == {"P0": "2 of 2 photos recognised by the others"}
    assert list(weak(leave_one_out(people(), 0.99))) == ["P0", "P1", "P2", "P3"]
    assert weak([]) == {}

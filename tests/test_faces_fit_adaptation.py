"""A last layer fitted to a gallery: better where something can be gained, dropped elsewhere."""

import numpy as np
import pytest

from edgecnn.errors import DataError
from edgecnn.faces.cohort import Cohort
from edgecnn.faces.embed import unit
from edgecnn.faces.fit_adaptation import RATE, consider, fit
from edgecnn.faces.leave_one_out import index_of, recognised
from edgecnn.faces.types import Sample

SIDE = 32


def crowd(rng, count, loud):
    """Faces that differ in all directions, in the first ``SIDE // 4`` much more: useless ones."""
    points = rng.normal(size=(count, SIDE))
    points[:, : SIDE // 4] *= loud
    return points


def cohort(rng, loud=4.0, count=800):
    faces = unit(crowd(rng, count, loud))
    return Cohort(faces, np.arange(count), np.full(count, ""), "ab" * 32)


def people(rng, loud=4.0, count=4, photos=6):
    """Somebody is their quiet directions; in the loud ones each photo is as it happens."""
    found = []
    for p in range(count):
        who = crowd(rng, 1, loud)[0]
        for i in range(photos):
            photo = who + 0.7 * rng.normal(size=SIDE)
            photo[: SIDE // 4] = crowd(rng, 1, loud)[0][: SIDE // 4]
            found.append(Sample(f"P{p}", unit(photo), source=f"P{p}/{i}"))
    return found


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def rate(index, threshold, strangers):
    return float(np.mean(index.scores(strangers).max(axis=1) >= threshold))


def test_useless_directions_are_turned_down_at_the_same_rate_of_strangers(rng):
    samples, impostors = people(rng), cohort(rng)
    plain = index_of(samples)
    threshold = float(np.quantile(plain.scores(impostors.embeddings).max(axis=1), 1 - RATE))
    trial = consider(samples, impostors, threshold)
    before, after = recognised(trial.before), recognised(trial.after)
    assert trial.adaptation is not None and trial.why.startswith("kept: ")
    assert after["right"] >= before["right"] + 3
    assert trial.adaptation.facts["leave_one_out_after"] == dict(after)
    assert f"{before['right']} → {after['right']} of 24 photos" in trial.why
    # Strangers that neither the map nor its shift was made with.
    fresh = unit(crowd(rng, 4000, 4.0))
    adapted = index_of(samples, trial.adaptation)
    assert rate(adapted, threshold, fresh) <= 2 * rate(plain, threshold, fresh) + 0.005
    matrix = trial.adaptation.matrix
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-5)
    loud, quiet = np.diag(matrix)[: SIDE // 4].mean(), np.diag(matrix)[SIDE // 4 :].mean()
    assert loud < 0.8 * quiet


def test_where_all_are_recognised_nothing_is_kept(rng):
    samples = people(rng, loud=0.1)
    trial = consider(samples, cohort(rng, loud=0.1), 0.2)
    assert recognised(trial.before)["right"] == len(samples)
    assert trial.adaptation is None and trial.why.startswith("not kept, since it does not improve")


def test_no_shares_are_the_identity(rng):
    adaptation = fit(people(rng), cohort(rng), within=0.0, among=0.0)
    np.testing.assert_allclose(adaptation.matrix, np.eye(SIDE), atol=1e-5)
    assert adaptation.shift == pytest.approx(0, abs=1e-6)


def test_people_with_a_photo_each_are_fitted_against_the_cohort_alone(rng):
    singles = people(rng, photos=1)
    adaptation = fit(singles, cohort(rng))
    assert np.isfinite(adaptation.matrix).all()
    assert np.diag(adaptation.matrix)[0] < np.diag(adaptation.matrix)[-1]


@pytest.mark.parametrize(("count", "photos"), [(1, 6), (4, 1)])
def test_too_few_to_adapt_to(rng, count, photos):
    with pytest.raises(DataError, match="leave out --adapt"):
        consider(people(rng, count=count, photos=photos), cohort(rng), 0.5)


def test_too_small_a_cohort(rng):
    with pytest.raises(DataError, match="at least 100 impostors"):
        consider(people(rng), cohort(rng, count=150), 0.5)

"""Score distributions: formulas by hand, inverses, and what a cohort and a gallery make of them."""

import numpy as np
import pytest

from edgecnn.faces.adapt import Adaptation
from edgecnn.faces.cohort import Cohort
from edgecnn.faces.embed import unit
from edgecnn.faces.likelihood import Likelihood
from edgecnn.faces.match import Index


def likelihood(own=(0.5, 0.1), strangers=(0.0, 0.1), people=1):
    return Likelihood(*(np.full(people, x) for x in (*own, *strangers)))


def drawn(seed, people=5):
    """Any distributions, wider and narrower ones among them."""
    rng = np.random.default_rng(seed)
    strangers = rng.uniform(-0.05, 0.1, people)
    spreads = rng.uniform(0.05, 0.25, (2, people))
    return Likelihood(strangers + rng.uniform(0.1, 0.7, people), spreads[0], strangers, spreads[1])


@pytest.mark.parametrize(
    ("score", "length", "expected"),
    # (s² - (s - 0.5 / length)²) / (2 · 0.01): 50 (s - 0.25) at length 1; at 0.8 own is 0.625
    [(0.25, 1, 0.0), (0.5, 1, 12.5), (0.0, 1, -12.5), (0.5, 0.8, (0.25 - 0.125**2) / 0.02)],
)
def test_ratio_by_hand(score, length, expected):
    assert likelihood().ratios([score], length) == pytest.approx([expected])


def test_different_spreads_by_hand():
    # 0.3² / (2 · 0.01) - 0.2² / (2 · 0.04) + log(0.1 / 0.2)
    wide = likelihood(own=(0.5, 0.2))
    assert wide.ratios([0.3]) == pytest.approx([4.5 - 0.5 - np.log(2)])


@pytest.mark.parametrize("seed", range(10))
def test_of_equal_spreads_it_is_the_sum_of_all_looks_over_the_design_effect(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 9))
    looks = unit(rng.normal(size=8) + rng.normal(0, 0.7, (count, 8)))
    person = unit(rng.normal(size=8))
    each = [likelihood().ratios([look @ person])[0] for look in looks]
    cosines = (looks @ looks.T)[np.triu_indices(count, 1)]
    mean = looks.mean(axis=0)
    found = likelihood().ratios([unit(mean) @ person], float(np.linalg.norm(mean)))
    if 0.5 / np.linalg.norm(mean) < 1:
        assert found == pytest.approx([np.sum(each) / (1 + (count - 1) * cosines.mean())], rel=1e-4)


def test_copies_add_nothing():
    assert likelihood().ratios([0.3], 1.0) == pytest.approx(likelihood().ratios([0.3]))


@pytest.mark.parametrize("seed", range(20))
def test_a_higher_score_never_speaks_against_a_person(seed):
    some, at = drawn(seed), np.linspace(-3, 3, 301)
    ratios = np.array([some.ratios(np.full(5, s), k) for s in at for k in (0.5, 0.8, 1)])
    assert (np.diff(ratios.reshape(301, 3, 5), axis=0) >= -1e-9).all()


@pytest.mark.parametrize("seed", range(20))
def test_scores_at_is_the_inverse(seed):
    some = drawn(seed)
    for ratio in (0.0, 1.0, 4.0, 9.0):
        scores = some.scores_at(ratio)
        reached = np.isfinite(scores)
        found = some.ratios(np.where(reached, scores, 0))
        assert found[reached] == pytest.approx(np.full(reached.sum(), ratio), abs=1e-6)
        # Where no score has it, the highest ratio there is lies below.
        assert (some.ratios(np.full(5, 50.0))[~reached] < ratio).all()


def test_scores_at_of_all_but_equal_spreads():
    nearly = likelihood(own=(0.5, 0.1 + 1e-12))
    assert nearly.scores_at(5.0) == pytest.approx(likelihood().scores_at(5.0)) == [0.35]


def test_strangers_who_reach_a_ratio():
    # A ratio of 5 is a score of 0.35, 3.5 spreads; of the normal distribution 2.326e-4 are above.
    assert likelihood(people=2).strangers_at(5.0) == pytest.approx([2.326e-4] * 2, rel=1e-3)


def people(seed, spread, persons=150, faces=2, groups=("a",), size=64):
    """Random people, and faces about them: ``unit(person + spread · noise)``."""
    rng = np.random.default_rng(seed)
    centres = unit(rng.normal(size=(persons, size)))
    noise = unit(rng.normal(size=(persons * faces, size)))
    rows = np.repeat(np.arange(persons), faces)
    kinds = np.array([groups[p % len(groups)] for p in rows])
    return Cohort(unit(centres[rows] + spread * noise), rows, kinds, "sha"), centres


def test_strangers_and_own_scores_from_a_cohort():
    cohort, _ = people(0, 1.0)
    _, (ann, bob) = people(1, 1.0, persons=2)
    found = Likelihood.from_cohort(Index(["Ann", "Bob"], np.stack([ann, bob])), cohort)
    assert found is not None and found.floor == 0
    assert found.stranger_mean == pytest.approx([0, 0], abs=0.05)
    assert (found.stranger_spread >= 1 / np.sqrt(64) * 0.9).all()  # random directions
    assert (found.stranger_spread < 1 / np.sqrt(64) * 1.5).all()
    # cos(unit(c + n), unit(c + m)) is about 1 / (1 + 1)
    assert found.own_mean == pytest.approx([0.5, 0.5], abs=0.05)


def test_different_photos_raise_what_is_expected_and_copies_do_not():
    cohort, _ = people(0, 1.0)
    shown, _ = people(2, 1.0, persons=1, faces=4)
    names = ["once"] + ["copies"] * 4 + ["several"] * 4
    rows = [shown.embeddings[:1], *[shown.embeddings[:1]] * 4, shown.embeddings]
    found = Likelihood.from_cohort(Index(names, np.concatenate(rows)), cohort)
    assert found is not None
    mean = dict(zip(["copies", "once", "several"], found.own_mean, strict=True))
    assert mean["copies"] == pytest.approx(mean["once"], abs=1e-3)
    # 0.5 over the length of the mean of four: sqrt((1 + 3 · 0.5) / 4) = 0.79
    assert mean["several"] == pytest.approx(mean["once"] / 0.79, rel=0.1)


def test_somebody_whose_photos_are_unlike_is_expected_to_be():
    cohort, _ = people(0, 0.5)
    varied, _ = people(2, 2.0, persons=1, faces=4)
    plain, _ = people(3, 0.5, persons=1, faces=4)
    names = ["plain"] * 4 + ["varied"] * 4
    index = Index(names, np.concatenate([plain.embeddings, varied.embeddings]))
    found = Likelihood.from_cohort(index, cohort)
    assert found is not None and found.own_mean[1] < found.own_mean[0] - 0.2
    assert (found.own_mean >= found.stranger_mean + found.stranger_spread).all()


def test_the_nearest_kind_of_strangers_counts():
    cohort, _ = people(0, 1.0, persons=300, groups=("far", "near"))
    towards = unit(np.random.default_rng(5).normal(size=64))
    faces = cohort.embeddings + 0.4 * (cohort.groups == "near")[:, None] * towards
    mixed = Cohort(unit(faces), cohort.persons, cohort.groups, "sha")
    found = Likelihood.from_cohort(Index(["Ann"], towards[None]), mixed)
    assert found is not None
    assert found.stranger_mean[0] > 0.25  # 0.4 / sqrt(1 + 0.16); of everybody it would be half


def test_an_adaptation_shifts_everything_alike():
    cohort, _ = people(0, 1.0)
    ann = cohort.embeddings[:1]
    same = np.eye(64, dtype=np.float32)
    plain = Likelihood.from_cohort(Index(["Ann"], ann), cohort)
    adapted = Likelihood.from_cohort(
        Index(["Ann"], ann, adaptation=Adaptation(same, shift=0.1)), cohort
    )
    assert plain is not None and adapted is not None
    assert adapted.own_mean == pytest.approx(plain.own_mean - 0.1, abs=1e-5)
    given = np.array([0.4])
    for length in (1.0, 0.7):
        shifted = adapted.ratios(given - 0.1, length)
        assert shifted == pytest.approx(plain.ratios(given, length), rel=1e-4)
    assert adapted.stranger_mean == pytest.approx(plain.stranger_mean - 0.1, abs=1e-5)


@pytest.mark.parametrize(
    "cohort",
    [people(0, 1.0, faces=1)[0], people(0, 1.0, persons=20)[0]],
    ids=["nobody twice", "too few"],
)
def test_a_cohort_that_says_too_little(cohort):
    assert Likelihood.from_cohort(Index(["Ann"], np.eye(64)[:1]), cohort) is None


def test_nobody_enrolled():
    cohort, _ = people(0, 1.0)
    nobody = Likelihood.from_cohort(Index([], np.zeros((0, 64))), cohort)
    assert nobody is not None and len(nobody) == 0 and nobody.ratios(np.zeros(0)).shape == (0,)
    assert len(Likelihood.from_threshold(0, 0.5)) == 0


def test_without_a_cohort_the_threshold_stands_in():
    found = Likelihood.from_threshold(3, 0.5, 1e-4)
    # 3.719 spreads to the threshold; at it the ratio is half of that squared
    assert found.stranger_spread == pytest.approx([0.5 / 3.719] * 3, rel=1e-3)
    assert found.ratios(np.full(3, 0.5)) == pytest.approx([found.floor] * 3)
    assert found.floor == pytest.approx(6.916, rel=1e-3)
    assert Likelihood.from_threshold(1, 0.5, 0.0).floor > 0  # a rate that nobody measured

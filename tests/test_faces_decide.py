"""The sequential test of a track, by hand and on drawn visits; and matching, which feeds it."""

from dataclasses import replace

import face_doubles as fake
import numpy as np
import pytest

from edgecnn.faces.decide import Bounds, Evidence, Rates
from edgecnn.faces.embed import unit as of_length_1
from edgecnn.faces.likelihood import Likelihood
from edgecnn.faces.match import Index


def likelihood(people, own=(0.5, 0.1), strangers=(0.0, 0.1)):
    return Likelihood(*(np.full(people, x) for x in (*own, *strangers)))


def look(scores, turn=0.0):
    """A face with these cosines to people who stand on the first axes; faces with another turn,
    in radians, are another picture."""
    scores = np.array(scores, np.float32)
    rest = np.sqrt(1 - np.square(scores).sum())
    return np.array([*scores, rest * np.cos(turn), rest * np.sin(turn)], np.float32)


def watch(looks, some, rates=None, quality=1.0):
    """What is known in the end, and the names (as numbers) after each look."""
    bounds, evidence, named = Bounds.of(some, rates or Rates()), Evidence(), []
    for embedding in looks:
        evidence.add(embedding, quality)
        evidence.judge(evidence.mean[: len(some)], some, bounds)
        named.append(evidence.named)
    return evidence, named


def run(*scores, **options):
    some = options.pop("some", None) or likelihood(len(scores[0]))
    return watch([look(s) for s in scores], some, **options)


def turn_for(cosine, score):
    """The turn between two looks with one score that have this cosine."""
    return float(np.arccos((cosine - score**2) / (1 - score**2)))


@pytest.mark.parametrize(
    ("cosine", "length", "score", "ratio", "named"),
    [(0.9, 0.975, 0.328, 3.68, None), (0.5, 0.866, 0.369, 4.66, 0), (1.0, 1.0, 0.32, 3.5, None)],
)
def test_the_worked_example_of_the_module(cosine, length, score, ratio, named):
    assert Bounds.of(likelihood(1), Rates()).name == pytest.approx(3.95, abs=0.01)
    assert run([0.32])[0].ratios == pytest.approx([3.5], abs=1e-4)
    looks = [look([0.32]), look([0.32], turn_for(cosine, 0.32))]
    evidence, names = watch(looks, likelihood(1))
    assert evidence.length == pytest.approx(length, abs=1e-3)
    assert evidence.mean[0] == pytest.approx(score, abs=1e-3)
    assert evidence.ratios == pytest.approx([ratio], abs=0.02)
    assert names == [None, named]


def test_outcomes():
    assert run([0.33])[0].named == 0
    undecided, unknown = run([0.30])[0], run([0.1])[0]
    assert (undecided.named, undecided.unknown, undecided.decided) == (None, False, False)
    assert (unknown.named, unknown.unknown, unknown.decided) == (None, True, True)


def test_a_person_is_unknown_only_where_nobody_is_likely():
    assert run([0.1, 0.1])[0].unknown and not run([0.1, 0.3])[0].unknown


def test_with_nobody_enrolled_everybody_is_unknown():
    evidence, named = run([], [], some=likelihood(0))
    assert named == [None, None] and evidence.unknown and evidence.decided


def test_two_people_who_look_alike_are_neither():
    assert set(run(*[[0.60, 0.58], [0.58, 0.60]] * 15)[1]) == {None}
    # 50 times the difference is the lead: 20 times as likely is 3.0.
    assert run([0.60, 0.542])[1] == [None] and run([0.60, 0.538])[1] == [0]


def test_a_name_is_taken_back():
    named = run(*[[0.6]] * 5, *[[0.0]] * 12)[1]
    assert named[:5] == [0] * 5 and named[-1] is None


def test_another_person_takes_over_only_with_a_lead():
    named = run(*[[0.6, 0.0]] * 5, *[[0.0, 0.6]] * 20)[1]
    assert named[4] == 0 and named[5] != 1 and named[-1] == 1
    assert named == [0] * named.count(0) + [None] * named.count(None) + [1] * named.count(1)


def test_a_picture_says_nothing_more_however_long_one_looks():
    assert run(*[[0.32]] * 100)[0].ratios == pytest.approx(run([0.32])[0].ratios, abs=1e-3)


def test_a_bad_picture_may_name_and_does_not_rule_out():
    assert run([0.34], quality=0.2)[1] == [0]
    evidence = run([0.0], quality=0.2)[0]
    assert not evidence.decided and run([0.0], [0.0], [0.0], quality=0.2)[0].unknown


def test_a_bad_picture_weighs_little_beside_a_good_one():
    evidence = Evidence()
    evidence.add(look([0.6]))
    evidence.add(look([0.0], 1.0), 0.1)
    assert evidence.mean[0] > 0.55


def test_rates_of_a_bundle(tmp_path, monkeypatch):
    bundle = fake.bundle(tmp_path / "bundle", monkeypatch)
    assert Rates.for_bundle(bundle) == Rates()
    assert Rates.for_bundle(bundle, 1 / 50, 0.2) == Rates(1 / 50, 0.2)
    point = replace(bundle.manifest.operating_point, strangers=1 / 500)
    bundle.manifest = replace(bundle.manifest, operating_point=point)
    assert Rates.for_bundle(bundle).strangers == 1 / 500
    assert Rates.for_bundle(bundle, 1 / 50).strangers == 1 / 50


def test_bounds_follow_the_rates_and_the_number_of_people():
    name = [Bounds.of(likelihood(p), Rates(strangers=s)).name
            for p, s in ((1, 1e-2), (1, 1e-3), (10, 1e-3), (100, 1e-3), (100, 1e-5))]  # fmt: skip
    assert name == sorted(name) and len(set(name)) == 5
    # Ten people at 1 in 1,000 need what one needs at 1 in 10,000.
    same = Bounds.of(likelihood(1), Rates(strangers=1e-4)).name
    assert name[2] == pytest.approx(same, abs=1e-6)
    unknown = [Bounds.of(likelihood(1, own=(0.4, 0.2)), Rates(missed=m)).unknown[0]
               for m in (0.2, 0.05, 0.001)]  # fmt: skip
    assert unknown == sorted(unknown, reverse=True) and unknown[0] <= 0


def test_without_a_cohort_nobody_is_named_below_the_threshold_at_a_look():
    generous = Rates(strangers=0.5)
    some = Likelihood.from_threshold(1, 0.5, 1e-4)
    assert run([0.499], some=some, rates=generous)[1] == [None]
    assert run([0.501], some=some, rates=generous)[1] == [0]


LOOKS, SIZE = 16, 64


def visits(rng, count, likeness):
    """Looks ``(count, LOOKS, SIZE)`` of visitors whose faces are like the first person by so much,
    and else point anywhere; looks of a visit have a cosine of about 0.8."""
    faces = of_length_1(rng.normal(size=(count, SIZE)))
    faces[:, 0] = likeness
    rest = np.linalg.norm(faces[:, 1:], axis=1)
    faces[:, 1:] *= (np.sqrt(1 - np.square(likeness)) / rest)[:, None]
    noise = of_length_1(rng.normal(size=(count, LOOKS, SIZE)))
    return of_length_1(faces[:, None] + 0.5 * noise)


SOME = {"own": (0.4, 0.16), "strangers": (0.0, 1 / np.sqrt(SIZE))}


@pytest.mark.parametrize(("people", "rate"), [(1, 0.05), (4, 0.05), (4, 0.02)])
def test_strangers_are_named_as_often_as_was_asked(people, rate):
    rng = np.random.default_rng(people)
    some, rates = likelihood(people, **SOME), Rates(strangers=rate)
    strangers = visits(rng, 700, rng.normal(0, 1 / np.sqrt(SIZE), 700))
    named = [any(n is not None for n in watch(v, some, rates)[1]) for v in strangers]
    # Three standard errors above, and not so careful that nobody would be named.
    assert rate / 4 < np.mean(named) < rate + 3 * np.sqrt(rate / 700)


def test_the_enrolled_are_missed_at_most_as_often_as_was_asked():
    rng = np.random.default_rng(0)
    some, rates = likelihood(2, **SOME), Rates(missed=0.2)
    likeness = np.clip(rng.normal(0.4, 0.16, 800), -0.2, 0.9)
    ends = [watch(v, some, rates)[0] for v in visits(rng, 800, likeness)]
    assert np.mean([e.unknown for e in ends]) < 0.2 + 3 * np.sqrt(0.2 / 800)
    assert np.mean([e.named == 0 for e in ends]) > 0.4
    assert np.mean([e.named == 1 for e in ends]) < 0.01


@pytest.mark.parametrize("seed", range(10))
def test_who_is_named_leads_and_who_is_unknown_is_nobody(seed):
    rng = np.random.default_rng(seed)
    some = likelihood(3, own=(0.45, 0.15))
    bounds, evidence = Bounds.of(some, Rates()), Evidence()
    for scores in np.clip(rng.normal(0.15, 0.2, (60, 3)), -0.5, 0.5):
        evidence.add(look(scores, rng.normal()), float(rng.uniform(0.1, 1)))
        evidence.judge(evidence.mean[:3], some, bounds)
        assert 0 < evidence.length <= 1
        if evidence.named is not None:
            assert evidence.lead(evidence.named) > 0 and not evidence.unknown
        if evidence.unknown:
            assert (evidence.ratios <= bounds.unknown).all()


def unit(*values):
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


def test_a_person_is_the_mean_of_their_embeddings():
    index = Index(["Bob", "Ann", "Bob"], np.array([unit(1, 0), unit(0, -1), unit(0, 1)]))
    assert index.people == ["Ann", "Bob"] and len(index) == 2
    assert index.scores(unit(1, 1)).tolist() == pytest.approx([-(0.5**0.5), 1.0], abs=1e-6)
    assert index.best(unit(1, 1)) == ("Bob", pytest.approx(1.0))


def test_equally_near_people_give_the_first_by_name():
    assert Index(["b", "a"], np.array([unit(1, 1), unit(1, -1)])).best(unit(1, 0))[0] == "a"


def test_an_empty_gallery_knows_nobody():
    nobody = Index([], np.zeros((0, 2)))
    assert nobody.best(unit(1, 0)) == (None, None) and nobody.scores(unit(1, 0)).shape == (0,)

"""Rules against each other on visits of random people, and the figures by hand."""

from dataclasses import replace

import numpy as np
import pytest
from test_faces_likelihood import people as cohort_of

from edgecnn.faces.decide import Rates
from edgecnn.faces.embed import unit
from edgecnn.training import visits as rules
from edgecnn.training.visits import Setting, Visits, compare, each_frame, first_frame, majority
from edgecnn.training.visits_run import lines

SIZE = 64


def made_up(seed=0, known=8, strangers=150, frames=8, own=1.3):
    """Visits of random people; ``own``: how much the looks of a person differ."""
    rng = np.random.default_rng(seed)
    centres = unit(rng.normal(size=(known + strangers, SIZE)))
    names = [f"k{i}" for i in range(known)] + [f"s{i}" for i in range(strangers)]
    who = [*names[:known] * 4, *names[known:]]
    rows = np.array([names.index(w) for w in who])
    conditions = own * unit(rng.normal(size=(len(who), 1, SIZE)))
    noise = 0.4 * unit(rng.normal(size=(len(who), frames, SIZE)))
    gallery = {
        n: unit(centres[i] + own * unit(rng.normal(size=(3, SIZE))))
        for i, n in enumerate(names[:known])
    }
    looks = unit(centres[rows][:, None] + conditions + noise)
    near = np.array([w[0] == "k" or int(w[1:]) % 2 == 0 for w in who])
    return Visits(looks, np.ones(looks.shape[:2], np.float32), who, gallery, near)


@pytest.fixture(scope="module")
def found():
    return compare(made_up(), cohort_of(9, 1.3, persons=300)[0], Rates(strangers=0.02), 3)


def test_each_rule_keeps_about_to_the_rate_and_names_most(found):
    ours = found["rules"]["sequential"]
    assert set(found["rules"]) == set(rules.RULES)
    assert ours["strangers_named"]["share"] < 0.03
    assert ours["named_right"]["share"] > 0.5 and ours["wrong_person"]["share"] == 0
    assert ours["named_right_at_rate"]["share"] >= 0.9 * max(
        rule["named_right_at_rate"]["share"] for rule in found["rules"].values()
    )
    # Every look is a chance for a stranger, where each is for itself.
    each, first = (
        found["rules"][n]["strangers_named"]["share"] for n in ("each_frame", "first_frame")
    )
    assert each >= first
    assert found["rules"]["majority"]["frames_to_name"]["p50"] >= rules.WINDOW


def test_what_the_rule_assumes_holds_where_it_is_true(found):
    # Strangers' scores spread alike over one look and over the mean of many.
    assert found["spread"] == pytest.approx(1, abs=0.05)
    assert 1 <= found["tries"] < 3
    # cos of two looks: (1 + 1.69) / (1 + 1.69 + 0.16)
    assert found["likeness"] == pytest.approx(2.69 / 2.85, abs=0.02)


def test_shares_have_intervals(found):
    for rule in found["rules"].values():
        for key in ("strangers_named", "near_strangers_named", "named_right"):
            share = rule[key]
            assert 0 <= share["low"] <= share["share"] <= share["high"] <= 1
    assert found["rules"]["sequential"]["near_strangers_named"]["people"] == 75


def test_where_no_stranger_is_from_a_set_of_the_enrolled_all_count():
    visits = made_up(strangers=20, frames=3)
    apart = replace(visits, near=np.array([person[0] == "k" for person in visits.people]))
    rules = compare(apart, cohort_of(9, 1.3, persons=300)[0], Rates(strangers=0.02), 3)["rules"]
    for rule in rules.values():
        assert rule["near_strangers_named"] == rule["strangers_named"]
        assert 0 <= rule["named_right_at_rate"]["share"] <= 1


def test_lines_for_people(found):
    text = "\n".join(lines(found))
    assert "150 strangers" in text and all(n.replace("_", " ") in text for n in rules.RULES)


def test_an_interval_where_nothing_was_seen():
    none = rules._share(np.zeros(30, bool), np.arange(30) // 3)
    assert (none["share"], none["low"], none["people"]) == (0, 0, 10)
    assert none["high"] == pytest.approx(0.3)  # the rule of three, by people
    assert np.isnan(rules._share(np.zeros(0, bool), np.zeros(0, np.intp))["share"])


class Half:
    """A cohort whose threshold is 0.5."""

    def threshold_for(self, rate, index):
        return type("Threshold", (), {"value": 0.5})


def setting(frames):
    """One visit, from the scores of two people at each frame."""
    scores = np.array([frames], np.float32)
    return Setting(None, None, scores, np.ones(scores.shape[:2]), np.array([0]), np.array([0]))


def named(rule, frames):
    names, margins = rule(setting(frames), Half(), Rates())
    return [int(n) if m >= 0 else None for n, m in zip(names[0], margins[0], strict=True)]


A, B, NOBODY = (0.6, 0.1), (0.1, 0.7), (0.3, 0.2)


def test_simple_rules_by_hand():
    frames = [NOBODY, A, B]
    assert named(each_frame, frames) == [None, 0, 1]
    assert named(first_frame, frames) == [None] * 3
    assert named(first_frame, [A, B, B]) == [0, 0, 0]


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([A, A, A, NOBODY, NOBODY], 0),
        ([A, A, NOBODY, NOBODY, NOBODY], None),  # unknown counts
        ([A, A, B, B, B], 1),
        ([A, A, B, B, NOBODY], None),
        ([A, B, B, A, A], 0),
    ],
)
def test_majority_by_hand(frames, expected):
    assert named(majority, frames) == [None] * 4 + [expected]

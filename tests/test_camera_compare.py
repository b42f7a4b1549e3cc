"""Two models on the same faces: worked by hand."""

from __future__ import annotations

import pytest

from edgecnn.camera.compare import EXAMPLES, KINDS, Comparison, Seen, pairs, seen, verdict
from edgecnn.events.schema import Label


def at(
    left: float,
    name: str | None = None,
    track: int = 1,
    decided: bool = True,
    score: float | None = 0.5,
) -> Seen:
    """A face of 100×100 whose left edge is there."""
    return Seen((left, 0.0, left + 100, 100.0), track, name, score, decided)


A, B = at(0), at(300, track=2)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([], [], []),
        ([A], [], [(A, None)]),
        ([], [A], [(None, A)]),
        ([A], [at(33)], [(A, at(33))]),  # 67 of 133: 0.504
        ([A], [at(34)], [(A, None), (None, at(34))]),  # 66 of 134: 0.493
        ([A, B], [B, A], [(A, A), (B, B)]),
        # The nearer of two takes it; the other is nobody's.
        ([A], [at(20), at(5)], [(A, at(5)), (None, at(20))]),
        ([at(0), at(10)], [at(9)], [(at(10), at(9)), (at(0), None)]),
        # Where boxes are alike, the first goes to the first.
        ([A, at(0, track=7)], [A, at(0, track=7)], [(A, A), (at(0, track=7), at(0, track=7))]),
    ],
)
def test_who_is_whose_partner(old: list[Seen], new: list[Seen], expected: object) -> None:
    assert pairs(old, new) == expected


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        (at(0, "Ann"), at(0, "Ann"), "agree"),
        (at(0), at(0), "agree"),
        (at(0, "Ann"), at(0), "named_unknown"),
        (at(0), at(0, "Ann"), "unknown_named"),
        (at(0, "Ann"), at(0, "Bob"), "other_name"),
        (at(0, "Ann"), None, "missed_by_new"),
        (None, at(0), "missed_by_old"),
        (at(0, "Ann"), at(0, decided=False), "undecided"),
        (at(0, decided=False), at(0), "undecided"),
    ],
)
def test_the_kinds(old: Seen | None, new: Seen | None, kind: str) -> None:
    assert verdict(old, new) == kind


def test_labels_are_compared_like_faces() -> None:
    compared = Comparison()
    for old, new in (("cat", "cat"), (None, None), ("cat", "dog"), ("cat", None), (None, "dog")):
        compared.add(seen(Label(old, 0.9)), seen(Label(new, 0.8)), 0.0)
    assert (compared.frames, compared.agree, compared.disagree) == (5, 2, 3)
    assert {k: n for k, n in compared.counts.items() if k in KINDS} == {
        "other_name": 1, "named_unknown": 1, "unknown_named": 1,
    }  # fmt: skip


@pytest.mark.parametrize(("swapped", "kind"), [(False, "named_unknown"), (True, "unknown_named")])
def test_who_never_decides_is_not_right_for_ever(swapped: bool, kind: str) -> None:
    compared = Comparison()
    for k in range(11):  # 0 to 5 s; the one that never decides begins a track at every look
        sides = [at(0, "Ann")], [at(0, decided=False, track=k)]
        compared.add(*(reversed(sides) if swapped else sides), k / 2)
    assert compared.counts == {"undecided": 6, kind: 5}


def test_who_sees_a_face_seldom_is_not_to_blame() -> None:
    compared = Comparison()
    for k in range(20):
        compared.add([at(0, "Ann")], [at(0, decided=False)], 1.1 * k)
        compared.add([], [], 1.1 * k + 0.1)
    assert compared.counts == {"undecided": 20}
    compared.add([], [], 100.0)
    assert compared._waiting_s == {}, "months of tracks are not kept"


def test_both_undecided_is_no_disagreement() -> None:
    compared = Comparison()
    for k in range(20):
        compared.add([at(0, decided=False)], [at(0, decided=False)], k / 2)
    assert compared.counts == {"undecided": 20}


def test_examples_are_few_and_of_different_visits() -> None:
    compared, kept = Comparison(), []
    for visit in range(10):
        for _ in range(3):
            kept += compared.add([at(0, "Ann", visit)], [at(0, "Bob", visit)], float(visit))
    assert [e.old.track for e in kept if e.old] == list(range(EXAMPLES))
    assert compared.counts == {"other_name": 30}


def test_examples_of_labels_differ() -> None:
    compared, kept = Comparison(), []
    for k, new in enumerate(("dog", "dog", "cow", "dog", "cow")):
        kept += compared.add(seen(Label("cat", 0.9)), seen(Label(new, 0.8)), float(k))
    assert [e.new.name for e in kept if e.new] == ["dog", "cow"]


def test_an_example_names_nobody_but_classes() -> None:
    (example,) = Comparison().add([at(0, "Ann", score=0.61234)], [at(0, "Bob", score=None)], 0.0)
    facts = example.facts("faces")
    assert facts == {"kind": "other_name", "old_score": 0.6123, "new_score": None}
    (example,) = Comparison().add(seen(Label("cat", 0.9)), seen(Label(None, 0.4)), 0.0)
    assert example.facts("images") == {
        "kind": "named_unknown", "old_score": 0.9, "new_score": 0.4,
        "old_label": "cat", "new_label": None,
    }  # fmt: skip

"""Strangers and enrolled people compared: counts worked by hand, rates of known distributions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.bundle import ASSETS, Bundle
from edgecnn.data import aligned
from edgecnn.errors import DataError
from edgecnn.faces.cohort import Cohort
from edgecnn.faces.embed import unit
from edgecnn.faces.match import Index
from edgecnn.training import open_set, strangers
from edgecnn.training.strangers import Embedded


def faces(persons: list[int], rows: np.ndarray, groups: list[str] | None = None) -> Embedded:
    rows = unit(rows)
    return Embedded(rows, rows, np.array(persons), np.array(groups or [""] * len(persons)))


def crowd(people: int, each: int, seed: int = 0, spread: float = 0.5) -> Embedded:
    """People about random directions in 32 dimensions, ``each`` faces of each."""
    rng = np.random.default_rng(seed)
    middle = unit(rng.normal(size=(people, 1, 32)))
    rows = middle + spread * unit(rng.normal(size=(people, each, 32)))
    return faces(np.repeat(np.arange(people), each).tolist(), rows.reshape(-1, 32))


EYE = np.eye(4)
FOUR = faces([0, 0, 1, 1, 2], [EYE[0], EYE[0], EYE[1], EYE[1], EYE[0] + EYE[1]])
"""Two people with two faces each, who are nothing like each other, and one like both."""


def test_every_pair_is_compared_once() -> None:
    found = open_set.trials(FOUR, lambda index: 0.6, 1)
    assert (found.enrolled, found.galleries) == (1, 2)
    # Each gallery of one: the other face of its person, two of the other's, one of the third's.
    assert len(found.rows) == 8 and found.mated.sum() == 2
    assert found.own[found.mated].tolist() == pytest.approx([1, 1])
    assert found.weights[~found.mated].tolist() == pytest.approx([0.5, 0.5, 1] * 2)
    assert found.strangers == 4
    third = found.persons == 2
    assert found.other[third] == pytest.approx([0.5**0.5] * 2)
    assert sorted(found.nearest[third].tolist()) == [0, 1]


def test_what_happens_at_the_threshold() -> None:
    at = open_set.at_thresholds(open_set.trials(FOUR, lambda index: 0.6, 1))
    assert at["strangers_named"]["rate"] == pytest.approx(2 / 4)
    assert at["strangers_named"]["low"] < 0.5 < at["strangers_named"]["high"]
    assert at["enrolled_missed"] == 0 and at["enrolled_misnamed"]["rate"] == 0
    assert at["enrolled_misnamed"]["high"] > 0.3, "two trials say little"
    above = open_set.at_thresholds(open_set.trials(FOUR, lambda index: 1.01, 1))
    assert above["strangers_named"]["rate"] == 0 and above["enrolled_missed"] == 1


def test_a_face_that_is_enrolled_does_not_come_again() -> None:
    found = open_set.trials(crowd(20, 5), lambda index: 0.5, 4)
    for person in range(20):
        mated = found.rows[found.mated & (found.persons == person)]
        assert mated.tolist() == [5 * person + 3, 5 * person + 4]  # three of five are enrolled


def test_enrolled_people_may_be_taken_for_each_other() -> None:
    # Person 0's second face is person 1's; both are in one gallery of two.
    rows = [EYE[0], EYE[1], EYE[1], EYE[1], EYE[2], EYE[2], EYE[3], EYE[3]]
    found = open_set.trials(faces([0, 0, 1, 1, 2, 2, 3, 3], rows), lambda index: 0.5, 2)
    at = open_set.at_thresholds(found)
    together = found.galleries == 2 and bool(found.nearest[found.rows == 1][0] == 1)
    named = at["enrolled_misnamed"]["rate"] + at["strangers_named"]["rate"]
    assert together or named > 0
    pair = open_set.confused(found)[0]
    assert set(pair[:2]) == {0, 1} and pair[3] == pytest.approx(1) and pair[4]


@pytest.mark.parametrize(
    ("persons", "enrolled"), [([0, 1, 2], None), ([0, 0, 1], None), ([0, 0, 1, 1], 2)]
)
def test_too_few_people(persons: list[int], enrolled: int | None) -> None:
    with pytest.raises(DataError, match="people with 2 faces or more"):
        open_set.trials(faces(persons, np.ones((len(persons), 4))), lambda index: 0.5, enrolled)


def test_half_are_enrolled_unless_told_otherwise() -> None:
    found = open_set.trials(crowd(21, 2), lambda index: 0.5, None)
    assert (found.enrolled, found.galleries) == (10, 2)


def test_fnir_is_read_off_at_the_strangers_that_are_named() -> None:
    # 400 strangers with scores 0, 1/400 ... 399/400; the enrolled at 0.5, 0.985 and 0.995.
    strangers_, own = np.arange(400) / 400, np.array([0.5, 0.985, 0.995])
    found = open_set.Trials(
        1, 1,
        np.arange(403), np.arange(403), np.arange(403) >= 400,
        np.concatenate([np.full(400, -1.0), own]).astype(np.float32),
        np.concatenate([strangers_, np.full(3, -1.0)]).astype(np.float32),
        np.zeros(403, np.int64), np.full(403, 0.9, np.float32), np.ones(403),
    )  # fmt: skip
    at = open_set.fnir_at(found, 0.01)
    assert at["threshold"] == pytest.approx(395 / 400, abs=1e-6)  # four of 400 are above
    assert at["fnir"] == pytest.approx(2 / 3) and at["low"] <= 2 / 3 <= at["high"]
    assert open_set.fnir_at(found, 0.001) == {
        "fpir": 0.001, "fnir": None, "trials": 400, "trials_needed": 3000,
    }  # fmt: skip
    rates, missed = open_set.det(found)
    assert rates[0] == pytest.approx(1 / 400) and rates[-1] == pytest.approx(1)
    assert np.all(np.diff(rates) > 0) and np.all(np.diff(missed) <= 0)
    assert missed[0] == 1 and missed[-1] == 0  # the highest stranger is above all of them


def test_intervals_are_wide_where_one_person_makes_all_the_errors() -> None:
    many = crowd(60, 2, seed=1)
    found = open_set.trials(many, lambda index: 2.0, 1)
    one = np.isin(found.persons, [7]) & ~found.mated
    spread = ~found.mated & (np.arange(len(found.rows)) % (len(one) // one.sum()) == 0)
    alone, apart = (open_set.rate_of(events, ~found.mated, found) for events in (one, spread))
    assert alone["high"] - alone["low"] > 2 * (apart["high"] - apart["low"])


def test_a_group_is_measured_against_others_and_on_its_own() -> None:
    many = crowd(80, 2, seed=2)
    labelled = {("set", "old"): np.arange(0, 100), ("set", "young"): np.arange(100, 120)}
    found = open_set.trials(many, lambda index: 0.4, 5)
    known = np.ones(160, np.bool_)
    old, young = open_set.groups(many, found, labelled, known, lambda index: 0.4, 10)
    assert (old["group"], old["people"], young["people"]) == ("old", 50, 10)
    assert old["within_the_group"]["trials"] == 5 * 40 and young["within_the_group"] is None
    assert old["against_the_enrolled"]["trials"] == 16 * 50 - 50
    known[:] = False
    assert open_set.groups(many, found, labelled, known, lambda index: 0.4, 10)[0][
        "within_the_group"] is None  # fmt: skip


def test_the_threshold_is_the_cohorts_or_the_bundles() -> None:
    many = crowd(200, 1, seed=3)
    cohort = Cohort(many.plain, many.persons, many.groups, "a")
    index = Index(["x"], crowd(1, 1, seed=4).plain)
    assert open_set.threshold_of(None, index, 0.01, 0.77) == 0.77
    by_cohort = open_set.threshold_of(cohort, index, 0.01, 0.77)
    assert by_cohort == pytest.approx(cohort.threshold_for(0.01, index).value)


# From held-out faces to a cohort and a threshold.


def test_a_cohort_has_everybody_before_anybody_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    many = crowd(10, 3)
    monkeypatch.setattr(strangers, "LARGEST_BYTES", strangers.SPARE_BYTES + 32 * 14)
    found = strangers.cohort_of(many, "a")
    assert len(found) == 14 and found.people == 10
    assert np.bincount(found.persons).tolist() == [2] * 4 + [1] * 6
    monkeypatch.setattr(strangers, "LARGEST_BYTES", strangers.SPARE_BYTES + 32 * 9)
    with pytest.raises(DataError, match="at most 9 held-out people"):
        strangers.cohort_of(many, "a")


@pytest.mark.parametrize(
    ("files", "groups"),
    [
        (["a/1", "a/2", "b/1", "b/2"], ["", "", "", ""]),  # a folder for each person
        (["a/1", "a/2", "a/3", "b/1"], ["a", "a", "a", ""]),
        (["1", "2", "3", "4"], ["", "", "", ""]),
    ],
)
def test_a_folder_for_a_person_is_no_set(files: list[str], groups: list[str]) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (4, 2, 2, 3), np.uint8)
    found = strangers.embed(
        aligned.AlignedFaces(files, pixels, np.array([0, 0, 1, 1])),
        lambda p: [p.reshape(len(p), -1).astype(np.float32)],
    )
    assert found.groups.tolist() == groups
    both = pixels.astype(np.float32) + pixels[:, :, ::-1]
    assert found.enrolled == pytest.approx(unit(both.reshape(4, -1)), abs=1e-6)


def test_a_threshold_keeps_its_rate_on_people_it_was_not_chosen_by() -> None:
    choose, report = crowd(300, 2, seed=5), crowd(240, 2, seed=6)
    point = strangers.operating_point(choose, report, 0.01, "crowd")
    assert (point.strangers, point.people) == (0.01, 1)
    assert point.trials == 240 * 239
    assert 0.005 < point.error_rate < 0.02
    lower = strangers.operating_point(choose, report, 0.001, "crowd")
    assert lower.threshold > point.threshold and lower.error_rate < point.error_rate


def test_the_group_that_needs_most_decides() -> None:
    near = crowd(120, 2, seed=7)
    shifted = unit(near.plain + 0.5 * np.eye(32)[0])  # all of them share something
    far = crowd(120, 2, seed=8)
    both = Embedded(
        *[np.concatenate([shifted, far.plain])] * 2,
        np.concatenate([near.persons, far.persons + 120]),
        np.array(["near"] * 240 + ["far"] * 240),
    )
    alone = Embedded(far.plain, far.plain, far.persons, np.array(["far"] * 240))
    assert (
        strangers.operating_point(both, both, 0.01, "x").threshold
        > strangers.operating_point(alone, alone, 0.01, "x").threshold + 0.1
    )


def test_a_cohort_alone_gives_the_threshold_for_another_rate() -> None:
    many = crowd(300, 2, seed=9)
    cohort = Cohort(many.plain, many.persons, many.groups, "a")
    point = strangers.by_cohort(cohort, 0.01)
    assert (point.strangers, point.people, point.trials) == (0.01, 1, 60 * 299)
    assert 0.005 < point.error_rate < 0.02 and "300 people of the cohort" in point.measured_on
    with_faces = strangers.operating_point(many, many, 0.01, "x").threshold
    assert point.threshold == pytest.approx(with_faces, abs=0.01)
    assert strangers.by_cohort(cohort, 0.001).threshold > point.threshold + 0.02


# What is known of aligned faces.


def test_who_is_chosen_by_is_not_reported_on() -> None:
    people = {f"set/{i:05d}.webp": str(i // 2) for i in range(4000)}
    people |= {f"other/{i:05d}.webp": "" for i in range(2000)}
    parts = aligned.split(people, 3)
    halves = aligned.strangers(parts, 3)
    choose, report = ({p for p in halves[k].values() if p} for k in ("choose", "report"))
    held_out = {p for k in ("validation", "test") for p in parts[k].values() if p}
    assert not choose & report and choose | report == held_out
    assert not (choose | report) & set(parts["train"].values())
    assert {p for p in parts["validation"].values() if p} <= choose
    assert "" not in halves["choose"].values()
    assert len([f for f, p in halves["report"].items() if not p]) > 50
    assert all(f in parts["test"] for f in halves["report"])


def test_a_fingerprint_tells_indices_apart() -> None:
    people = {"a.webp": "1", "b.webp": ""}
    assert aligned.fingerprint(people) == aligned.fingerprint(dict(reversed(people.items())))
    assert aligned.fingerprint(people) != aligned.fingerprint({**people, "b.webp": "1"})


def test_labels_stand_in_the_index(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text(
        "file,person,age,sex\na/1.png,x,7,female\na/2.png,,,male\na/3.png,,30.5,\na/4.png,y,,\n"
    )
    assert aligned.labels(tmp_path) == {"a/1.png": (7, "female"), "a/2.png": (None, "male")}
    assert aligned.labels(tmp_path / "nothing") == {}


@pytest.mark.parametrize(
    ("file", "person", "name"),
    [("aaf/1.webp", "aaf/1.webp", "aaf"), ("Ann/1.png", "Ann", ""), ("1.png", "", "")],
)
def test_the_set_of_a_face(file: str, person: str, name: str) -> None:
    assert aligned.set_of(file, person) == name


@pytest.mark.data
def test_stated_rates_hold_for_people_nothing_was_chosen_by(shared_data: Path) -> None:
    folder = shared_data / "faces112"
    halves = aligned.strangers(aligned.split(aligned.index(folder), 0), 0)
    bundle = Bundle(ASSETS)
    entry, model = bundle.entry("embedder"), bundle.model("embedder", 1)
    choose, report = (
        strangers.embed(
            aligned.load(folder, {f: p for f, p in halves[half].items() if p}, entry.input),
            lambda pixels: [np.concatenate([model(one)[0] for one in pixels])],
        )
        for half in ("choose", "report")
    )
    cohort = strangers.cohort_of(choose, "a")
    assert cohort.people > 1000 and len(np.unique(report.persons)) > 500
    came = {}
    for group in ("aaf", "celeba-10k"):
        part = report[report.groups == group]
        for size in (1, 5, 20):
            for rate in (0.01, 0.001):
                found = open_set.trials(
                    part,
                    lambda index, rate=rate: open_set.threshold_of(cohort, index, rate, 0.0),
                    size,
                    fewest=1,
                )
                came[group, size, rate] = open_set.named_of(found)["rate"] / rate
    assert max(came.values()) < 3 and min(came.values()) < 1, came
    assert 0.3 < np.mean(list(came.values())) < 1.6, came

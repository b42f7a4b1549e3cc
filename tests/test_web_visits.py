"""Who is there and who was; unknown faces that belong together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import face_doubles
import numpy as np
import pytest
from web_tools import dark, result, seen

from edgecnn.events.schema import Label
from edgecnn.images import Floats
from edgecnn.web import visits as module
from edgecnn.web.clusters import clusters
from edgecnn.web.visits import Visit, Visits, sightings

NOON = datetime(2026, 5, 4, 12, tzinfo=timezone.utc)
(FACE,) = face_doubles.detect(face_doubles.portrait(face_doubles.ANN))


class Clock:
    """A clock that goes when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def update(visits: Visits, seconds: float, *faces: object) -> None:
    visits.update(result(dark(), faces, at=at(seconds)))  # type: ignore[arg-type]


def test_a_visit_lasts_while_its_track_does() -> None:
    visits = Visits()
    update(visits, 0, seen(FACE, None, 7, decided=False))
    assert [(v.name, v.decided) for v, _ in visits.now()] == [(None, False)]
    assert visits.settled() == [], "not decided, and here for a moment only"
    update(visits, 1, seen(FACE, "Ann", 7))
    update(visits, 2, seen(FACE, None, 7, decided=False))
    (visit,) = visits.settled()
    assert (visit.name, visit.first, visit.last) == ("Ann", at(0), at(2))
    update(visits, 3)
    assert visits.now() == [] and visits.get(visit.number) is visit


def test_a_track_that_gets_another_name_is_another_visit() -> None:
    visits = Visits()
    update(visits, 0, seen(FACE, "Ann"))
    update(visits, 1, seen(FACE, "Bob"))
    update(visits, 2, seen(FACE, None))
    assert [v.name for v in visits.settled()] == ["Ann", "Bob", None]
    update(visits, 3)
    update(visits, 4, seen(FACE, None))
    assert len(visits.settled()) == 3, "the track comes back after a frame without it"


def test_whoever_stays_undecided_counts_as_unknown() -> None:
    visits = Visits()
    update(visits, 0, seen(FACE, None, decided=False))
    update(visits, 2.9, seen(FACE, None, decided=False))
    assert visits.settled() == []
    update(visits, 3, seen(FACE, None, decided=False))
    assert len(visits.settled()) == 1


def test_old_results_say_nothing_about_now() -> None:
    clock = Clock()
    visits = Visits(clock)
    assert not visits.runs
    update(visits, 0, seen(FACE, "Ann"))
    clock.now = 2.0
    assert visits.runs and len(visits.now()) == 1
    clock.now = 2.1
    assert not visits.runs and visits.now() == []


def test_number_and_age_are_bounded() -> None:
    clock = Clock()
    visits = Visits(clock)
    for i in range(module.MOST + 10):
        update(visits, i, seen(FACE, None, track=i))
    assert len(visits.settled()) == module.MOST
    clock.now = module.LONGEST_S + 1
    update(visits, 999)
    assert list(visits._visits) == []


@pytest.mark.parametrize("ask", [lambda v: v.settled(), lambda v: v.get(1)])
def test_a_visit_is_forgotten_though_no_picture_comes(ask: Callable[[Visits], object]) -> None:
    clock = Clock()
    visits = Visits(clock)
    update(visits, 0, seen(FACE, "Ann"))
    clock.now = module.LONGEST_S
    assert ask(visits)
    clock.now += 1
    assert not ask(visits) and not visits._visits and not visits._now


def test_a_visit_that_goes_on_keeps_no_other() -> None:
    clock = Clock()
    visits = Visits(clock)
    update(visits, 0, seen(FACE, None, 1), seen(FACE, "Ann", 2))
    for hour in range(1, 14):
        clock.now = hour * 3600.0
        update(visits, clock.now, seen(FACE, None, 1))
    assert [v.track for v in visits._visits] == [1]


def test_what_is_forgotten_is_gone() -> None:
    visits = Visits()
    update(visits, 0, seen(FACE, "Ann", 1), seen(FACE, "Bob", 2))
    visits.forget("Ann")
    assert [v.name for v in visits.settled()] == ["Bob"]
    assert [v.name for v, _ in visits.now()] == ["Bob"]
    update(visits, 1, seen(FACE, None, 1, decided=False))
    assert len(visits.settled()) == 1
    visits.forget_visits([v.number for v in visits.settled()])
    assert visits.settled() == []


def test_a_frame_taken_before_somebody_was_forgotten_brings_nobody_back() -> None:
    visits = Visits()
    update(visits, 0, seen(FACE, "Ann", 1), seen(FACE, "Bob", 2))
    in_work = result(dark(), [seen(FACE, "Ann", 1), seen(FACE, "Bob", 2)], at=at(1))
    visits.forget("Ann")
    visits.update(in_work)
    assert [v.name for v in visits.settled()] == [v.name for v, _ in visits.now()] == ["Bob"]
    update(visits, 2, seen(FACE, "Ann", 1), seen(FACE, "Bob", 2))
    assert [v.name for v in visits.settled()] == ["Bob", "Ann"], "enrolled again, say"


def test_labels_of_an_images_bundle() -> None:
    visits = Visits()
    shown = result(dark())
    shown.outcome = Label("cat", 0.9)
    visits.update(shown)
    assert visits.label == Label("cat", 0.9) and visits.now() == []
    assert visits.wants_look(shown) is None


def test_looks_go_round() -> None:
    """One face that no look is good enough of does not keep the others waiting."""
    clock = Clock()
    visits = Visits(clock)
    faces = [seen(FACE, "Ann", 1), seen(FACE, "Bob", 2), seen(FACE, None, 3, False)]
    shown = result(dark(), faces, at=at(0))
    visits.update(shown)
    turns = []
    for clock.now in (0.0, 0.25, 0.5, 0.75):
        wanted = visits.wants_look(shown)
        assert wanted is not None
        turns.append(wanted[0].name)
    assert turns == ["Ann", "Bob", "Ann", "Bob"], "the third is not settled"
    assert visits.wants_look(result(dark(), [seen(FACE, "Ann")])) is None, "not the newest result"


def visit(name: str | None, first: float, last: float, embedding: Floats | None = None) -> Visit:
    return Visit(int(first), 1, at(first), at(last), name, True, embedding=embedding)


def test_sightings_of_one_person_within_a_minute_are_one() -> None:
    found = sightings([visit("Ann", 0, 10), visit("Bob", 5, 6), visit("Ann", 70, 80),
                       visit("Ann", 141, 150)])  # fmt: skip
    assert [(s.name, s.first, s.last) for s in found] == [
        ("Ann", at(141), at(150)), ("Ann", at(0), at(80)), ("Bob", at(5), at(6)),
    ]  # fmt: skip
    assert sightings([]) == [] and len(sightings([visit("A", 100 * i, 0) for i in range(9)], 1, 5))


def direction(angle_deg: float) -> Floats:
    a = np.deg2rad(angle_deg)
    return np.array([np.cos(a), np.sin(a)], np.float32)


def test_unknown_sightings_are_one_where_the_faces_are_alike() -> None:
    some = [visit(None, 0, 1, direction(0)), visit(None, 2, 3, direction(90)),
            visit(None, 4, 5, direction(10)), visit(None, 6, 7)]  # fmt: skip
    assert [len(s.visits) for s in sightings(some, 0.5)] == [1, 2, 1]


def test_clusters_by_likeness() -> None:
    ann, bob = visit("Ann", 0, 1, direction(0)), visit(None, 0, 1, None)
    some = [ann, bob, *(visit(None, i, i + 1, direction(a)) for i, a in
                        enumerate((0, 90, 15, 100, 30), 10))]  # fmt: skip
    found = clusters(some, 0.8)
    assert [[v.number for v in c.visits] for c in found] == [[10, 12, 14], [11, 13]]
    assert (found[0].first, found[0].last) == (at(10), at(15))
    assert clusters([], 0.8) == []


def test_the_best_look_stands_for_its_cluster() -> None:
    from test_web_guide import quality

    some = [visit(None, i, i, direction(0)) for i in range(3)]
    for one, overall in zip(some, (0.2, 0.9, 0.5), strict=True):
        one.quality = quality(overall=overall)
    (cluster,) = clusters(some, 0.5)
    assert cluster.best is some[1]

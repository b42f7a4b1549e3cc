"""Which looks are taken, what is said, and when it is enough: looks made up number by number."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.faces.photo import USED, Photo
from edgecnn.faces.quality import Quality
from edgecnn.faces.redundant import MOST
from edgecnn.web.guide import (
    ADVICE,
    ANOTHER,
    COPY,
    DOUBTS,
    DRY,
    GROUPS,
    REFUSALS,
    TAKEN,
    Guide,
    cells_of,
)


def quality(**values: float) -> Quality:
    usual = {"eyes_px": 60, "sharpness": 0.1, "brightness": 120, "contrast": 40, "burnt_out": 0,
             "yaw": 0, "pitch": 0.58, "roll": 0, "overall": 1}  # fmt: skip
    return Quality(**{**usual, **values})


def look(angle_deg: float = 0.0, fate: str = USED, **values: float) -> Photo:
    """A look whose embedding lies at that angle."""
    a = np.deg2rad(angle_deg)
    embedding = np.array([np.cos(a), np.sin(a)], np.float32)
    return Photo("", "camera", fate, embedding=embedding, quality=quality(**values))


@pytest.mark.parametrize(
    ("values", "first", "expected"),
    [
        ({}, None, {"front", "level", "near", "light"}),
        ({"yaw": 0.16}, None, {"left", "level", "near", "light"}),
        ({"yaw": -0.16}, None, {"right", "level", "near", "light"}),
        ({"yaw": 0.15}, None, {"front", "level", "near", "light"}),
        ({"pitch": 0.51}, None, {"front", "up", "near", "light"}),
        ({"pitch": 0.65}, None, {"front", "down", "near", "light"}),
        ({"eyes_px": 52}, None, {"front", "level", "far", "light"}),
        ({"eyes_px": 53}, None, {"front", "level", "near", "light"}),
        ({"brightness": 145}, 120.0, {"front", "level", "near", "light2"}),
        ({"brightness": 95}, 120.0, {"front", "level", "near", "light2"}),
        ({"brightness": 140}, 120.0, {"front", "level", "near", "light"}),
    ],
)
def test_cells(values: dict[str, float], first: float | None, expected: set[str]) -> None:
    assert cells_of(quality(**values), 480, first) == expected


def test_every_cell_has_advice() -> None:
    assert {c for cells in GROUPS.values() for c in cells} == set(ADVICE) and len(ADVICE) == 10


def test_a_guided_enrolment_from_the_first_look_to_the_last() -> None:
    guide = Guide("Ann", 0.5)
    assert guide.advice == "Look straight into the camera." and not guide.done
    assert guide.look(look(0), 480) and guide.said == TAKEN
    assert guide.advice == "Turn your head a little to your left."
    steps = [({"yaw": 0.3}, "right"), ({"yaw": -0.3}, "up"), ({"pitch": 0.45}, "down"),
             ({"pitch": 0.7}, "far"), ({"eyes_px": 30}, "light2")]  # fmt: skip
    for values, following in steps:
        assert guide.look(look(5, **values), 480)
        assert guide.advice == ADVICE[following] and not guide.done
    assert guide.look(look(5, brightness=60), 480)
    assert guide.done and guide.missing == []
    assert guide.advice == "That is enough: more would not help."
    assert len(guide.taken) == 7
    assert all(filled for _, cells in guide.meter() for _, filled in cells)


def test_a_copy_is_refused_and_counted() -> None:
    guide = Guide("Ann", 0.5)
    guide.look(look(0), 480)
    assert not guide.look(look(20), 480), "a cosine of 0.94 is the same moment"
    assert guide.said == COPY and guide.refused == {COPY: 1}
    assert guide.look(look(40), 480), "a cosine of 0.77 is another look, of cells that are filled"
    assert len(guide.taken) == 2


def test_somebody_else_is_refused() -> None:
    guide = Guide("Ann", 0.5)
    guide.look(look(0), 480)
    assert not guide.look(look(80, yaw=0.3), 480)
    assert guide.said == ANOTHER and "left" not in guide.filled


def test_a_first_look_at_somebody_else_gives_way() -> None:
    guide = Guide("Ann", 0.5)
    guide.look(look(0, yaw=0.3), 480)
    assert [guide.look(look(90), 480) for _ in range(DOUBTS)] == [False] * (DOUBTS - 1) + [True]
    assert len(guide.taken) == 1 and guide.filled == cells_of(quality(), 480, None)
    assert guide.taken[0].embedding is not None and guide.taken[0].embedding[1] == 1


@pytest.mark.parametrize("second", [0, 40])
def test_a_look_that_was_confirmed_stays_whoever_comes_in_between(second: float) -> None:
    """By a copy as well as by another look that was taken."""
    guide = Guide("Ann", 0.5)
    guide.look(look(0), 480)
    guide.look(look(second), 480)
    before = list(guide.taken)
    assert not any(guide.look(look(150), 480) for _ in range(5 * DOUBTS))
    assert guide.taken == before and guide.said == ANOTHER


def test_a_turn_may_lead_step_by_step_away_from_the_first_look() -> None:
    guide = Guide("Ann", 0.5)
    for angle in (0, 50, 100):  # the last has nothing in common with the first
        assert guide.look(look(angle), 480)


@pytest.mark.parametrize(
    ("fate", "said"),
    [("no face: none was found", REFUSALS["no face"]),
     ("several faces: the second is 90% as high", REFUSALS["several faces"]),
     ("blurred: sharpness 0.0044, 0.015 needed", REFUSALS["blurred"]),
     ("something new: unheard of", "something new: unheard of")],
)  # fmt: skip
def test_refusals_are_said_in_plain_words(fate: str, said: str) -> None:
    guide = Guide("Ann", 0.5)
    assert not guide.look(look(fate=fate), 480)
    assert guide.said == said and guide.taken == [] and guide.filled == set()


def test_refusals_are_named_as_the_judge_names_them() -> None:
    """The keys are kinds of :func:`edgecnn.faces.quality.fault` and of ``examine``."""
    from edgecnn.faces.quality import fault

    faults = [fault(quality(**v)) for v in ({"eyes_px": 5}, {"contrast": 3}, {"burnt_out": 0.9},
                                            {"sharpness": 0.001}, {"yaw": 0.9})]  # fmt: skip
    assert {str(f).partition(":")[0] for f in faults} <= set(REFUSALS)


def test_it_is_enough_when_nothing_new_comes() -> None:
    guide = Guide("Ann", 0.5)
    for angle in (0, 40, 80):
        guide.look(look(angle), 480)
    for _ in range(DRY - 1):
        guide.look(look(0), 480)
    assert not guide.done
    guide.look(look(fate="blurred: x"), 480)
    assert not guide.done, "a bad look says nothing about what more would bring"
    guide.look(look(0), 480)
    assert guide.done


def test_one_look_is_never_enough() -> None:
    guide = Guide("Ann", 0.5)
    for _ in range(3 * DRY):
        guide.look(look(0), 480)
    assert not guide.done and len(guide.taken) == 1


def test_room_is_kept_for_cells_that_are_missing() -> None:
    guide = Guide("Ann", -1.0)
    for i in range(40):
        guide.look(look(30 * i if i < 12 else 30 * i + 15), 480)
    missing = len(guide.missing)
    assert missing == 6 and len(guide.taken) == MOST - missing

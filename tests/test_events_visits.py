"""Who came and who went, from the events of frames."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from camera_tools import face

from edgecnn.events import schema, visits
from edgecnn.events.schema import Event, Label, events_of, moment_of
from edgecnn.events.visits import Visits
from edgecnn.faces.types import Recognition

NOON = datetime(2026, 5, 4, 12, tzinfo=timezone.utc)


def news(frames: dict[float, Any], ends: bool = True) -> list[Event]:
    """What is told of frames: seconds to outcome."""
    seen, told = Visits(), []
    for at_s, outcome in frames.items():
        moment = moment_of(
            taken_at=NOON + timedelta(seconds=at_s),
            source="clip",
            frame=int(at_s * 10),
            at_s=at_s,
            latency_ms=20,
        )
        told += seen.see(moment, events_of(outcome, moment))
    return told + (seen.end() if ends else [])


def short(told: Sequence[Event]) -> list[tuple[Any, ...]]:
    return [(e["event"], e["at_s"], *([e["name"]] if "name" in e else [])) for e in told]


ANN, BOB, STRANGER = face("Ann"), face("Bob", track=2), face(None, 0.1, track=3)
MAYBE = Recognition(ANN.detection, 4, None, 0.3, decided=False)

CASES: dict[str, tuple[dict[float, Any], list[tuple[Any, ...]]]] = {
    "nobody": ({0.0: [], 1.0: []}, []),
    "a visit": (
        {0.0: [], 1.0: [ANN], 2.0: [ANN], 13.0: []},
        [("arrived", 1.0, "Ann"), ("left", 2.0, "Ann")],
    ),
    "exactly ten seconds": (
        {1.0: [ANN], 11.0: []},
        [("arrived", 1.0, "Ann"), ("left", 1.0, "Ann")],
    ),
    "turned away": (
        {0.0: [ANN], 9.9: [ANN], 19.8: [ANN]},
        [("arrived", 0.0, "Ann"), ("left", 19.8, "Ann")],
    ),
    "came back": (
        {0.0: [ANN], 10.5: [ANN]},
        [
            ("arrived", 0.0, "Ann"),
            ("left", 0.0, "Ann"),
            ("arrived", 10.5, "Ann"),
            ("left", 10.5, "Ann"),
        ],
    ),
    "two": (
        {0.0: [ANN, BOB], 5.0: [BOB], 12.0: [BOB]},
        [
            ("arrived", 0.0, "Ann"),
            ("arrived", 0.0, "Bob"),
            ("left", 0.0, "Ann"),
            ("left", 12.0, "Bob"),
        ],
    ),
    "several strangers are somebody unknown": (
        {0.0: [STRANGER], 1.0: [STRANGER, face(None, track=9)]},
        [("arrived", 0.0, None), ("left", 1.0, None)],
    ),
    "too early to say": (
        {0.0: [MAYBE], 1.0: [ANN]},
        [("arrived", 1.0, "Ann"), ("left", 1.0, "Ann")],
    ),
    "labels": (
        {0.0: Label("cat", 0.9), 1.0: Label(None, 0.2), 2.0: Label("dog", 0.9)},
        [
            ("arrived", 0.0, "cat"),
            ("arrived", 2.0, "dog"),
            ("left", 0.0, "cat"),
            ("left", 2.0, "dog"),
        ],
    ),
}


@pytest.mark.parametrize(("frames", "expected"), CASES.values(), ids=CASES)
def test_who_comes_and_goes(frames: dict[float, Any], expected: list[tuple[Any, ...]]) -> None:
    told = news(frames)
    assert short(told) == [("started", next(iter(frames))), *expected]


def test_a_departure_tells_of_the_whole_visit() -> None:
    left = news({0.0: [ANN], 9.0: [ANN], 18.0: [ANN], 27.5: [ANN], 40.0: []})
    assert left[-1] == {
        "schema": 1,
        "event": "left",
        "time": "2026-05-04T12:00:27.500+00:00",
        "source": "clip",
        "frame": 275,
        "at_s": 27.5,
        "latency_ms": 20,
        "name": "Ann",
        "since": "2026-05-04T12:00:00.000+00:00",
        "stay_s": 27.5,
    }


def test_while_somebody_is_there_nothing_is_told() -> None:
    assert len(news({i / 10: [ANN] for i in range(100)}, ends=False)) == 2


def test_the_last_who_came_or_went_is_remembered() -> None:
    seen = Visits()
    assert seen.last is None
    moment = moment_of(taken_at=NOON, source="clip", frame=0, at_s=0, latency_ms=1)
    seen.see(moment, events_of([ANN], moment))
    assert seen.last == {"name": "Ann", "time": moment["time"]}
    assert list(seen.present) == ["Ann"]


def test_the_documents_name_every_kind_and_every_key(root: Path) -> None:
    told = news({0.0: [ANN]})
    keys = {key for e in told for key in e}
    documented = set(re.findall(r"^``(\w+)``", f"{schema.__doc__}\n{visits.__doc__}", re.M))
    assert {e["event"] for e in told} | keys <= documented
    text = (root / "docs" / "formats.md").read_text("utf-8").partition("## Events")[2]
    rows = set(re.findall(r"^\| `(\w+)`", text, re.M))
    assert {e["event"] for e in told} | keys <= rows

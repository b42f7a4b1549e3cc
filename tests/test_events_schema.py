"""The form of an event, and lines that any program can read."""

from __future__ import annotations

import json
import os
import re
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from camera_tools import face

from edgecnn.errors import StorageError
from edgecnn.events import schema
from edgecnn.events.jsonl import JsonLines
from edgecnn.events.schema import Event, Label, events_of, moment_of, source_back, source_lost
from edgecnn.faces.types import Recognition

NOON = datetime(2026, 5, 4, 12, 0, 0, 125_400, tzinfo=timezone(timedelta(hours=2)))


def of(outcome: list[Recognition] | Label) -> list[Event]:
    moment = moment_of(taken_at=NOON, source="clip.mp4", frame=7, at_s=0.28004, latency_ms=38.249)
    return events_of(outcome, moment)


def test_a_face_event_has_exactly_these_keys_and_values() -> None:
    assert of([face("Ann", 0.71338)]) == [
        {
            "schema": 1,
            "event": "face",
            "time": "2026-05-04T10:00:00.125+00:00",
            "source": "clip.mp4",
            "frame": 7,
            "at_s": 0.28,
            "track": 1,
            "name": "Ann",
            "decided": True,
            "score": 0.7134,
            "box": [20, 15, 44, 40],
            "latency_ms": 38.2,
        }
    ]


def test_a_label_event_has_exactly_these_keys_and_values() -> None:
    assert of(Label("cat", 0.93337)) == [
        {
            "schema": 1,
            "event": "label",
            "time": "2026-05-04T10:00:00.125+00:00",
            "source": "clip.mp4",
            "frame": 7,
            "at_s": 0.28,
            "label": "cat",
            "probability": 0.9334,
            "latency_ms": 38.2,
        }
    ]


def test_unknown_is_null() -> None:
    assert [(e["name"], e["score"]) for e in of([face(None, 0.2), face(None, None)])] == [
        (None, 0.2),
        (None, None),
    ]
    assert of(Label(None, 0.4))[0]["label"] is None


def test_no_face_no_event() -> None:
    assert of([]) == []


def test_numbers_of_numpy_become_numbers_of_json() -> None:
    one = face("Ann", np.float32(0.5), track=np.int64(3))  # type: ignore[arg-type]
    events = of([one]) + of(Label("cat", np.float32(0.5)))  # type: ignore[arg-type]
    assert [type(e) for e in json.loads(json.dumps(events))] == [dict, dict]


def test_the_documentation_names_every_key() -> None:
    documented = set(re.findall(r"^``(\w+)``", schema.__doc__ or "", re.MULTILINE))
    seen = [*of([face()]), of(Label("cat", 0.9))[0]]
    seen += [source_lost("cam", "no more", NOON), source_back("cam", 1.0, NOON)]
    assert documented | {"state"} == {key for event in seen for key in event}


def test_the_events_of_a_source_are_exactly_these() -> None:
    shared = {"schema": 1, "event": "source", "time": "2026-05-04T10:00:00.125+00:00"}
    assert source_lost("rtsp://***@cam/1", "no more frames came", NOON) == {
        **shared,
        "source": "rtsp://***@cam/1",
        "state": "lost",
        "reason": "no more frames came",
    }
    assert source_back("0", 3599.96, NOON) == {
        **shared,
        "source": "0",
        "state": "back",
        "away_s": 3600.0,
    }


def test_each_line_is_one_object_whatever_the_name(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    names = ["Ann", "Zoë", "张伟", 'O"Neill', "two\nlines", "\u2028"]
    lines = JsonLines(path)
    for event in of([face(name) for name in names]):
        lines.write(event)
    lines.close()
    written = path.read_bytes().decode("utf-8").split("\n")
    assert written.pop() == ""
    assert [json.loads(line)["name"] for line in written] == names


def test_a_file_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"older": true}\n')
    lines = JsonLines(path)
    lines.write({"newer": True})
    lines.close()
    assert path.read_text().splitlines() == ['{"older": true}', '{"newer": true}']


def test_a_line_is_there_before_the_file_is_closed(tmp_path: Path) -> None:
    lines = JsonLines(tmp_path / "events.jsonl")
    lines.write({"a": 1})
    assert (tmp_path / "events.jsonl").read_text() == '{"a": 1}\n'
    lines.close()


def test_a_dash_is_the_standard_output_and_leaves_it_open(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = JsonLines("-")
    lines.write({"a": 1})
    lines.close()
    assert capsys.readouterr().out == '{"a": 1}\n'
    assert not sys.stdout.closed


def test_not_a_number_is_refused_since_json_has_none() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        JsonLines("-").write({"score": float("nan")})


def test_a_file_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="could not write"):
        JsonLines(tmp_path)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_is_one_line() -> None:
    lines = JsonLines("/dev/full")
    with pytest.raises(StorageError, match="No space left"):
        lines.write({"a": 1})
    lines.close()

"""Event lines: rotation, torn lines, full disks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from camera_tools import face
from event_tools import result

from edgecnn.camera.sinks.events import EventSink
from edgecnn.errors import StorageError
from edgecnn.events.jsonl import JsonLines

LINE = len('{"n": 10}\n')
"""Bytes of a line of these tests; numbers have two digits."""


def numbers(path: Path) -> list[int]:
    return [json.loads(line)["n"] for line in path.read_text().splitlines()]


def write(path: Path, *given: int, max_bytes: int | None = 3 * LINE, keep: int = 2) -> None:
    with closing(JsonLines(path, max_bytes, keep)) as lines:
        for n in given:
            lines.write({"n": n})


def files(folder: Path) -> dict[str, list[int]]:
    return {p.name: numbers(p) for p in sorted(folder.iterdir())}


def test_a_file_that_would_outgrow_its_size_gives_way(tmp_path: Path) -> None:
    write(tmp_path / "e", *range(10, 13))
    assert files(tmp_path) == {"e": [10, 11, 12]}
    write(tmp_path / "e", 13, 14)
    assert files(tmp_path) == {"e": [13, 14], "e.1": [10, 11, 12]}
    write(tmp_path / "e", *range(15, 22))
    assert files(tmp_path) == {"e": [19, 20, 21], "e.1": [16, 17, 18], "e.2": [13, 14, 15]}


def test_a_line_longer_than_the_size_has_a_file_of_its_own(tmp_path: Path) -> None:
    write(tmp_path / "e", 10, 11, 12, max_bytes=LINE - 1)
    assert files(tmp_path) == {"e": [12], "e.1": [11], "e.2": [10]}


@pytest.mark.parametrize(
    ("before", "after"),
    [  # between any two of its steps, and before the first file was made again
        ({"e": [10, 11, 12], "e.2": [7]}, {"e": [13], "e.1": [10, 11, 12], "e.2": [7]}),
        ({"e.1": [10, 11, 12], "e.2": [7]}, {"e": [13], "e.1": [10, 11, 12], "e.2": [7]}),
        ({}, {"e": [13]}),
    ],
)
def test_a_rotation_that_was_interrupted_costs_no_file(
    tmp_path: Path, before: dict[str, list[int]], after: dict[str, list[int]]
) -> None:
    for name, given in before.items():
        (tmp_path / name).write_text("".join(f'{{"n": {n}}}\n' for n in given))
    write(tmp_path / "e", 13)
    assert files(tmp_path) == after


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        ('{"n": 10}\n{"n": 1', '{"n": 10}\n'),  # torn by a kill
        ('{"n": 1', ""),
        ('{"n": 10}\n{"n": 11}', '{"n": 10}\n{"n": 11}\n'),  # whole but for its end
        ("a title", "a title\n"),  # not ours
        ("", ""),
        ("x" * 200_000 + "{", "x" * 200_000 + "{\n"),
    ],
)
def test_a_line_is_never_glued_to_another(tmp_path: Path, found: str, kept: str) -> None:
    path = tmp_path / "e"
    path.write_text(found)
    write(path, 99, max_bytes=None)
    assert path.read_text() == kept + '{"n": 99}\n'


def test_two_processes_do_not_rotate_one_file(tmp_path: Path) -> None:
    with closing(JsonLines(tmp_path / "e", 100)):
        with pytest.raises(StorageError, match="another process rotates"):
            JsonLines(tmp_path / "e", 100)
        JsonLines(tmp_path / "e").close()  # appending does no harm


def test_a_rotated_file_is_still_ours_alone(tmp_path: Path) -> None:
    with closing(JsonLines(tmp_path / "e", LINE)) as lines:
        for n in (10, 11):
            lines.write({"n": n})
        with pytest.raises(StorageError, match="another process rotates"):
            JsonLines(tmp_path / "e", 100)


def test_a_pipe_is_not_moved_away(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "e")
    write(tmp_path / "e", *range(10, 20))
    assert [p.name for p in tmp_path.iterdir()] == ["e"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_disk_that_fills_up_ends_no_run() -> None:
    notes: list[str] = []
    sink = EventSink("/dev/full", note=notes.append)
    for i in range(3):
        sink.write(result(i, [face("Ann"), face("Bob", track=2)]))
    sink.close()
    assert sink.lost == 6
    assert len(notes) == 2 and "No space left" in notes[0] and "lacks 6 events" in notes[1]


def test_when_there_is_space_again_it_goes_on_with_whole_lines(tmp_path: Path) -> None:
    # A limit on the size of files fails writes as a full disk does, and needs no privileges.
    code = f"""
import resource, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from camera_tools import face
from event_tools import result
from edgecnn.camera.sinks.events import EventSink
sink = EventSink({str(tmp_path / "e")!r}, note=print)
for i in range(9):
    most = 1000 if 2 <= i < 7 else resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    sink.write(result(i / 10, [face("Ann")] * 2))
sink.close()
print(sink.lost)
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    lines = (tmp_path / "e").read_text().splitlines()
    frames = [json.loads(line)["frame"] for line in lines]
    first, second, lost = ended.stdout.splitlines()
    assert len(frames) + int(lost) == 18 and int(lost) >= 8
    assert frames == sorted(frames) and frames[-4:] == [7, 7, 8, 8]
    assert "could not write" in first and f"is written again: {lost} lost" in second
    assert ended.stderr == ""

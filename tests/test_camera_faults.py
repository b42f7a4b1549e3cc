"""Disks that are full or read-only, clocks that jump: said, survived. See ``docs/faults.md``."""

from __future__ import annotations

import ast
import errno
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from camera_tools import face
from test_cli_camera import make_bundle

from edgecnn import storage
from edgecnn.camera import app, pipeline
from edgecnn.camera.pipeline import Stats
from edgecnn.camera.sinks import video as video_module
from edgecnn.camera.sources import Frame, Source
from edgecnn.errors import StorageError
from edgecnn.faces.types import Recognition
from edgecnn.images import Image

ROOT = Path(__file__).resolve().parent.parent


class Live(Source):
    """A live camera of so many noisy pictures; ``at`` does something at a frame."""

    name, live, fps = "camera", True, 50.0

    def __init__(self, count: int, at: dict[int, Callable[[], object]] | None = None):
        self.count, self.at, self.index = count, at or {}, 0
        self._rng = np.random.default_rng(0)

    def read(self) -> Frame | None:
        if self.index == self.count:
            return None
        self.at.get(self.index, lambda: None)()
        time.sleep(0.005)
        image = self._rng.integers(0, 256, (240, 320, 3), np.uint8)
        self.index += 1
        return Frame(image, self.index / self.fps, self.index - 1)

    def close(self) -> None:
        """Nothing to let go of."""


def ann(image_bgr: Image, time_s: float) -> list[Recognition]:
    return [face("Ann")]


class Disk:
    """A file system of its own (``tmpfs``) where this user may mount one.

    Where not, what its faults do is done to the calls that would meet them.
    """

    def __init__(self, path: Path, megabytes: int, patch: pytest.MonkeyPatch):
        self.path, self._patch, self._megabytes = path, patch, megabytes
        path.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path)]
        there = shutil.which("mount") is not None
        self.real = there and subprocess.run(mount, capture_output=True).returncode == 0
        if not self.real:
            free = shutil._ntuple_diskusage(megabytes << 20, 0, megabytes << 20)  # type: ignore[attr-defined]
            patch.setattr(shutil, "disk_usage", lambda path: free)

    def make_read_only(self) -> None:
        remount = ["mount", "-o", "remount,ro", str(self.path)]
        if self.real and subprocess.run(remount, capture_output=True).returncode == 0:
            return
        # Busy: with a file open for writing, only a failing disk makes the kernel do this.

        def refuse(*paths: object) -> None:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        self._patch.setattr(os, "replace", refuse)

    def end(self) -> None:
        if self.real:
            subprocess.run(["umount", "-l", str(self.path)], check=True)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Disk]]:
    made: list[Disk] = []

    def make(megabytes: int) -> Disk:
        made.append(Disk(tmp_path / "disk", megabytes, monkeypatch))
        return made[-1]

    yield make
    for one in made:
        one.end()


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs the app over a live camera, with a video and an event file beside it."""
    bundle = make_bundle(tmp_path / "bundle")
    monkeypatch.setattr(app, "load", lambda *args: ann)

    def run(source: Source, video: Path, stats: Stats, said: list[str]) -> None:
        monkeypatch.setattr(app, "open_source", lambda text, stop=None, **more: source)
        outputs = app.Outputs(video, str(tmp_path / "events.jsonl"))
        app.watch(bundle, "camera", outputs, full_rate=True, stats=stats, note=said.append)

    return run


def frames_of_events(tmp_path: Path) -> list[int]:
    return [json.loads(x)["frame"] for x in (tmp_path / "events.jsonl").read_text().splitlines()]


def test_a_nearly_full_disk_ends_the_video_and_not_the_camera(
    disk: Callable[[int], Disk], watch: Callable[..., Any], tmp_path: Path
) -> None:
    small, stats, said = disk(10), Stats(), []
    watch(Live(40), small.path / "out.avi", stats, said)
    assert [line for line in said if "enroll" not in line] == [
        f"expected 16 MB free where {small.path / 'out.avi'} is recorded. The disk has 10 MB left, "
        "so the video ends here: free some space; recognition goes on without it"
    ]
    assert frames_of_events(tmp_path) == list(range(40))
    assert stats.frames == 40 and stats.dropped["video"] > 0
    assert list(small.path.iterdir()) == []


def test_a_disk_that_is_full_at_once_leaves_no_half_video(
    disk: Callable[[int], Disk],
    watch: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small, stats = disk(1), Stats()
    monkeypatch.setattr(storage, "FREE_BYTES", 0)
    if not small.real:  # the writer says nothing of a full disk; the file tells
        monkeypatch.setattr(video_module, "_frames", lambda path: 1)
    with pytest.raises(StorageError, match=r"probably the disk is full; nothing was left behind"):
        watch(Live(60), small.path / "out.avi", stats, [])
    assert list(small.path.iterdir()) == []
    assert frames_of_events(tmp_path) == list(range(60)), "the events lie elsewhere, and are whole"


def test_a_file_system_that_becomes_read_only_is_said_at_the_end(
    disk: Callable[[int], Disk], watch: Callable[..., Any], tmp_path: Path
) -> None:
    small, stats = disk(64), Stats()
    with pytest.raises(StorageError, match=r"could not write .*out\.avi: Read-only file system"):
        watch(Live(40, {20: small.make_read_only}), small.path / "out.avi", stats, [])
    assert frames_of_events(tmp_path) == list(range(40))


def test_a_read_only_file_system_is_said_before_anything_runs(
    disk: Callable[[int], Disk], watch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    small, stats = disk(64), Stats()
    small.make_read_only()
    if not small.real:
        import tempfile

        def refuse(**how: object) -> None:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        monkeypatch.setattr(tempfile, "mkstemp", refuse)
    with pytest.raises(StorageError, match="Read-only file system"):
        watch(Live(40), small.path / "out.avi", stats, [])
    assert stats.frames == 0


JUMPS = {"back an hour": -3600.0, "forward a year": 365 * 86400.0}


@pytest.mark.parametrize("by_s", JUMPS.values(), ids=JUMPS)
def test_a_clock_that_jumps_changes_the_times_of_events_and_nothing_else(
    by_s: float, watch: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jumped = threading.Event()

    class Wall(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            by = timedelta(seconds=by_s if jumped.is_set() else 0)
            return datetime.now(tz) + by

    monkeypatch.setattr(pipeline, "datetime", Wall)
    monkeypatch.setattr(time, "time", lambda: 0.0 if not jumped.is_set() else 1e12)
    stats, before = Stats(), datetime.now(timezone.utc)
    watch(Live(40, {20: jumped.set}), tmp_path / "out.avi", stats, [])
    events = [json.loads(x) for x in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [e["frame"] for e in events] == list(range(40))
    assert [e["at_s"] for e in events] == [round((i + 1) / 50, 3) for i in range(40)]
    assert all(0 <= e["latency_ms"] < 5000 for e in events)
    times = [datetime.fromisoformat(e["time"]) for e in events]
    shifts = [(t - before).total_seconds() for t in times]
    assert all(-1 < s < 60 for s in shifts[:20])
    assert all(by_s - 1 < s < by_s + 60 for s in shifts[20:])
    assert 0 < stats.seconds < 60 and list(stats.latencies_ms) == pytest.approx(
        [e["latency_ms"] for e in events], abs=0.06
    )


LOOP = ("pipeline", "pace", "motion", "governor", "guard", "stages", "sinks/beside", "sinks/video")


@pytest.mark.parametrize("name", [*LOOP, "sources/newest", "sources/ahead"])
def test_the_loop_asks_no_clock_that_can_jump(name: str) -> None:
    tree = ast.parse((ROOT / "edgecnn" / "camera" / f"{name}.py").read_text("utf-8"))
    calls = [ast.unparse(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)]
    assert "time.time" not in calls
    assert calls.count("datetime.now") == (1 if name == "pipeline" else 0), "events' times alone"


def test_each_fault_of_the_table_names_a_test_that_exists() -> None:
    rows = [x for x in (ROOT / "docs/faults.md").read_text("utf-8").splitlines() if "| `test" in x]
    assert len(rows) >= 10
    for row in rows:
        file, test = re.findall(r"`(test_\w+)\.py`: `(test_\w+)`", row)[0]
        assert f"def {test}(" in (ROOT / "tests" / f"{file}.py").read_text("utf-8"), row

"""The file that says how a camera does: whole at any moment, never in the way."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from camera_tools import face, make_video, network_camera, until
from test_camera_faults import Live
from test_cli_camera import make_bundle, run

import edgecnn
from edgecnn.bundle import MANIFEST, Bundle
from edgecnn.camera import app, status
from edgecnn.camera.app import Outputs, watch
from edgecnn.camera.governor import Governor
from edgecnn.camera.pace import Pace
from edgecnn.camera.pipeline import Stats
from edgecnn.camera.sources import Change
from edgecnn.camera.status import Status, state
from edgecnn.camera.vitals import Vitals
from edgecnn.errors import StorageError
from edgecnn.faces.types import Recognition
from edgecnn.images import Image
from edgecnn.storage import sha256_of, whole_file


def ann(image_bgr: Image, time_s: float) -> list[Recognition]:
    return [face("Ann")]


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(app, "load", lambda *args: ann)
    monkeypatch.setattr(status, "EVERY_S", 0.05)
    return make_bundle(tmp_path / "bundle")


def read(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return told


def test_what_the_file_says_after_a_run(bundle: Path, tmp_path: Path) -> None:
    path, clip = tmp_path / "run" / "status.json", make_video(tmp_path / "clip.avi", 5)
    before_s = time.time()
    assert run(bundle, "--source", clip, "--status", path) == 0
    told = read(path)
    assert before_s - 1 < told.pop("started_s") <= told.pop("written_s") < time.time() + 1
    assert told.pop("fps") > 0
    latency = told.pop("latency_ms")
    assert set(latency) == {"p50", "p95"} and 0 <= latency["p50"] <= latency["p95"] < 5000
    temperature = told.pop("temperature_c")
    assert temperature is None or 0 < temperature < 150
    assert isinstance(told.pop("throttled"), bool)
    assert told == {
        "schema": 1,
        "edgecnn": edgecnn.__version__,
        "task": "faces",
        "bundle": sha256_of(bundle / MANIFEST),
        "source": str(clip),
        "source_ok": True,
        "runs_on": "cpu",
        "frames": 5,
        "passed_over": 0,
        "shadow": None,
    }
    assert "Ann" not in path.read_text()
    assert [p.name for p in path.parent.iterdir()] == ["status.json"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_before_the_first_frame_there_are_no_percentiles() -> None:
    told = state({}, Stats(), 0.0, True, Vitals(), 1.0, None)
    assert told["latency_ms"] == {"p50": None, "p95": None}
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_the_governors_look_at_the_board_is_enough(bundle: Path, tmp_path: Path) -> None:
    stats, path = Stats(), tmp_path / "s.json"
    stats.pace = Pace(None, Governor(look=lambda: Vitals()))
    stats.pace.governor.vitals = Vitals(71.5, throttled=True)  # type: ignore[union-attr]

    def never() -> Vitals:
        raise AssertionError("the board was looked at a second time")

    with Status(path, Bundle(bundle), Live(0), stats, look=never):
        until(path.exists)
    assert (read(path)["temperature_c"], read(path)["throttled"]) == (71.5, True)


def test_frames_grow_and_a_reader_never_meets_half_a_file(bundle: Path, tmp_path: Path) -> None:
    path, stop = tmp_path / "s.json", threading.Event()
    seen: list[dict[str, Any]] = []

    def look() -> None:
        until(path.exists)
        while not stop.is_set():
            seen.append(read(path))

    reader = threading.Thread(target=look)
    reader.start()
    try:
        with network_camera() as camera:
            watch(bundle, camera.address, Outputs(status=path), max_frames=60, full_rate=True)
    finally:
        stop.set()
        reader.join()
    counts = [told["frames"] for told in seen]
    assert counts == sorted(counts) and len(set(counts)) > 3
    assert read(path)["frames"] == 60
    assert 5 < read(path)["fps"] < 60  # the camera gives 50 a second


def test_a_lost_camera_is_told_while_it_is_away(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgecnn.camera.sources.newest.FIRST_WAIT_S", 0.05)
    path, stop = tmp_path / "s.json", threading.Event()

    def now() -> dict[str, Any]:
        return read(path) if path.exists() else {"frames": 0, "source_ok": None}

    with network_camera() as camera:
        watching = threading.Thread(
            target=watch,
            args=(bundle, camera.address, Outputs(status=path)),
            kwargs={"stop": stop},
        )
        watching.start()
        until(lambda: now()["frames"] > 0 and now()["source_ok"])
    port = int(camera.address.split(":")[2].split("/")[0])
    try:
        until(lambda: now()["source_ok"] is False, 30)
        lost = now()["frames"]
        with network_camera(port=port):
            until(lambda: now()["source_ok"] and now()["frames"] > lost, 30)
    finally:
        stop.set()
        watching.join()


def test_a_source_that_is_away_from_the_start_is_told(bundle: Path, tmp_path: Path) -> None:
    told = Status(tmp_path / "s.json", Bundle(bundle), Live(0), Stats())
    told.source_changed(Change("camera", lost=True, reason="unplugged"))
    with told:
        until((tmp_path / "s.json").exists)
    assert read(tmp_path / "s.json")["source_ok"] is False


def test_a_disk_that_is_full_is_said_once_and_costs_nothing_else(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[float] = []

    def full(path: Path, **options: object) -> Any:
        tried.append(time.monotonic())
        raise StorageError(f"could not write {path}: No space left on device")

    monkeypatch.setattr(status, "whole_file", full)
    monkeypatch.setattr(status, "EVERY_S", 0.01)
    monkeypatch.setattr(app, "open_source", lambda *args, **options: Live(40))
    notes: list[str] = []
    path = tmp_path / "s.json"
    stats = watch(bundle, "0", Outputs(status=path), note=notes.append)
    assert stats.frames > 0 and len(tried) > 3
    assert [n for n in notes if "s.json" in n] == [
        f"could not write {path}: No space left on device. Recognition goes on, and {path} is not "
        "up to date"
    ]


@pytest.mark.skipif(os.name != "posix", reason="a folder in place of a file")
def test_a_folder_in_its_place_is_said_once(bundle: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    clip = make_video(tmp_path / "clip.avi", 3)
    (tmp_path / "s.json").mkdir()
    assert watch(bundle, str(clip), Outputs(status=tmp_path / "s.json"), note=notes.append).frames
    assert len([n for n in notes if "could not write" in n]) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bundle", "clip.avi", "s.json"]


def test_a_disk_that_hangs_holds_nobody_up(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    freed = threading.Event()

    def hang(path: Path, **options: object) -> Any:
        freed.wait(30)
        return whole_file(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(status, "whole_file", hang)
    monkeypatch.setattr(status, "LAST_S", 0.1)
    monkeypatch.setattr(app, "open_source", lambda *args, **options: Live(20))
    try:
        began_s = time.monotonic()
        assert watch(bundle, "0", Outputs(status=tmp_path / "s.json")).frames
        assert time.monotonic() - began_s < 10
    finally:
        freed.set()


def test_it_never_writes_over_the_source(bundle: Path, tmp_path: Path) -> None:
    clip = make_video(tmp_path / "clip.avi", 1)
    before = clip.read_bytes()
    with pytest.raises(StorageError, match="another output than the source"):
        watch(bundle, str(clip), Outputs(status=clip))
    assert clip.read_bytes() == before

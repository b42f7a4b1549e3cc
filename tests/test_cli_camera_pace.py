"""``edgecnn camera --profile`` and ``--full-rate``, what the summary says, and the unit file."""

from __future__ import annotations

import configparser
from pathlib import Path

import camera_tools
import cv2
import pytest
from camera_tools import make_video, network_camera, picture
from test_cli_camera import ann_then_a_stranger, lines, make_bundle, run
from test_project_cli import unknown_options

from edgecnn.camera import app
from edgecnn.camera.governor import Governor
from edgecnn.camera.guard import HUNG_S
from edgecnn.camera.motion import Motion
from edgecnn.camera.pipeline import Stats
from edgecnn.camera.vitals import Vitals
from edgecnn.cli.camera_pace import report

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(app, "load", lambda *args: ann_then_a_stranger)
    return make_bundle(tmp_path / "bundle")


def test_the_profile_is_a_table_and_a_picture(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip, picture = make_video(tmp_path / "clip.avi", 10), tmp_path / "where.png"
    outputs = ("--events", tmp_path / "events.jsonl", "--out-video", tmp_path / "out.avi")
    assert run(bundle, "--source", clip, *outputs, "--profile", picture) == 0
    shown = capsys.readouterr().out.splitlines()
    table = [line for line in shown if line.endswith("%") or line.startswith("stage")]
    assert [line.split("  ")[0].strip() for line in table] == [
        *("stage", "wait for the camera", "does anything move", "recognise"),
        *("hand over to outputs", "beside: event", "beside: video"),
    ]
    assert shown[-1] == f"the same as a picture: {picture}"
    image = cv2.imread(str(picture))
    assert image is not None and image.shape[1] == 1100


def test_the_table_alone_needs_no_file(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = make_video(tmp_path / "clip.avi", 3)
    before = sorted(tmp_path.rglob("*"))
    assert run(bundle, "--source", clip, "--events", "-", "--profile") == 0
    shown = capsys.readouterr()
    assert "recognise" in shown.err and "recognise" not in shown.out, "events are alone there"
    assert sorted(tmp_path.rglob("*")) == before


def test_a_profile_that_is_no_picture_is_refused_before_anything_runs(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = make_video(tmp_path / "clip.avi", 3)
    assert run(bundle, "--source", clip, "--profile", "where.txt") == 2
    shown = capsys.readouterr()
    assert shown.out == "" and len(shown.err.splitlines()) == 1
    assert "expected a picture's name for --profile" in shown.err


@pytest.mark.parametrize("full_rate", [True, False])
def test_a_live_picture_that_stands_still_is_looked_at_less(
    full_rate: bool,
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(app, "Motion", lambda: Motion(hold_s=0.1))
    monkeypatch.setattr(camera_tools, "picture", lambda i: picture(5 + i % 2))
    events = tmp_path / "events.jsonl"
    options = ["--full-rate"] if full_rate else []
    # Its frames are grey all over, and differ in brightness only, as under a lamp.
    with network_camera(fps=50) as camera:
        options += ["--source", camera.address, "--events", events, "--max-frames", 12]
        assert run(bundle, *options) == 0
    times = {e["frame"]: e["at_s"] for e in lines(events)}
    assert ("in which nothing moved were passed over" in capsys.readouterr().out) != full_rate
    last = list(times.values())[-3:]
    assert (last[2] - last[0] > 0.9) != full_rate, "two looks a second, or as many as there are"


def test_what_the_summary_says_of_frames_that_were_left_out() -> None:
    stats, said = Stats(), []
    report(stats, said.append)
    assert said == []
    governor = Governor(Vitals)
    governor.lowered, governor.lowest_fps = 3, 4.25
    stats.pace.governor = governor
    stats.pace.still, stats.pace.rested, stats.dropped = 212, 17, {"video": 5}
    report(stats, said.append)
    assert said == [
        "  212 frames in which nothing moved were passed over",
        "  the rate was lowered 3 times to spare the board, down to 4.2 frames a second; "
        "17 frames were passed over",
        "  video: 5 frames were left out, since it was slower than the camera",
    ]


def test_the_unit_file_fits_the_program() -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(ROOT / "docs" / "edgecnn-camera.service", "utf-8")
    service = unit["Service"]
    assert service["Type"] == "notify" and service["Restart"] == "on-failure"
    assert float(service["WatchdogSec"]) > HUNG_S, "the line that says what hung comes first"
    assert unknown_options("edgecnn " + service["ExecStart"].partition(" ")[2]) == []

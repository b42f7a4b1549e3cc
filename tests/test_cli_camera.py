"""``edgecnn camera`` as it is typed: what it prints, writes, and how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from camera_tools import face, make_folder, make_tape, make_video, network_camera, number_of

from edgecnn.bundle import ASSETS, MANIFEST, Manifest, ModelEntry, OperatingPoint
from edgecnn.camera import app
from edgecnn.camera.sources import Mode, open_source
from edgecnn.cli import main
from edgecnn.errors import CameraError
from edgecnn.events.schema import Label
from edgecnn.faces.types import Recognition
from edgecnn.images import Image, Preprocess
from edgecnn.storage import sha256_of


def make_bundle(folder: Path, task: str = "faces", threshold: float | None = 0.4) -> Path:
    """A bundle that passes every check that does not run its models."""
    folder.mkdir()
    models = {"faces": ("detector", "embedder"), "images": ("classifier",)}[task]
    for name in models:
        (folder / f"{name}.tflite").write_bytes(b"a stub, never run")
    point = None if threshold is None else OperatingPoint(threshold, 0.001, "stubs", 1000)
    manifest = Manifest(
        task,
        {name: ModelEntry(f"{name}.tflite", Preprocess((32, 32))) for name in models},
        "x86-64",
        point,
        files={f"{name}.tflite": sha256_of(folder / f"{name}.tflite") for name in models},
    )
    (folder / MANIFEST).write_text(manifest.to_json())
    return folder


def ann_then_a_stranger(image_bgr: Image, time_s: float) -> Sequence[Recognition]:
    number = number_of(image_bgr)
    return [face("Ann"), face(None, 0.1, track=2)] if number < 4 else [face(None, 0.1, track=2)]


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(app, "load", lambda *args: ann_then_a_stranger)
    return make_bundle(tmp_path / "bundle")


def run(*arguments: object) -> int:
    """The exit code of ``edgecnn camera ARGUMENTS``."""
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        main(["camera", *map(str, arguments)])
    except SystemExit as e:
        return int(e.code or 0)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_recorded_video_gets_names_and_events(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = make_video(tmp_path / "clip.mp4", 10, fps=20)
    video, events = tmp_path / "names.mp4", tmp_path / "events.jsonl"
    code = run(bundle, "--source", clip, "--out-video", video, "--events", events)
    assert code == 0
    with open_source(str(video)) as annotated:
        assert annotated.fps == pytest.approx(20)
        count = 0
        while annotated.read() is not None:
            count += 1
    assert count == 10
    assert [(e["frame"], e["name"]) for e in lines(events)] == [
        (i, name) for i in range(10) for name in (("Ann", None) if i < 4 else (None,))
    ]
    assert {e["source"] for e in lines(events)} == {str(clip)}
    out = capsys.readouterr().out
    assert out.startswith("10 frames in ") and "frames a second" in out
    assert "  Ann: 4 frames\n  unknown: 10 frames\n" in out


def test_events_on_the_standard_output_are_alone_there(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(bundle, "--source", make_folder(tmp_path / "pictures", 3), "--events", "-") == 0
    shown = capsys.readouterr()
    assert [json.loads(line)["frame"] for line in shown.out.splitlines()] == [0, 0, 1, 1, 2, 2]
    assert "3 frames in" in shown.err


def test_max_frames(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = make_video(tmp_path / "clip.avi")
    assert run(bundle, "--source", clip, "--max-frames", 2) == 0
    assert "2 frames in" in capsys.readouterr().out


def test_labels_of_an_images_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(app, "load", lambda *args: lambda image_bgr, time_s: Label("cat", 0.9))
    bundle = make_bundle(tmp_path / "bundle", "images")
    events = tmp_path / "events.jsonl"
    clip = make_video(tmp_path / "clip.avi", 3)
    assert run(bundle, "--source", clip, "--events", events) == 0
    assert [e["label"] for e in lines(events)] == ["cat"] * 3
    assert "  cat: 3 frames\n" in capsys.readouterr().out


def test_says_when_nobody_is_enrolled(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = make_video(tmp_path / "clip.avi", 1)
    assert run(bundle, "--source", clip) == 0
    assert "nobody is enrolled" in capsys.readouterr().err
    assert run(bundle, "--source", clip, "--gallery", tmp_path / "people.sqlite") == 0
    assert "nobody is enrolled" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "mode"),
    [
        ([], Mode()),
        (["--size", "1280x720"], Mode(size_wh=(1280, 720))),
        (["--fourcc", "mjpg", "--size", "1280×720", "--fps", "15"], Mode("MJPG", (1280, 720), 15)),
    ],
)
def test_what_is_asked_of_a_camera(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], mode: Mode
) -> None:
    asked: list[Mode] = []

    def open_none(text: str, stop: object, *, mode: Mode, note: object) -> None:
        asked.append(mode)
        raise CameraError("no camera")

    monkeypatch.setattr(app, "open_source", open_none)
    assert run(bundle, *arguments) == 2
    assert asked == [mode]


@pytest.mark.parametrize(
    "arguments",
    [["--size", "1280"], ["--size", "0x720"], ["--size", "axb"], ["--fourcc", "X"], ["--fps", "0"]],
)
def test_what_cannot_be_asked_of_a_camera(bundle: Path, arguments: list[str]) -> None:
    assert run(bundle, *arguments) == 2


REFUSALS: dict[str, tuple[list[str], str]] = {
    "no bundle": (["{tmp}/none", "--source", "{clip}"], "edgecnn convert"),
    "no threshold": (["{blind}", "--source", "{clip}"], "could name a stranger"),
    "no camera": (["{bundle}", "--source", "97"], "/dev/video97"),
    "no such file": (["{bundle}", "--source", "{tmp}/none.mp4"], "no such file"),
    "no video": (["{bundle}", "--source", "{tmp}/text.mp4"], "expected a video"),
    "no stream": (["{bundle}", "--source", "rtsp://a:b@127.0.0.1:9/"], "rtsp://***@127.0.0.1"),
    "video format": (["{bundle}", "--source", "{clip}", "--out-video", "x.mkv"], ".mp4 or .avi"),
    "video over source": (
        ["{bundle}", "--source", "{clip}", "--out-video", "{tmp}/../{tmp.name}/clip.avi"],
        "expected another output than the source",
    ),
    "tape's name": (["{bundle}", "--source", "{clip}", "--record", "x.mp4"], "end in .tape"),
    "tape over source": (
        ["{bundle}", "--source", "{tape}", "--record", "{tape}"],
        "expected another output than the source",
    ),
    "size of a file": (
        ["{bundle}", "--source", "{clip}", "--size", "64x48", "--fps", "5"],
        "--size and --fps cannot be chosen for",
    ),
    "no picamera2": (["{bundle}", "--source", "csi"], "sudo apt install -y python3-picamera2"),
    "events folder": (["{bundle}", "--source", "{clip}", "--events", "{tmp}"], "could not write"),
}


@pytest.mark.parametrize(("arguments", "says"), REFUSALS.values(), ids=REFUSALS)
def test_what_cannot_be_done_is_one_line_and_exit_code_2(
    arguments: list[str],
    says: str,
    bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clip = make_video(tmp_path / "clip.avi", 2)
    blind = make_bundle(tmp_path / "blind", threshold=None)
    (tmp_path / "text.mp4").write_text("no video")
    (bundle / "gallery.sqlite").touch()
    tape = make_tape(tmp_path / "t.tape", 1)
    before = sorted(tmp_path.rglob("*"))
    places = {"tape": tape, "tmp": tmp_path, "clip": clip, "bundle": bundle, "blind": blind}
    assert run(*(argument.format(**places) for argument in arguments)) == 2
    shown = capsys.readouterr()
    assert says in shown.err and shown.out == ""
    assert len(shown.err.splitlines()) == 1 and shown.err.startswith("edgecnn: ")
    assert sorted(tmp_path.rglob("*")) == before


STUB = """
import sys
from edgecnn.camera import app
from edgecnn.camera.sources import newest
from edgecnn.cli import main
from edgecnn.events.schema import Label
newest.FIRST_WAIT_S = newest.LONGEST_WAIT_S = 0.05
app.load = lambda *args: lambda image_bgr, time_s: Label("cat", 0.9)
main(["camera", *sys.argv[1:]])
"""


def start(root: Path, *arguments: object) -> subprocess.Popen[str]:
    """The command in a process of its own, with a recogniser that always says *cat*."""
    return subprocess.Popen(
        [sys.executable, "-c", STUB, *map(str, arguments)],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_lines(path: Path, count: int) -> None:
    end = time.monotonic() + 60
    while not path.exists() or path.read_text().count("\n") < count:
        assert time.monotonic() < end, "no events came"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_keeps_what_was_recorded(
    tmp_path: Path, root: Path, number: signal.Signals
) -> None:
    bundle = make_bundle(tmp_path / "bundle", "images")
    video, events = tmp_path / "names.avi", tmp_path / "events.jsonl"
    with network_camera() as camera:
        outputs = ("--out-video", video, "--events", events)
        process = start(root, bundle, "--source", camera.address, *outputs)
        wait_for_lines(events, 5)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert "cat: " in out
    assert all(e["label"] == "cat" for e in lines(events))
    with open_source(str(video)) as annotated:
        assert annotated.read() is not None


def test_a_camera_that_goes_and_comes_back_is_said_and_watched_on(
    tmp_path: Path, root: Path
) -> None:
    bundle = make_bundle(tmp_path / "bundle", "images")
    video, events = tmp_path / "names.mp4", tmp_path / "events.jsonl"
    with network_camera() as camera:
        outputs = ("--out-video", video, "--events", events)
        process = start(root, bundle, "--source", camera.address, *outputs)
        wait_for_lines(events, 3)
    assert process.stderr is not None
    lost = process.stderr.readline()
    assert lost == (
        f"edgecnn: {camera.address} stopped (no more frames came): "
        "opening it again until it is back\n"
    )
    time.sleep(1)  # the last frames are still recognised and written
    seen = len(lines(events))
    with network_camera(port=urlsplit(camera.address).port or 0):
        wait_for_lines(events, seen + 3)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "frames in" in out
    assert len(err.splitlines()) == 1 and f"{camera.address} is back after " in err
    seen_ones = [e for e in lines(events) if e["event"] == "label"]
    numbers = [e["frame"] for e in seen_ones]
    assert numbers == sorted(set(numbers))
    went, came = [e for e in lines(events) if e["event"] == "source"]
    assert (went["state"], went["reason"]) == ("lost", "no more frames came")
    assert came["state"] == "back" and 0 < came["away_s"] < 60
    assert {went["source"], came["source"]} == {camera.address}
    first_after = next(e for e in seen_ones if e["time"] > went["time"])
    assert went["time"] < came["time"] and first_after["frame"] > 0
    with open_source(str(video)) as annotated:
        assert annotated.read() is not None


def test_a_camera_that_is_away_does_not_keep_it_from_ending(tmp_path: Path, root: Path) -> None:
    bundle, events = make_bundle(tmp_path / "bundle", "images"), tmp_path / "events.jsonl"
    with network_camera() as camera:
        process = start(root, bundle, "--source", camera.address, "--events", events)
        wait_for_lines(events, 3)
    assert process.stderr is not None and "stopped" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=30)[1] == ""
    assert process.returncode == 0


def test_a_tape_gives_again_what_the_camera_saw(bundle: Path, tmp_path: Path) -> None:
    tape, seen, again = tmp_path / "t.tape", tmp_path / "seen.jsonl", tmp_path / "again.jsonl"
    with network_camera() as camera:
        arguments = ("--max-frames", 12, "--record", tape, "--events", seen)
        assert run(bundle, "--source", camera.address, *arguments) == 0
    assert run(bundle, "--source", tape, "--events", again) == 0
    keys = ("event", "frame", "at_s", "track", "name", "score", "box")
    first, second = ([[e[k] for k in keys] for e in lines(path)] for path in (seen, again))
    assert first == second
    assert {e["source"] for e in lines(again)} == {str(tape)}


def test_the_shipped_models_run_on_a_video_without_people(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(ASSETS, "--source", make_video(tmp_path / "clip.mp4", 3)) == 0
    assert "nobody was seen" in capsys.readouterr().out

"""Sinks: the video that appears whole, the event lines, and the window that is not there."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from camera_tools import face

from edgecnn.camera.pipeline import Result
from edgecnn.camera.sinks import drafts
from edgecnn.camera.sinks import video as video_module
from edgecnn.camera.sinks.events import EventSink
from edgecnn.camera.sinks.video import VideoSink
from edgecnn.camera.sinks.window import WindowSink, gui_backend
from edgecnn.camera.sources import Change, Frame, open_source
from edgecnn.errors import CameraError, MissingExtra, StorageError
from edgecnn.events.schema import Label
from edgecnn.storage import FREE_BYTES


def result(
    index: int = 0, time_s: float = 0.0, size_wh: tuple[int, int] = (64, 48), outcome: Any = ()
) -> Result:
    picture = np.full((size_wh[1], size_wh[0], 3), 40 + index, np.uint8)
    now = datetime.now(timezone.utc)
    return Result(Frame(picture, time_s, index), "given", outcome, now, 12.34)


def frames_of(path: Path) -> list[Any]:
    with open_source(str(path)) as source:
        frames = []
        while (frame := source.read()) is not None:
            frames.append(frame.image_bgr)
        return frames


@pytest.mark.parametrize("name", ["out.mp4", "out.avi", "deep/er/out.MP4"])
def test_a_recording_holds_every_frame_at_the_rate_of_the_source(tmp_path: Path, name: str) -> None:
    sink = VideoSink(tmp_path / name, fps=12.5)
    for i in range(25):
        sink.write(result(i, i / 12.5))
    assert not (tmp_path / name).exists(), "it appears when it is whole"
    sink.close()
    assert [p.name for p in (tmp_path / name).parent.iterdir()] == [Path(name).name]
    assert len(frames_of(tmp_path / name)) == 25
    with open_source(str(tmp_path / name)) as source:
        assert source.fps == pytest.approx(12.5)


@pytest.mark.parametrize(
    ("times_s", "count"),
    [
        ([0.0, 0.1, 0.2], 3),
        ([5.0, 5.1, 5.2], 3),  # the first frame is the beginning
        ([0.0, 0.5], 6),  # a slow loop: the first frame is shown for half a second
        ([0.0, 0.01, 0.02, 0.1], 2),  # a fast one: frames in between are left out
        ([0.0, 3600.0, 3600.1], 1 + 50 + 1),  # a camera that was away: five seconds of still
    ],
)
def test_a_recording_plays_in_real_time(tmp_path: Path, times_s: list[float], count: int) -> None:
    sink = VideoSink(tmp_path / "out.avi", fps=10)
    for i, time_s in enumerate(times_s):
        sink.write(result(i, time_s))
    sink.close()
    assert len(frames_of(tmp_path / "out.avi")) == count


def test_frames_of_another_size_are_fitted_into_the_first(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "out.avi", fps=10)
    for i, size in enumerate([(64, 48), (300, 100), (20, 90)]):
        sink.write(result(i, i / 10, size))
    sink.close()
    assert [f.shape for f in frames_of(tmp_path / "out.avi")] == [(48, 64, 3)] * 3


@pytest.mark.parametrize("name", ["out.mp4", "out.avi"])
def test_odd_sizes_are_written(tmp_path: Path, name: str) -> None:
    sink = VideoSink(tmp_path / name, fps=10)
    sink.write(result(size_wh=(65, 49)))
    sink.close()
    assert len(frames_of(tmp_path / name)) == 1


def test_the_recording_is_annotated(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "out.avi", fps=10)
    sink.write(result(size_wh=(640, 480), outcome=[face()]))
    sink.close()
    assert frames_of(tmp_path / "out.avi")[0].std() > 1


def test_without_a_frame_there_is_no_file(tmp_path: Path) -> None:
    VideoSink(tmp_path / "out.mp4", fps=10).close()
    assert list(tmp_path.iterdir()) == []


def test_an_older_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.avi"
    path.write_text("older")
    sink = VideoSink(path, fps=10)
    sink.write(result())
    assert path.read_text() == "older"
    sink.close()
    assert len(frames_of(path)) == 1


@pytest.mark.parametrize("name", ["out.mkv", "out", "out.mp4/out.avi"])
def test_what_cannot_be_recorded_is_refused_at_once(tmp_path: Path, name: str) -> None:
    (tmp_path / "out.mp4").touch()
    with pytest.raises(StorageError):
        VideoSink(tmp_path / name, fps=10)
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]


def test_an_encoder_that_does_not_open_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(video_module.FOURCCS, ".mp4", "zzzz")
    sink = VideoSink(tmp_path / "out.mp4", fps=10)
    with pytest.raises(StorageError, match=r"cannot write zzzz video of 64×48"):
        sink.write(result())
    sink.close()
    assert list(tmp_path.iterdir()) == []


def test_a_nearly_full_disk_ends_the_recording_and_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = VideoSink(tmp_path / "out.avi", fps=10)
    for i in range(100):
        sink.write(result(i, i / 10))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 5 << 20))  # type: ignore[attr-defined]
    with pytest.raises(StorageError, match="5 MB left, so the video ends here"):
        sink.write(result(100, 10.0))
    sink.close()
    assert len(frames_of(tmp_path / "out.avi")) == 100


@pytest.mark.parametrize("step_s", [0.1, 0.3, 9.0], ids=["full rate", "slow board", "still"])
def test_frames_that_are_repeated_do_not_eat_the_reserve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step_s: float
) -> None:
    sink = VideoSink(tmp_path / "out.avi", fps=10)

    def usage(path: Path) -> Any:
        free = 20_000_000 - 275_000 * sink._written  # a frame of 1920×1080
        return shutil._ntuple_diskusage(0, 0, free)  # type: ignore[attr-defined]

    monkeypatch.setattr(shutil, "disk_usage", usage)
    with pytest.raises(StorageError, match="so the video ends here"):
        for i in range(100):
            sink.write(result(i, i * step_s))
    sink.close()
    assert len(frames_of(tmp_path / "out.avi")) == (20_000_000 - FREE_BYTES) // 275_000 + 1


@pytest.mark.parametrize("name", ["out.mp4", "out.avi"])
def test_a_full_disk_leaves_no_half_video(tmp_path: Path, name: str, root: Path) -> None:
    # A limit on the size of files fails writes as a full disk does, and needs no privileges.
    code = f"""
import resource, sys
sys.path[:0] = [{str(root)!r}, {str(root / "tests")!r}]
import numpy as np
from test_camera_sinks import VideoSink, result
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
sink, noise = VideoSink({str(tmp_path / name)!r}, 10), np.random.default_rng(0)
for i in range(60):
    one = result(i, i / 10, (320, 240))
    one.frame.image_bgr[:] = noise.integers(0, 256, one.frame.image_bgr.shape)
    sink.write(one)
try:
    sink.close()
except OSError as e:
    print(type(e).__name__, e)
"""
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("StorageError could not write"), done.stderr
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("suffix", "left"), [(".avi", ["a-cut.avi"]), (".mp4", [])])
def test_what_a_kill_leaves_of_a_video_gets_a_name_or_goes(
    tmp_path: Path, root: Path, suffix: str, left: list[str]
) -> None:
    code = f"""
import os, signal, sys
sys.path[:0] = [{str(root)!r}, {str(root / "tests")!r}]
import numpy as np
from test_camera_sinks import VideoSink, result
sink, noise = VideoSink({str(tmp_path / f"a{suffix}")!r}, 10), np.random.default_rng(0)
for i in range(40):
    one = result(i, i / 10, (640, 480))
    one.frame.image_bgr[:] = noise.integers(0, 256, one.frame.image_bgr.shape)
    sink.write(one)
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], timeout=60)
    (draft,) = tmp_path.glob(f".a-????????{suffix}")
    os.utime(draft, (0, 0))
    said = list[str]()
    running = VideoSink(tmp_path / f"a{suffix}", 10, said.append)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name[0] != ".") == left
    assert said == [f"{tmp_path / n} is what a recording that was cut off has left" for n in left]
    assert all(len(frames_of(tmp_path / n)) > 0 for n in left)

    # What is being recorded is nobody else's.
    running.write(result())
    (hidden,) = tmp_path.glob(f".a-*{suffix}")
    os.utime(hidden, (0, 0))
    VideoSink(tmp_path / f"a{suffix}", 10).close()
    running.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*left, f"a{suffix}"])


def test_a_drive_without_locks_is_recorded_to_and_cleared_of_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    monkeypatch.setattr(drafts.fcntl, "flock", refused)
    left = tmp_path / ".a-12345678.avi"
    left.touch()
    os.utime(left, (0, 0))
    sink = VideoSink(tmp_path / "a.avi", 10)
    sink.write(result())
    sink.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == [left.name, "a.avi"]


def test_another_users_recording_is_let_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> bool:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(drafts, "_is_held", refused)
    (tmp_path / ".a-12345678.avi").touch()
    sink = VideoSink(tmp_path / "a.avi", 10)
    sink.write(result())
    sink.close()
    assert (tmp_path / "a.avi").exists()


def test_events_are_appended_one_line_a_face(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "events.jsonl"
    for start in (0, 2):
        sink = EventSink(path)
        sink.write(result(start, 0.5, outcome=[face("Ann"), face(None, None, track=2)]))
        sink.write(result(start + 1, 0.6))
        lines = path.read_text("utf-8").splitlines()
        assert len(lines) == start + 2, "a line is there as soon as it happened"
        sink.close()
    events = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [(e["frame"], e["track"], e["name"]) for e in events] == [
        *((0, 1, "Ann"), (0, 2, None)),
        *((2, 1, "Ann"), (2, 2, None)),
    ]


def test_label_events(tmp_path: Path) -> None:
    sink = EventSink(tmp_path / "events.jsonl")
    sink.write(result(outcome=Label("cat", 0.9)))
    sink.close()
    event = json.loads((tmp_path / "events.jsonl").read_text())
    assert (event["event"], event["label"], event["probability"]) == ("label", "cat", 0.9)


class FakeGui:
    """The window functions of an OpenCV that has them."""

    WINDOW_NORMAL, WND_PROP_VISIBLE = 0, 4

    def __init__(self) -> None:
        self.key, self.visible, self.shown, self.closed = -1, 1.0, 0, 0

    def getBuildInformation(self) -> str:
        return "General configuration\n  GUI:                           QT5\n    QT: YES"

    def namedWindow(self, title: str, how: int) -> None:
        """Open it."""

    def imshow(self, title: str, picture: Any) -> None:
        self.shown += 1

    def waitKey(self, ms: int) -> int:
        return self.key

    def getWindowProperty(self, title: str, key: int) -> float:
        return self.visible

    def destroyWindow(self, title: str) -> None:
        self.closed += 1


@pytest.fixture
def gui(monkeypatch: pytest.MonkeyPatch) -> FakeGui:
    fake = FakeGui()
    monkeypatch.setattr("edgecnn.camera.sinks.window.opencv", lambda: fake)
    monkeypatch.setenv("DISPLAY", ":0")
    return fake


def press(key: str) -> Callable[[FakeGui], None]:
    return lambda gui: setattr(gui, "key", ord(key))


ENDS: list[tuple[Callable[[FakeGui], None], bool]] = [
    (lambda gui: None, False),
    (press("x"), False),
    (press("q"), True),
    (press("\x1b"), True),
    (lambda gui: setattr(gui, "visible", 0.0), True),
]


@pytest.mark.parametrize(("act", "ends"), ENDS)
def test_the_window_ends_the_run_when_the_user_wants(
    gui: FakeGui, act: Callable[[FakeGui], None], ends: bool
) -> None:
    stop = threading.Event()
    sink = WindowSink("edgecnn", stop)
    act(gui)
    sink.write(result())
    assert (gui.shown, stop.is_set()) == (1, ends)
    sink.close()
    assert gui.closed == int(gui.visible)


def test_without_a_screen_there_is_no_window(gui: FakeGui, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(CameraError, match=r"DISPLAY.*--out-video"):
        WindowSink("edgecnn", threading.Event())


def test_a_headless_opencv_names_the_package_to_install(
    gui: FakeGui, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gui, "getBuildInformation", lambda: "  GUI:        NONE\n")
    with pytest.raises(MissingExtra, match="pip install opencv-python"):
        WindowSink("edgecnn", threading.Event())


def test_this_opencv_says_what_windows_it_has() -> None:
    assert gui_backend(cv2) == "" or gui_backend(cv2).isalnum()


def test_a_source_that_changes_while_frames_come_is_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    sink = EventSink(path)

    def change() -> None:
        for i in range(200):
            sink.source_changed(Change("given", lost=i % 2 == 0, reason="gone", away_s=float(i)))

    thread = threading.Thread(target=change)
    thread.start()
    for i in range(200):
        sink.write(result(i, outcome=[face()]))
    thread.join()
    sink.close()
    sink.source_changed(Change("given", lost=True))  # a camera is closed after its sinks
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert [e["frame"] for e in events if e["event"] == "face"] == list(range(200))
    states = [e["state"] for e in events if e["event"] == "source"]
    assert states == ["lost", "back"] * 100

"""One contract for every source, each a real one; and what is said when there is none."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import cv2
import face_doubles
import numpy as np
import pytest
from camera_tools import make_folder, make_video, network_camera, number_of, picture
from face_doubles import ANN, BOB, CID

from edgecnn.camera.sources import Mode, masked, open_source
from edgecnn.camera.sources import v4l2 as v4l2_module
from edgecnn.camera.sources.stream import Stream
from edgecnn.camera.sources.v4l2 import V4L2, diagnosis, nodes
from edgecnn.errors import CameraError, DataError
from edgecnn.faces.gallery import Gallery
from edgecnn.faces.recognise import Recogniser


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_a_video_keeps_the_time_of_its_frame_rate(tmp_path: Path, suffix: str) -> None:
    with open_source(str(make_video(tmp_path / f"clip{suffix}", 3, fps=12.5))) as source:
        assert source.fps == pytest.approx(12.5)


def test_pictures_come_in_the_order_of_their_numbers_without_the_other_files(
    tmp_path: Path,
) -> None:
    folder = make_folder(tmp_path / "pictures", 12)
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_text("no picture either")
    (folder / "inside.png").mkdir()
    with open_source(str(folder)) as source:
        frames = [source.read() for _ in range(12)]
        assert [f and number_of(f.image_bgr) for f in frames] == list(range(12))
        assert source.read() is None


def test_whoever_is_on_the_next_picture_of_a_folder_is_somebody_else(tmp_path: Path) -> None:
    shown = {"Ann": ANN, "Bob": BOB, "Cid": CID}
    with Gallery(tmp_path / "gallery.sqlite", "ab" * 32, create=True) as gallery:
        for i, (name, tint) in enumerate(shown.items()):
            gallery.add(name, face_doubles.embed(face_doubles.face(tint)))
            face_doubles.save(tmp_path / "photos" / f"{i}.png", face_doubles.portrait(tint, 1))
        parts = face_doubles.detect, face_doubles.embed, gallery, face_doubles.THRESHOLD
        recogniser, found = Recogniser.from_parts(*parts), []
        with open_source(str(tmp_path / "photos")) as source:
            while frame := source.read():
                found += recogniser(frame.image_bgr, frame.time_s)
    assert [(f.name, f.track, f.decided) for f in found] == [
        (name, i + 1, True) for i, name in enumerate(shown)
    ]


def test_one_picture_is_a_source_too(tmp_path: Path) -> None:
    path = tmp_path / "photo.JPG"
    path.write_bytes(cv2.imencode(".jpg", picture(3))[1].tobytes())
    with open_source(str(path)) as source:
        frame = source.read()
        assert frame is not None and number_of(frame.image_bgr) == 3
        assert source.read() is None


def test_a_video_that_is_cut_off_ends_where_it_is_cut_off(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "whole.avi", 100).read_bytes()
    path = tmp_path / "cut.avi"
    path.write_bytes(whole[: len(whole) * 6 // 10])
    with open_source(str(path)) as source:
        count = 0
        while source.read() is not None:
            count += 1
    assert 1 <= count < 100


BROKEN: dict[str, Callable[[Path], object]] = {
    "missing.mp4": lambda p: None,
    "text.mp4": lambda p: p.write_text("this is no video" * 100),
    "empty.mp4": lambda p: p.write_bytes(b""),
    "numbered1.txt": lambda p: p.write_text("this is no video"),
    "cut.mp4": lambda p: p.write_bytes(make_video(p.parent / "whole.mp4").read_bytes()[:-200]),
    "folder": lambda p: p.mkdir(),
    "folders": lambda p: (p / "Ann").mkdir(parents=True),
    "/dev/video97": lambda p: None,
    "97": lambda p: None,
    "ftp://camera/video.mp4": lambda p: None,
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_watched_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    is_path = "/" not in name and not name.isdecimal()
    path = tmp_path / name if is_path else Path(name)
    BROKEN[name](path)
    with pytest.raises(CameraError) as caught:
        open_source(str(path) if is_path else name)
    assert "\n" not in str(caught.value) and ": " in str(caught.value)
    assert name.rpartition("/")[2] in str(caught.value)


def test_a_broken_picture_in_a_folder_is_named(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "pictures", 2)
    (folder / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n no more")
    with open_source(str(folder)) as source:
        assert source.read() is not None
        with pytest.raises(DataError, match=r"1\.png"):
            source.read()


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://cam.local/1", "rtsp://cam.local/1"),
        ("rtsp://me:secret@cam/1", "rtsp://***@cam/1"),
        ("rtsp://me:se@cr/et@cam/1", "rtsp://***@cam/1"),
        ("http://cam/v?user=me&pwd=secret&channel=2", "http://cam/v?user=***&pwd=***&channel=2"),
        ("http://cam/v?access_token=secret", "http://cam/v?access_token=***"),
        ("http://cam/v?mail=a@b", "http://cam/v?mail=a@b"),
        ("party@home.mp4", "party@home.mp4"),
    ],
)
def test_credentials_are_masked(address: str, shown: str) -> None:
    assert masked(address) == shown


def test_an_address_where_nothing_answers_is_refused_without_its_password() -> None:
    with pytest.raises(CameraError, match="expected video from") as caught:
        open_source("rtsp://me:secret@127.0.0.1:9/1")
    assert "secret" not in str(caught.value)


def test_opencv_and_ffmpeg_do_not_talk_as_well(tmp_path: Path, root: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("this is no video" * 100)
    addresses = [str(text), "rtsp://me:secret@127.0.0.1:9/1", "97", "/dev/video97"]
    code = (
        "import sys\nfrom edgecnn.camera.sources import open_source\n"
        "for text in sys.argv[1:]:\n"
        "    try: open_source(text)\n"
        "    except OSError: print('refused')\n"
    )
    run = [sys.executable, "-c", code, *addresses]
    done = subprocess.run(run, cwd=root, capture_output=True, text=True, timeout=60)
    assert (done.stdout.split(), done.stderr) == (["refused"] * len(addresses), "")


def test_a_stream_that_stops_says_so_with_none() -> None:
    with network_camera(frames=12) as camera, Stream(camera.address) as stream:
        count = 0
        while stream.read() is not None:
            count += 1
    assert 10 <= count <= 12


def test_a_stream_that_falls_silent_has_stopped_after_the_timeout() -> None:
    with network_camera() as camera, Stream(camera.address, timeout_ms=700) as stream:
        assert stream.read() is not None
        camera.stalled.set()
        began_s = time.monotonic()
        while stream.read() is not None:
            pass
        assert 0.5 < time.monotonic() - began_s < 8


class FakeCapture:
    """``cv2.VideoCapture`` of a camera that decodes some formats and not others."""

    shapes: ClassVar[dict[str, tuple[int, ...] | None]] = {}
    rates: ClassVar[dict[str, float]] = {}
    gives: ClassVar[str] = ""
    open: ClassVar[int] = 0

    def __init__(self, name: str, backend: int) -> None:
        self.name, self.fourcc, self.asked = name, "", dict[int, float]()
        FakeCapture.open += 1

    def isOpened(self) -> bool:
        return bool(self.shapes)

    def set(self, key: int, value: float) -> bool:
        if key == cv2.CAP_PROP_FOURCC:
            self.fourcc = self.gives or int(value).to_bytes(4, "little").decode()
        self.asked[key] = value
        return True

    def get(self, key: int) -> float:
        if key == cv2.CAP_PROP_FOURCC:
            return float(int.from_bytes(self.fourcc.encode(), "little"))
        return self.rates.get(self.fourcc, 0.0) if key == cv2.CAP_PROP_FPS else 0.0

    def grab(self) -> bool:
        return self.shapes.get(self.fourcc) is not None

    def retrieve(self) -> tuple[bool, Any]:
        shape = self.shapes.get(self.fourcc)
        return shape is not None, None if shape is None else np.zeros(shape, np.uint8)

    read = retrieve

    def release(self) -> None:
        FakeCapture.open -= 1


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> type[FakeCapture]:
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    FakeCapture.shapes, FakeCapture.rates, FakeCapture.gives, FakeCapture.open = {}, {}, "", 0
    return FakeCapture


FLAT, WHOLE = (1, 480 * 640 * 3), (480, 640, 3)


@pytest.mark.parametrize(
    "shapes",
    [{"YUYV": WHOLE, "MJPG": WHOLE}, {"YUYV": FLAT, "MJPG": WHOLE}, {"YUYV": None, "MJPG": WHOLE}],
)
def test_a_camera_is_read_in_the_first_format_that_gives_pictures(
    camera: type[FakeCapture], shapes: dict[str, Any]
) -> None:
    camera.shapes = shapes
    with V4L2("0") as source:
        frame = source.read()
        assert source.name == "/dev/video0" and source.live
        assert frame is not None and frame.image_bgr.shape == WHOLE


@pytest.mark.parametrize(
    ("rates", "chosen"),
    [
        ({"YUYV": 30.0, "MJPG": 60.0}, "YUYV"),
        ({"YUYV": 29.97, "MJPG": 30.0}, "YUYV"),
        ({"YUYV": 10.0, "MJPG": 30.0}, "MJPG"),
        ({"YUYV": 15.0, "MJPG": 15.0}, "YUYV"),
        ({"YUYV": 15.0, "MJPG": 10.0}, "YUYV"),
        ({"YUYV": 0.0, "MJPG": 30.0}, "YUYV"),
    ],
)
def test_mjpg_is_taken_where_it_is_faster(
    camera: type[FakeCapture], rates: dict[str, float], chosen: str
) -> None:
    camera.shapes, camera.rates = {"YUYV": WHOLE, "MJPG": WHOLE}, rates
    with V4L2("0") as source:
        assert source._capture.fourcc == chosen
        assert source.fps == (rates[chosen] or 30.0)
        assert camera.open == 1, "one at a time: a device opens once"
        assert source.remark == "", "nothing was asked for"
    assert camera.open == 0


def test_what_is_asked_of_a_camera_reaches_it(camera: type[FakeCapture]) -> None:
    camera.shapes, camera.rates = {"MJPG": (720, 1280, 3)}, {"MJPG": 15.0}
    with V4L2("0", "MJPG", (1280, 720), 15.0) as source:
        keys = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS)
        assert [source._capture.asked[key] for key in keys] == [1280, 720, 15]
        assert (source.fps, source.remark) == (15, "")


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (Mode("MJPG"), "asked for MJPG and gives YUYV:"),
        (Mode(size_wh=(1280, 720)), "asked for 1280×720 and gives 640×480:"),
        (Mode(fps=30.0), "asked for 30 frames a second and gives 7.5 frames a second:"),
        (
            Mode("MJPG", (1280, 720), 30.0),
            "asked for MJPG, 1280×720, 30 frames a second and gives YUYV, 640×480, "
            "7.5 frames a second: v4l2-ctl --device /dev/video0 --list-formats-ext lists",
        ),
        (Mode("YUYV", (640, 480), 7.4), ""),
    ],
)
def test_a_camera_that_does_otherwise_is_said_in_one_line(
    camera: type[FakeCapture], asked: Mode, says: str
) -> None:
    camera.shapes, camera.rates, camera.gives = {"YUYV": WHOLE}, {"YUYV": 7.5}, "YUYV"
    lines: list[str] = []
    with open_source("0", mode=asked, note=lines.append) as source:
        assert source.read() is not None
    assert len(lines) == bool(says)
    assert says in "".join(lines) and "\n" not in "".join(lines)


def test_a_format_that_is_no_picture_is_refused(camera: type[FakeCapture]) -> None:
    camera.shapes = {"YUYV": WHOLE, "H264": None}
    with pytest.raises(CameraError, match=r"no frame as H264: .*--list-formats-ext"):
        V4L2("0", "H264")
    assert camera.open == 0


def test_a_camera_that_gives_flat_buffers_is_refused(camera: type[FakeCapture]) -> None:
    camera.shapes = {"YUYV": FLAT, "MJPG": None}
    with pytest.raises(CameraError, match=r"\(1, 921600\) as YUYV, no frame as MJPG: .*v4l2-ctl"):
        V4L2("0")


def test_a_camera_whose_frames_turn_flat_is_refused(camera: type[FakeCapture]) -> None:
    camera.shapes = {"YUYV": WHOLE}
    with V4L2("0") as source:
        camera.shapes = {"YUYV": FLAT}
        with pytest.raises(CameraError, match=r"shape \(H, W, 3\)"):
            source.read()


def test_devices_are_listed_in_order_with_their_names(tmp_path: Path) -> None:
    dev, sys = tmp_path / "dev", tmp_path / "sys"
    dev.mkdir()
    for name in ("video10", "video2", "video-other", "vcs"):
        (dev / name).touch()
    (sys / "video2").mkdir(parents=True)
    (sys / "video2" / "name").write_text("HD Webcam\n")
    assert nodes(dev, sys) == {str(dev / "video2"): "HD Webcam", str(dev / "video10"): ""}
    assert list(nodes(dev, sys)) == [str(dev / "video2"), str(dev / "video10")]


def test_without_a_camera_the_ones_that_are_there_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(v4l2_module, "nodes", lambda: {"/dev/video2": "HD Webcam"})
    assert "has /dev/video2 (HD Webcam): choose one" in diagnosis("/dev/video97")
    monkeypatch.setattr(v4l2_module, "nodes", lambda: {})
    assert "no /dev/video*: plug a camera in" in diagnosis("/dev/video97")


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        (13, "usermod -aG video"),
        (16, "fuser -v"),
        (19, "plug the camera in again"),
        (0, "no camera"),
    ],
)
def test_a_device_that_does_not_open_says_why(
    monkeypatch: pytest.MonkeyPatch, error: int, cure: str
) -> None:
    def fail(path: str, flags: int) -> int:
        if error:
            raise OSError(error, os.strerror(error), path)
        return os.dup(0)

    monkeypatch.setattr(v4l2_module.os, "open", fail)
    assert cure in diagnosis("/dev/video0")

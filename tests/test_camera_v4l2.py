"""A USB camera's own troubles on a real /dev/video0: the kernel's vivid driver, as a webcam.

``make test-camera`` boots a virtual machine that has one. Pulling the plug is unbinding the driver,
and a camera that hangs is one whose every buffer the driver drops.
"""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from camera_tools import NO_CAMERA, until
from test_cli_camera import lines, make_bundle, start, wait_for_lines

from edgecnn.camera.sources import Mode, Newest, open_source
from edgecnn.camera.sources.v4l2 import V4L2, nodes
from edgecnn.errors import CameraError

CAMERA, DRIVER = "/dev/video0", Path("/sys/bus/platform/drivers/vivid")

pytestmark = [
    pytest.mark.skipif(not os.path.exists(CAMERA), reason=NO_CAMERA),
    pytest.mark.skipif(
        os.path.exists(CAMERA) and not DRIVER.exists(),
        reason="this camera is a real one, which cannot be unplugged from here",
    ),
]


def drop(percent: int) -> None:
    """Set vivid's control "Percentage of Dropped Buffers"."""
    handle = os.open(CAMERA, os.O_RDWR)
    fcntl.ioctl(handle, 0xC008561C, struct.pack("<Ii", 0x00F0F040, percent))  # VIDIOC_S_CTRL
    os.close(handle)


class Plug:
    """The cable between the camera and this machine."""

    def pull(self) -> None:
        (DRIVER / "unbind").write_text("vivid.0")
        until(lambda: not os.path.exists(CAMERA), 10)

    def put_in(self) -> None:
        if not os.path.exists(CAMERA):
            (DRIVER / "bind").write_text("vivid.0")
            until(lambda: os.path.exists(CAMERA), 10)


@pytest.fixture
def plug() -> Iterator[Plug]:
    cable = Plug()
    yield cable
    cable.put_in()


def test_the_driver_says_its_name() -> None:
    assert nodes() == {CAMERA: "vivid-000-vid-cap"}


@pytest.mark.parametrize(
    ("mode", "shape", "fps", "says"),
    [
        (Mode(), (480, 640, 3), 25, ""),
        (Mode(size_wh=(320, 180), fps=10.0), (180, 320, 3), 10, ""),
        (Mode(size_wh=(1280, 720), fps=5.0), (720, 1280, 3), 5, ""),
        (Mode(size_wh=(1000, 700)), (720, 1280, 3), 12.5, "for 1000×700 and gives 1280×720:"),
        (Mode(fps=45.0), (480, 640, 3), 25, "for 45 frames a second and gives 25 frames"),
        (Mode("MJPG"), (480, 640, 3), 25, "asked for MJPG and gives BGR3:"),
    ],
)
def test_what_is_asked_for_comes_or_is_said(
    mode: Mode, shape: tuple[int, ...], fps: float, says: str
) -> None:
    said: list[str] = []
    with open_source("0", mode=mode, note=said.append) as source:
        frame = source.read()
        assert frame is not None and frame.image_bgr.shape == shape
        assert source.fps == pytest.approx(fps, abs=0.1)
    assert len(said) == bool(says) and says in "".join(said)


def test_the_picture_is_the_drivers() -> None:
    # Its test pattern begins with bars of 75 % white, yellow, cyan, green, magenta, red, blue.
    with V4L2("0") as source:
        frame = source.read()
    assert frame is not None
    bars = frame.image_bgr[300, 40::80].astype(int)  # below the text, in the middle of each bar
    bright = [tuple(bool(c > 90) for c in bar) for bar in bars]
    assert bright[:7] == [
        (True, True, True),
        (False, True, True),
        (True, True, False),
        (False, True, False),
        (True, False, True),
        (False, False, True),
        (True, False, False),
    ]


def test_a_path_that_stays_the_cameras_is_one_too() -> None:
    link = Path("/dev/v4l/by-id/usb-webcam")
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(CAMERA)
    try:
        with open_source(str(link)) as source:
            assert source.read() is not None and source.name == str(link)
    finally:
        link.unlink()


def test_a_camera_that_another_program_has_is_refused_in_one_line() -> None:
    with V4L2("0") as source:
        assert source.read() is not None
        with pytest.raises(CameraError) as caught:
            V4L2("0")
    assert "\n" not in str(caught.value) and CAMERA in str(caught.value)


def test_unplugged_and_plugged_in_again(plug: Plug) -> None:
    said: list[str] = []
    with open_source("0", note=said.append) as source:
        assert source.read() is not None
        plug.pull()
        until(lambda: len(said) == 1, 15)
        assert (
            said[0] == f"{CAMERA} stopped (no more frames came): opening it again until it is back"
        )
        time.sleep(2)
        assert len(said) == 1, "it says so once, however often it tries"
        plug.put_in()
        until(lambda: len(said) == 2, 30)
        assert said[1].startswith(f"{CAMERA} is back after ")
        frame = source.read()
        assert frame is not None and time.monotonic() - frame.taken_s < 1


def test_a_camera_that_hangs_is_opened_until_it_gives_frames() -> None:
    said: list[str] = []
    with open_source("0", note=said.append) as source:
        assert isinstance(source, Newest) and source.read() is not None
        try:
            drop(100)
            until(lambda: len(said) == 1, 25)
            assert "stopped (no more frames came)" in said[0]
        finally:
            drop(0)
        until(lambda: len(said) == 2, 40)
        assert source.read() is not None


def test_the_app_outlives_its_camera(plug: Plug, tmp_path: Path, root: Path) -> None:
    bundle, events = make_bundle(tmp_path / "bundle", "images"), tmp_path / "events.jsonl"
    tape = tmp_path / "a.tape"
    process = start(root, bundle, "--source", "0", "--events", events, "--record", tape)
    wait_for_lines(events, 3)
    plug.pull()
    assert process.stderr is not None and "stopped" in process.stderr.readline()
    seen = len(lines(events))
    plug.put_in()
    wait_for_lines(events, seen + 5)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "frames in" in out
    assert [line.split(" after")[0] for line in err.splitlines()] == [f"edgecnn: {CAMERA} is back"]
    states = [e["state"] for e in lines(events) if e["event"] == "source"]
    assert states == ["lost", "back"]
    frames = [e["frame"] for e in lines(events) if e["event"] == "label"]
    with open_source(str(tape)) as again:
        numbers = []
        while (frame := again.read()) is not None:
            numbers.append(frame.index)
    assert numbers == frames

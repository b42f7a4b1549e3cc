"""A Pi's CSI camera, through a stand-in for picamera2: there was no Pi to test on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from camera_tools import until
from fake_picamera2 import FakePicamera2, fake_module

from edgecnn.camera.sources import Mode, Newest, open_source
from edgecnn.camera.sources.csi import CSI, cure
from edgecnn.errors import CameraError, MissingExtra


@pytest.fixture
def pi(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakePicamera2]]:
    monkeypatch.setitem(sys.modules, "picamera2", fake_module())
    yield FakePicamera2
    assert FakePicamera2.open == set(), "a camera was left open"


@pytest.mark.parametrize(
    ("text", "accepted"),
    [("csi", True), ("csi:1", True), ("csi:", False), ("csi1", False), ("csi:x", False)],
)
def test_names(text: str, accepted: bool) -> None:
    assert CSI.accepts(text) == accepted


def test_frames_are_bgr_and_their_buffers_go_back(pi: type[FakePicamera2]) -> None:
    with CSI("csi") as source:
        for index in range(20):
            frame = source.read()
            assert frame is not None and frame.index == index
            assert frame.image_bgr.shape == (480, 640, 3)
            assert frame.image_bgr[0, 0, 0] == 255, "blue comes first"
        assert (source.name, source.fps, source.remark) == ("csi:0", pytest.approx(30, 1e-4), "")


def test_size_and_rate_are_asked_for(pi: type[FakePicamera2]) -> None:
    with CSI("csi", (1280, 720), 15.0) as source:
        frame = source.read()
        assert frame is not None and frame.image_bgr.shape == (720, 1280, 3)
        assert source.fps == pytest.approx(15, 1e-4) and source.remark == ""


def test_a_camera_that_does_otherwise_is_said(pi: type[FakePicamera2]) -> None:
    pi.gives_wh, pi.gives_us = (640, 360), 100_000
    lines: list[str] = []
    with open_source("csi", mode=Mode(size_wh=(1280, 720), fps=30.0), note=lines.append) as source:
        assert source.fps == 10
    assert lines == [
        "csi:0 was asked for 1280×720, 30 frames a second and gives 640×360, 10 frames a second: "
        "rpicam-hello --list-cameras lists its modes"
    ]


def test_a_format_cannot_be_chosen(pi: type[FakePicamera2]) -> None:
    with pytest.raises(CameraError, match="--fourcc cannot be chosen for csi"):
        open_source("csi", mode=Mode("MJPG"))


def test_the_second_camera(pi: type[FakePicamera2]) -> None:
    pi.models = ["imx708", "imx219"]
    with CSI("csi:1") as source:
        assert pi.open == {1} and source.name == "csi:1"


def test_a_camera_that_is_not_there(pi: type[FakePicamera2]) -> None:
    with pytest.raises(CameraError, match=r"csi:2. libcamera finds imx708: check both ends"):
        open_source("csi:2")
    pi.models = []
    with pytest.raises(CameraError, match="libcamera finds none"):
        open_source("csi")


@pytest.mark.parametrize(
    ("attribute", "value", "says"),
    [
        (
            "busy",
            True,
            r"csi:0 \(imx708\) does not open \(Failed to acquire camera: Device or resource busy\)",
        ),
        ("starts", False, r"does not start with 640×480, 30 frames a second \(Failed to start"),
        ("hangs", True, "None came in 10 s"),
        ("channels", 4, r"Received: \(480, 640, 4\) uint8"),
    ],
)
def test_what_fails_is_one_line_and_nothing_stays_open(
    pi: type[FakePicamera2],
    monkeypatch: pytest.MonkeyPatch,
    attribute: str,
    value: object,
    says: str,
) -> None:
    monkeypatch.setattr(pi, attribute, value)
    with pytest.raises(CameraError, match=says) as caught:
        open_source("csi")
    assert "\n" not in str(caught.value)


def test_a_camera_that_hangs_is_opened_again(pi: type[FakePicamera2]) -> None:
    lines: list[str] = []
    with Newest(lambda: CSI("csi"), note=lines.append, waits_s=(0.02, 0.02)) as source:
        assert source.read() is not None
        pi.hangs = True
        until(lambda: len(lines) == 1)
        pi.hangs = False
        until(lambda: len(lines) == 2)
        assert source.read() is not None
    assert [line.split()[1] for line in lines] == ["stopped", "is"]


# --- what to do without picamera2


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    return tmp_path


SAID = "comes with Raspberry Pi OS and not from pip"
INSTALL = "sudo apt install -y python3-picamera2"


def test_a_closed_environment_is_opened_by_the_very_command(venv: Path) -> None:
    line = cure("picamera2", str(venv), "/usr")
    apt, _, sed = line.partition(" && ")
    assert SAID in apt and apt.endswith(f": {INSTALL}")
    subprocess.run(sed, shell=True, check=True)
    assert "include-system-site-packages = true" in (venv / "pyvenv.cfg").read_text()
    assert cure("picamera2", str(venv), "/usr").endswith(f": {INSTALL}")


def test_the_systems_python_needs_the_package_alone() -> None:
    assert cure("libcamera", "/usr", "/usr").endswith(f"not from pip: {INSTALL}")


def test_another_python_cannot_have_it(venv: Path) -> None:
    line = cure("picamera2", str(venv), "/opt/python3.12")
    assert "/usr/bin/python3 -m venv --system-site-packages" in line and "sed" not in line


def test_without_picamera2_the_source_says_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(MissingExtra, match=INSTALL):
        open_source("csi")


@pytest.mark.parametrize(
    ("error", "raised", "says"),
    [
        (ModuleNotFoundError("no", name="libcamera"), MissingExtra, "libcamera is not installed"),
        (ModuleNotFoundError("no", name="other"), ModuleNotFoundError, "no"),
        (
            ValueError("numpy.dtype size changed, may indicate binary incompatibility."),
            CameraError,
            "pip install --ignore-installed simplejpeg",
        ),
        (ValueError("a defect"), ValueError, "a defect"),
    ],
)
def test_what_else_an_import_may_say(
    monkeypatch: pytest.MonkeyPatch, error: Exception, raised: type[Exception], says: str
) -> None:
    class Broken:
        def __getattr__(self, name: str) -> object:
            raise error

    monkeypatch.setitem(sys.modules, "picamera2", Broken())
    with pytest.raises(raised, match=says):
        open_source("csi")

"""A network camera over RTSP, by a real server: GStreamer's, with H.264 by ffmpeg."""

from __future__ import annotations

import signal
import time
from itertools import pairwise
from pathlib import Path

import pytest
from camera_tools import number_of, rtsp_camera
from test_cli_camera import lines, make_bundle, start, wait_for_lines

from edgecnn.camera.sources.stream import Stream
from edgecnn.errors import CameraError


def test_frames_come_whole_and_in_order(tmp_path: Path) -> None:
    with rtsp_camera(tmp_path) as camera, Stream(camera.address) as stream:
        assert stream.fps == pytest.approx(25)
        frames = [stream.read() for _ in range(40)]
        numbers = [number_of(f.image_bgr) for f in frames if f is not None]
    assert len(numbers) == 40
    assert all((b - a) % 12 == 1 for a, b in pairwise(numbers))
    assert all(f is not None and f.image_bgr.shape == (48, 64, 3) for f in frames)


def test_a_server_that_is_killed_ends_the_stream_at_once(tmp_path: Path) -> None:
    with rtsp_camera(tmp_path) as camera, Stream(camera.address) as stream:
        assert stream.read() is not None
        camera.process.kill()
        began_s = time.monotonic()
        while stream.read() is not None:
            pass
        assert time.monotonic() - began_s < 8


def test_a_server_that_hangs_ends_the_stream_after_the_timeout(tmp_path: Path) -> None:
    with rtsp_camera(tmp_path) as camera, Stream(camera.address, timeout_ms=1500) as stream:
        assert stream.read() is not None
        camera.process.send_signal(signal.SIGSTOP)
        began_s = time.monotonic()
        while stream.read() is not None:
            pass
        assert 1 < time.monotonic() - began_s < 8


def test_a_password_opens_and_is_never_shown(tmp_path: Path) -> None:
    with rtsp_camera(tmp_path, pair="me:secret") as camera:
        with Stream(camera.address) as stream:
            assert stream.read() is not None
            assert stream.name == f"rtsp://***@127.0.0.1:{camera.port}/video"
        with pytest.raises(CameraError, match="the user and the password") as caught:
            Stream(camera.address.replace("secret", "guessed"))
        assert "guessed" not in str(caught.value)


def test_the_app_stays_up_while_the_server_is_away(tmp_path: Path, root: Path) -> None:
    bundle, events = make_bundle(tmp_path / "bundle", "images"), tmp_path / "events.jsonl"
    with rtsp_camera(tmp_path) as camera:
        process = start(root, bundle, "--source", camera.address, "--events", events)
        wait_for_lines(events, 3)
        camera.process.kill()
        assert process.stderr is not None
        assert f"{camera.address} stopped (no more frames came)" in process.stderr.readline()
    time.sleep(1)  # the last frames are still recognised and written
    seen = len(lines(events))
    time.sleep(1)
    assert process.poll() is None and len(lines(events)) == seen
    with rtsp_camera(tmp_path, camera.port):
        wait_for_lines(events, seen + 10)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0 and "frames in" in out
    assert len(err.splitlines()) == 1 and f"{camera.address} is back after " in err
    states = [e["state"] for e in lines(events) if e["event"] == "source"]
    assert states == ["lost", "back"]


def test_who_has_no_server_is_told_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("camera_tools.SYSTEM_PYTHON", "/bin/false")
    with pytest.raises(pytest.skip.Exception, match="apt-get install"), rtsp_camera(tmp_path):
        pass

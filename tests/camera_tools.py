"""Real sources for tests of the camera app, made on the fly: a video file, a network camera."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgecnn.camera.pipeline import Result
from edgecnn.camera.sinks.tape import TapeSink
from edgecnn.camera.sources import Frame
from edgecnn.faces.types import Detection, Recognition
from edgecnn.images import Image

SIZE_WH = (64, 48)
STEP = 20


def picture(index: int, size_wh: tuple[int, int] = SIZE_WH) -> Image:
    """A grey picture that tells its number: 0, 20, 40 ... even after a lossy codec."""
    return np.full((size_wh[1], size_wh[0], 3), index * STEP % 256, np.uint8)


def number_of(image_bgr: Image) -> int:
    """The inverse of :func:`picture`, for numbers below 12."""
    return round(float(image_bgr.mean()) / STEP)


def make_video(path: Path, count: int = 10, fps: float = 20.0) -> Path:
    """A video of ``picture(0)``, ``picture(1)`` ..."""
    code = cv2.VideoWriter_fourcc(*("mp4v" if path.suffix == ".mp4" else "MJPG"))
    writer = cv2.VideoWriter(str(path), code, fps, SIZE_WH)
    assert writer.isOpened()
    for i in range(count):
        writer.write(picture(i))
    writer.release()
    return path


def make_folder(path: Path, count: int = 10) -> Path:
    """A folder of ``picture(0)`` ... named 0.png to 10.png and beyond."""
    path.mkdir()
    for i in range(count):
        assert cv2.imwrite(str(path / f"{i}.png"), picture(i))
    return path


def make_tape(path: Path, count: int = 10, fps: float = 20.0) -> Path:
    """A tape of ``picture(0)`` ... by the sink that ``--record`` has."""
    sink = TapeSink(path, "a test", fps)
    for i in range(count):
        now = datetime.now(timezone.utc)
        sink.write(Result(Frame(picture(i), i / fps, i), "a test", [], now, 1.0))
    sink.close()
    return path


def face(name: str | None = "Ann", score: float | None = 0.8, track: int = 1) -> Recognition:
    """A recognised face in the middle of a small picture."""
    box = np.array([20, 15, 44, 40], np.float32)
    return Recognition(Detection(box, 0.9, np.zeros((5, 2), np.float32)), track, name, score)


def until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for a thread or a process."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"it did not get there in {seconds:g} s"
        time.sleep(0.002)


@dataclass
class NetworkCamera:
    """What :func:`network_camera` serves; ``frames`` is how many a connection gets.

    While ``stalled`` is set, it holds its connections and sends nothing.
    """

    address: str
    frames: int
    connections: int = 0
    stalled: threading.Event = field(default_factory=threading.Event)


@contextmanager
def network_camera(frames: int = 1000, fps: float = 50.0, port: int = 0) -> Iterator[NetworkCamera]:
    """An MJPEG camera on the loopback, as cheap network cameras are: HTTP, multipart, JPEG.

    Args:
        port: any that is free where 0; that of an earlier one brings that camera back.
    """
    gone = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            camera.connections += 1
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            try:
                for i in range(camera.frames):
                    while camera.stalled.is_set() and not gone.wait(0.02):
                        pass
                    if gone.is_set():
                        return
                    jpeg = cv2.imencode(".jpg", picture(i % 12))[1].tobytes()
                    head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    self.wfile.write(b"--frame\r\n" + head.encode() + jpeg + b"\r\n")
                    time.sleep(1 / fps)
            except OSError:
                return  # the reader has gone, as readers do

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    camera = NetworkCamera(f"http://127.0.0.1:{server.server_address[1]}/video", frames)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield camera
    finally:
        gone.set()
        server.shutdown()
        server.server_close()
        thread.join()


NO_CAMERA = "this machine has no /dev/video0"

SYSTEM_PYTHON = "/usr/bin/python3"

NO_RTSP = (
    "no RTSP server: apt-get install --no-install-recommends ffmpeg python3-gi "
    "gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good"
)


@dataclass
class RTSPCamera:
    """What :func:`rtsp_camera` serves, and the server's process."""

    address: str
    port: int
    process: subprocess.Popen[str]


@contextmanager
def rtsp_camera(
    folder: Path, port: int = 0, pair: str = "", seconds: int = 60
) -> Iterator[RTSPCamera]:
    """GStreamer's RTSP server with H.264 by ffmpeg: ``picture(i % 12)``, 25 times a second.

    Args:
        folder: where the file is made.
        port: any that is free where 0; that of an earlier one brings that camera back.
        pair: user and password, ``me:secret``, where it asks for them.
    """
    gi = "import gi; gi.require_version('GstRtspServer', '1.0'); gi.require_version('Gst', '1.0')"
    plugins = "from gi.repository import Gst; Gst.init(None)"
    plugins += "; assert all(map(Gst.ElementFactory.find, ('matroskademux', 'rtph264pay')))"
    probe = [SYSTEM_PYTHON, "-c", f"{gi}; {plugins}"]
    if not shutil.which("ffmpeg") or subprocess.run(probe, capture_output=True).returncode:
        pytest.skip(NO_RTSP)
    clip = folder / "camera.mkv"
    if not clip.exists():
        size = f"{SIZE_WH[0]}x{SIZE_WH[1]}"
        encode = f"ffmpeg -v error -f rawvideo -pix_fmt bgr24 -s {size} -r 25 -i -"
        encode += f" -c:v libx264 -preset ultrafast -bf 0 -g 25 -pix_fmt yuv420p {clip}"
        raw = b"".join(picture(i % 12).tobytes() for i in range(12)) * (seconds * 25 // 12)
        subprocess.run(encode.split(), input=raw, check=True)
    server = [SYSTEM_PYTHON, str(Path(__file__).parent / "rtsp_server.py"), str(clip), str(port)]
    process = subprocess.Popen([*server, *filter(None, [pair])], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        login = f"{pair}@" if pair else ""
        yield RTSPCamera(f"rtsp://{login}127.0.0.1:{port}/video", port, process)
    finally:
        process.kill()
        process.communicate()

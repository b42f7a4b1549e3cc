"""The watchdog: systemd's protocol over a real socket, and cameras and interpreters that hang."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from camera_tools import make_video, picture, until
from test_cli_camera import lines, make_bundle, wait_for_lines

from edgecnn.camera.guard import EXIT_CODE, Guard
from edgecnn.camera.pipeline import Stats, run
from edgecnn.camera.sources import Frame, Newest, Source, open_source
from edgecnn.camera.systemd import Systemd
from edgecnn.faces.types import Recognition
from edgecnn.images import Image


class Manager:
    """What systemd listens on: a datagram socket, by a path or in the abstract namespace."""

    def __init__(self, address: str):
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)

        self._lines: queue.Queue[str] = queue.Queue()
        # Like systemd it reads all the time: a socket holds ten datagrams, and drops the rest.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while data := self._socket.recv(4096):
            for line in data.decode().splitlines():
                self._lines.put(line)

    def heard(self, wait_s: float = 0.0) -> list[str]:
        """Every line so far, in order; waits for the first one, and for those on the way."""
        found: list[str] = []
        with contextlib.suppress(queue.Empty):
            found.append(self._lines.get(timeout=wait_s or 0.001))
            while True:
                found.append(self._lines.get(timeout=0.02))
        return found

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            address = self.address
            last.sendto(b"", "\0" + address[1:] if address.startswith("@") else address)
        self._reader.join()
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    path = str(tmp_path / "notify") if request.param == "path" else f"@edgecnn-test-{os.getpid()}"
    listening = Manager(path)
    yield listening
    listening.close()


@pytest.fixture
def by_path(tmp_path: Path) -> Iterator[Manager]:
    listening = Manager(str(tmp_path / "notify"))
    yield listening
    listening.close()


def test_a_message_is_one_datagram(manager: Manager) -> None:
    systemd = Systemd({"NOTIFY_SOCKET": manager.address})
    assert systemd.tell("READY=1", "STATUS=12.3 frames a second")
    assert manager.heard(2) == ["READY=1", "STATUS=12.3 frames a second"]


@pytest.mark.parametrize(
    ("env", "watchdog_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "90000000"}, 90.0),
        ({"WATCHDOG_USEC": "90000000", "WATCHDOG_PID": str(os.getpid())}, 90.0),
        ({"WATCHDOG_USEC": "90000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_time_that_systemd_waits(env: dict[str, str], watchdog_s: float | None) -> None:
    assert Systemd(env).watchdog_s == watchdog_s


@pytest.mark.parametrize("address", ["", "/nowhere/notify", "@edgecnn-nobody-listens"])
def test_without_systemd_nothing_happens(address: str) -> None:
    assert Systemd({"NOTIFY_SOCKET": address}).tell("READY=1") is False


class Paced(Source):
    """A camera of 100 frames a second; from frame ``hangs`` on its read does not come back."""

    name, live, fps = "paced", True, 100.0

    def __init__(self, count: int = 10_000, hangs: int = -1):
        self.count, self.hangs, self.index = count, hangs, 0
        self.released = threading.Event()

    def read(self) -> Frame | None:
        if self.index == self.hangs:
            self.released.wait(20)
        if self.index == self.count:
            return None
        time.sleep(0.01)
        self.index += 1
        return Frame(picture(self.index), self.index / self.fps, self.index)

    def close(self) -> None:
        """Nothing to let go of."""


def nobody(image_bgr: Image, time_s: float) -> Sequence[Recognition]:
    return []


def guarded(
    source: Source,
    recogniser: Any = nobody,
    manager: Manager | None = None,
    stop: threading.Event | None = None,
    **more: Any,
) -> tuple[Guard, Stats, list[int]]:
    """Run a loop under a guard of short patience."""
    stop, stats, left = stop or threading.Event(), Stats(), []
    env = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "200000"} if manager else {}
    guard = Guard(
        source,
        stats,
        stop,
        note=lambda line: None,
        systemd=Systemd(env),
        hung_s=1.0,
        round_s=0.05,
        backstop=False,
        leave=left.append,
        **more,
    )
    with guard:
        run(source, recogniser, stop=stop, stats=stats)
    return guard, stats, left


def test_ready_comes_after_the_first_frame_and_once(by_path: Manager) -> None:
    waiting = threading.Event()

    def slow_start(image_bgr: Image, time_s: float) -> Sequence[Recognition]:
        if not waiting.is_set():
            time.sleep(0.3)
            assert "READY=1" not in by_path.heard()
            waiting.set()
        return []

    guard, stats, left = guarded(Paced(60), slow_start, by_path)
    heard = by_path.heard(1)
    assert heard.count("READY=1") == 1 and heard[-1] == "STOPPING=1"
    assert heard.index("WATCHDOG=1") < heard.index("STOPPING=1")
    (status,) = [line for line in heard if line.startswith("STATUS=")]
    assert "frames a second" in status
    assert (guard.fault, stats.frames, left) == (None, 60, [])


def test_the_watchdog_is_fed_only_while_frames_come(by_path: Manager) -> None:
    class Noting(Paced):
        """Takes what was heard until it hangs."""

        heard: list[str]

        def read(self) -> Frame | None:
            if self.index == self.hangs:
                self.heard = by_path.heard()
            return super().read()

    source, stop = Noting(hangs=60), threading.Event()
    newest = Newest(lambda: source, stop)
    guard, stats, left = guarded(newest, nobody, by_path, stop)
    source.released.set()
    newest.close()
    assert source.heard.count("WATCHDOG=1") >= 2
    # It hangs for 20 rounds; the first may still see the last frame, and that it was recognised.
    assert by_path.heard(1).count("WATCHDOG=1") <= 2
    assert guard.fault is not None and "no sign of life from paced" in guard.fault
    assert left == [] and stats.frames >= 20, "the loop itself came back, so it ends in order"


def test_a_camera_that_is_away_but_looked_for_is_not_hung() -> None:
    class Away(Paced):
        """Its thread tries to open the camera again, which fails; then it is back."""

        stirs = 0

        def read(self) -> Frame | None:
            if self.index == 5:
                for _ in range(10):
                    time.sleep(0.1)
                    self.stirs += 1
            return super().read()

    guard, stats, left = guarded(Away(20))
    assert (guard.fault, stats.frames, left) == (None, 20, [])


def test_an_interpreter_that_hangs_ends_the_process_and_the_outputs_are_rescued() -> None:
    released, rescued = threading.Event(), []

    def hangs(image_bgr: Image, time_s: float) -> Sequence[Recognition]:
        released.wait(20)
        return []

    def rescue() -> None:
        rescued.append(1)
        released.set()

    guard, _, left = guarded(Paced(2), hangs, rescue=rescue)
    assert guard.fault is not None and guard.fault.startswith("the interpreter has not answered")
    assert (left, rescued) == ([EXIT_CODE], [1])


def test_an_output_that_hangs_is_named() -> None:
    released = threading.Event()

    class Hung:
        def write(self, result: object) -> None:
            released.wait(20)

        def close(self) -> None:
            """Nothing to finish."""

    stop, stats, left = threading.Event(), Stats(), []
    source = Paced(50)
    with Guard(
        source, stats, stop, released.set, lambda line: None,
        systemd=Systemd({}), hung_s=0.5, round_s=0.05, backstop=False, leave=left.append,
    ) as guard:  # fmt: skip
        run(source, nobody, [Hung()], stop=stop, stats=stats)
    assert guard.fault is not None and guard.fault.startswith("an output has not answered")
    assert left == [EXIT_CODE]


Start = Callable[[str, "Manager | None"], "subprocess.Popen[str]"]


def test_an_output_that_hangs_while_it_is_finished_is_named() -> None:
    left: list[int] = []
    with Guard(
        Paced(), Stats(), threading.Event(), note=lambda line: None,
        systemd=Systemd({}), hung_s=0.3, round_s=0.05, backstop=False, leave=left.append,
    ) as guard:  # fmt: skip
        until(lambda: left != [])
    assert guard.fault is not None and guard.fault.startswith("an output has not answered")
    assert left == [EXIT_CODE]


CHILD = """
import ctypes, sys, time
from edgecnn.camera import app, guard, sources
from edgecnn.camera.sources import Newest
from edgecnn.cli import main
from edgecnn.events.schema import Label
what, count = sys.argv[1], 0
guard.HUNG_S, guard.ROUND_S = 3.0 if what == "nothing" else 1.0, 0.1
guard.LAST_S = 3.0 if what == "interpreter with the lock" else 30.0

def recogniser(image_bgr, time_s):
    global count
    count += 1
    if what == "interpreter" and count == 10:
        time.sleep(1000)
    if what == "interpreter with the lock" and count == 10:
        ctypes.PyDLL(None).sleep(1000)
    return Label("cat", 0.9)

class Camera(sources.Video):
    live, reads = True, 0
    def read(self):
        Camera.reads += 1
        if what == "camera" and Camera.reads == 10:
            time.sleep(1000)
        time.sleep(0.02)
        return super().read()

app.load = lambda *args: recogniser
app.open_source = lambda text, stop=None, **more: Newest(lambda: Camera(text), stop)
main(["camera", *sys.argv[2:]])
"""


@pytest.fixture
def start(root: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts the camera in a process of its own, which hangs as it is told."""
    started: list[subprocess.Popen[str]] = []

    def begin(what: str, manager: Manager | None) -> subprocess.Popen[str]:
        started.append(_begin(root, what, tmp_path, manager))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def _begin(root: Path, what: str, tmp_path: Path, manager: Manager | None) -> subprocess.Popen[str]:
    bundle = make_bundle(tmp_path / "bundle", "images")
    clip = make_video(tmp_path / "clip.avi", 2000)
    env = dict(os.environ)
    if manager:
        env |= {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "1000000"}
    outputs = ("--out-video", tmp_path / "out.avi", "--events", tmp_path / "events.jsonl")
    options = (bundle, "--source", clip, *outputs, "--full-rate")
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, what, *map(str, options)],
        cwd=root,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("what", "code", "says"),
    [
        ("camera", 2, "no frame and no sign of life from"),
        ("interpreter", EXIT_CODE, "the interpreter has not answered for"),
    ],
)
def test_a_process_that_hangs_ends_with_a_line_and_keeps_what_it_has(
    what: str, code: int, says: str, start: Start, tmp_path: Path, by_path: Manager
) -> None:
    process = start(what, by_path)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert len(err.splitlines()) == 1 and err.startswith(f"edgecnn: {says}")
    heard = by_path.heard()
    assert heard.count("READY=1") == 1 and heard[-1].startswith(("STOPPING=1", "STATUS="))
    assert len(lines(tmp_path / "events.jsonl")) == 9, "a line for each frame before it hung"
    with open_source(str(tmp_path / "out.avi")) as video:
        assert video.read() is not None
    left = sorted(p.name for p in tmp_path.iterdir())
    assert left == ["bundle", "clip.avi", "events.jsonl", "notify", "out.avi"], "no draft stays"


def test_a_call_that_keeps_pythons_lock_silences_the_watchdog_and_ends_too(
    start: Start, tmp_path: Path, by_path: Manager
) -> None:
    process = start("interpreter with the lock", by_path)
    wait_for_lines(tmp_path / "events.jsonl", 9)
    time.sleep(1.0)
    by_path.heard()
    time.sleep(1.0)
    assert by_path.heard() == [], "systemd would end it"
    if sys.version_info >= (3, 11):  # before, that timer goes by a clock that jumps
        _, err = process.communicate(timeout=60)
        assert process.returncode == 1 and err.startswith("Timeout (0:00:05)!")


def test_a_process_that_was_stopped_for_a_while_has_not_hung(start: Start, tmp_path: Path) -> None:
    process = start("nothing", None)
    events = tmp_path / "events.jsonl"
    wait_for_lines(events, 5)
    process.send_signal(signal.SIGSTOP)
    time.sleep(6.0)  # twice its patience
    count = events.read_text().count("\n")
    process.send_signal(signal.SIGCONT)
    wait_for_lines(events, count + 5)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")

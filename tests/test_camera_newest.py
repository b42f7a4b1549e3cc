"""The thread that keeps the newest frame, over cameras whose every move is known."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from queue import Queue

import pytest
from camera_tools import network_camera, picture, until

from edgecnn.camera.sources import Change, Frame, Newest, Source, open_source
from edgecnn.errors import CameraError, StorageError

FAST = (0.01, 0.04)


class Scripted(Source):
    """A camera that gives what the test puts into its queue; None ends it."""

    name, live, fps = "scripted", True, 30.0

    def __init__(self) -> None:
        self.queue: Queue[Frame | Exception | None] = Queue()
        self.reads, self.given = 0, 0
        self.closed = threading.Event()

    def read(self) -> Frame | None:
        self.reads += 1
        item = self.queue.get(timeout=10)
        if isinstance(item, Exception):
            raise item
        return item

    def close(self) -> None:
        self.closed.set()

    def give(self, *ages_s: float) -> None:
        """Queue a frame for each age, and wait until the thread has taken them all."""
        for age in ages_s:
            self.queue.put(Frame(picture(0), 99.0, 99, time.monotonic() - age))
        self.given += len(ages_s)
        until(lambda: self.reads == self.given + 1)


@pytest.fixture
def camera() -> Iterator[Scripted]:
    scripted = Scripted()
    yield scripted
    scripted.queue.put(None)


def test_only_the_newest_frame_is_read_and_only_once(camera: Scripted) -> None:
    with Newest(lambda: camera) as source:
        camera.give(0.3, 0.2, 0.1)
        until(lambda: source.skipped == 2)
        frame = source.read()
        assert frame is not None and frame.index == 2
        reader = threading.Thread(target=source.read, daemon=True)
        reader.start()
        reader.join(0.05)
        assert reader.is_alive(), "the same frame must not come twice"
        camera.give(0)
        reader.join(5)
        assert not reader.is_alive()
        camera.queue.put(None)


def test_a_late_frame_is_passed_over(camera: Scripted) -> None:
    with Newest(lambda: camera, max_age_s=1.0) as source:
        camera.give(1.5)
        threading.Timer(0.05, camera.give, (0.0,)).start()
        frame = source.read()
        assert frame is not None and frame.index == 1
        assert time.monotonic() - frame.taken_s < 1
        assert source.skipped == 1
        camera.queue.put(None)


def test_times_count_from_the_beginning(camera: Scripted) -> None:
    with Newest(lambda: camera) as source:
        time.sleep(0.05)
        camera.give(0)
        frame = source.read()
        assert frame is not None and 0.05 <= frame.time_s < 5
        camera.queue.put(None)


def test_a_camera_that_is_not_there_fails_at_once() -> None:
    asked = []

    def refuse() -> Source:
        asked.append(1)
        raise CameraError("no camera")

    with pytest.raises(CameraError, match="no camera"):
        Newest(refuse)
    assert len(asked) == 1, "there is nothing to wait for at the start"


def test_a_camera_that_stops_is_opened_again() -> None:
    cameras = [Scripted(), Scripted()]
    remaining = iter(cameras)
    with Newest(lambda: next(remaining), waits_s=FAST) as source:
        cameras[0].give(0)
        assert source.read() is not None
        cameras[0].queue.put(None)
        until(lambda: cameras[1].reads == 1)
        assert cameras[0].closed.is_set()
        cameras[1].give(0)
        frame = source.read()
        assert frame is not None and frame.index == 1, "numbers go on"
        cameras[1].queue.put(None)


class Clock(threading.Event):
    """An event whose waits take no time and are remembered; set after so many of them."""

    def __init__(self, most: int):
        super().__init__()
        self.waits: list[float] = []
        self._most = most

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        if len(self.waits) == self._most:
            self.set()
        return self.is_set()


def test_a_camera_that_stays_away_is_asked_for_ever_ever_more_seldom(camera: Scripted) -> None:
    lines: list[str] = []
    opened = 0

    def open_once() -> Source:
        nonlocal opened
        opened += 1
        if opened > 1:
            raise CameraError("/dev/video0 is gone")
        return camera

    with Newest(open_once, note=lines.append) as source:
        source._closed = clock = Clock(most=10)
        camera.queue.put(None)
        until(clock.is_set)
        assert clock.waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30], "twice as long, 30 s at most"
        assert opened == 10
        assert len(lines) == 1 and lines[0].startswith("scripted stopped (no more frames came)")


def test_a_camera_that_falls_over_at_once_again_is_asked_no_more_often() -> None:
    lines: list[str] = []
    cameras = [Scripted() for _ in range(5)]
    remaining = iter(cameras)
    with Newest(lambda: next(remaining), note=lines.append, waits_s=(5.0, 30.0)) as source:
        source._closed = clock = Clock(most=4)
        for scripted in cameras:
            scripted.queue.put(Frame(picture(0), 0.0, 0))
            scripted.queue.put(None)
        until(clock.is_set)
        assert clock.waits == [5, 10, 20, 30]
    assert [line.split()[1] for line in lines] == ["stopped", "is"] * 3 + ["stopped"]


def test_loss_and_return_are_one_line_each_and_remarks_follow() -> None:
    lines: list[str] = []
    cameras = [Scripted(), Scripted()]
    cameras[1].remark = "scripted gives 320×240"
    remaining = iter(cameras)
    with Newest(lambda: next(remaining), note=lines.append, waits_s=FAST) as source:
        cameras[0].queue.put(CameraError("its frames turned flat"))
        until(lambda: cameras[1].reads == 1)
        assert lines == [
            "scripted stopped (its frames turned flat): opening it again until it is back"
        ]
        cameras[1].give(0)
        assert source.read() is not None
        assert re.fullmatch(r"scripted is back after 0\.\d s", lines[1])
        assert lines[2:] == ["scripted gives 320×240"] == [source.remark]
        cameras[1].queue.put(None)


def test_who_listens_is_told_of_loss_and_return_also_when_late() -> None:
    cameras = [Scripted(), Scripted()]
    remaining = iter(cameras)
    early: list[Change] = []
    late: list[Change] = []
    with Newest(lambda: next(remaining), waits_s=FAST) as source:
        source.tell(early.append)
        cameras[0].queue.put(None)
        until(lambda: len(early) == 1)
        assert early == [Change("scripted", lost=True, reason="no more frames came")]
        source.tell(late.append)
        assert late == early
        cameras[1].give(0)
        until(lambda: len(late) == 2)
        assert late == early and not late[1].lost and 0 < late[1].away_s < 5
        third: list[Change] = []
        source.tell(third.append)
        assert third == [], "it is there"
        cameras[1].queue.put(None)


def test_what_a_listener_raises_reaches_the_reader(camera: Scripted) -> None:
    def full(change: Change) -> None:
        raise StorageError("the disk is full")

    with Newest(lambda: camera) as source:
        source.tell(full)
        camera.queue.put(None)
        with pytest.raises(StorageError, match="the disk is full"):
            source.read()


def test_the_last_frame_before_the_end_is_still_read(camera: Scripted) -> None:
    with Newest(lambda: camera, waits_s=(60.0, 60.0)) as source:
        camera.give(0)
        camera.queue.put(None)
        until(camera.closed.is_set)
        assert source.read() is not None


def test_a_fault_in_the_thread_reaches_the_reader(camera: Scripted) -> None:
    with Newest(lambda: camera) as source:
        camera.queue.put(ZeroDivisionError("a defect"))
        with pytest.raises(ZeroDivisionError, match="a defect"):
            source.read()
    assert camera.closed.is_set()


def test_stop_ends_a_read_that_waits(camera: Scripted) -> None:
    stop = threading.Event()
    with Newest(lambda: camera, stop) as source:
        threading.Timer(0.05, stop.set).start()
        began = time.monotonic()
        assert source.read() is None
        assert time.monotonic() - began < 30
        camera.queue.put(None)


def test_close_ends_the_thread_and_closes_the_camera(camera: Scripted) -> None:
    source = Newest(lambda: camera, waits_s=(60.0, 60.0))
    camera.queue.put(None)
    until(camera.closed.is_set)
    began = time.monotonic()
    source.close()
    assert time.monotonic() - began < 30, "the wait before the next attempt is cut short"
    assert not [t for t in threading.enumerate() if t.name == "edgecnn-camera" and t.is_alive()]


def test_a_slow_reader_of_a_real_stream_falls_behind_by_no_frame() -> None:
    with network_camera(fps=60) as camera, open_source(camera.address) as source:
        assert isinstance(source, Newest)
        for _ in range(6):
            time.sleep(0.1)  # a reader that does 10 of 60 frames a second
            frame = source.read()
            assert frame is not None
        assert frame.index >= 11 and source.skipped >= 6


def test_a_real_stream_that_breaks_off_comes_back() -> None:
    lines: list[str] = []
    with (
        network_camera(frames=30) as camera,
        open_source(camera.address, note=lines.append) as source,
    ):
        while camera.connections < 2:
            assert source.read() is not None
        assert source.read() is not None
        assert [line.split()[1] for line in lines[:2]] == ["stopped", "is"]

"""A recording read ahead: every frame, in order, and decoding beside recognising."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from camera_tools import make_folder, number_of, picture, until

from edgecnn.camera.sources import Frame, Source, open_source
from edgecnn.camera.sources.ahead import ROOM, Ahead
from edgecnn.camera.sources.folder import FPS
from edgecnn.errors import DataError


class Slow(Source):
    """Frames that take their time to decode; then an end, or an error."""

    name, live, fps = "slow", False, 10.0

    def __init__(self, count: int = 10, took_s: float = 0.0, error: Exception | None = None):
        self.count, self.took_s, self.error = count, took_s, error
        self.index, self.closed = 0, 0

    def read(self) -> Frame | None:
        if self.index == self.count:
            if self.error:
                raise self.error
            return None
        time.sleep(self.took_s)
        frame = Frame(picture(self.index), self.index / self.fps, self.index, 0.0)
        self.index += 1
        return frame

    def close(self) -> None:
        self.closed += 1


def test_every_frame_comes_once_and_in_order(tmp_path: Path) -> None:
    with Ahead(open_source(str(make_folder(tmp_path / "pictures", 8)))) as source:
        frames = []
        while (frame := source.read()) is not None:
            frames.append(frame)
        assert source.read() is None
    assert [f.index for f in frames] == [number_of(f.image_bgr) for f in frames] == [*range(8)]
    assert (source.live, source.fps) == (False, FPS)


def test_no_more_is_read_than_there_is_room_for() -> None:
    slow = Slow(100)
    with Ahead(slow) as source:
        assert source.read() is not None
        time.sleep(0.1)
        assert slow.index <= 1 + ROOM + 1
    assert slow.closed == 1


def test_a_frame_is_as_old_as_the_question_for_it() -> None:
    with Ahead(Slow()) as source:
        time.sleep(0.02)
        asked_s = time.monotonic()
        frame = source.read()
        assert frame is not None and frame.taken_s >= asked_s


def test_the_next_frame_is_decoded_while_this_one_is_recognised() -> None:
    slow = Slow(10)
    with Ahead(slow) as source:
        for i in range(8):
            assert source.read() is not None
            until(lambda i=i: slow.index >= i + 2)  # it takes nobody's asking


def test_an_error_comes_after_the_frames_before_it() -> None:
    with Ahead(Slow(2, error=DataError("no picture"))) as source:
        assert source.read() and source.read()
        for _ in range(2):
            with pytest.raises(DataError, match="no picture"):
                source.read()


def test_stop_and_close_end_a_read_and_the_thread() -> None:
    stop = threading.Event()
    source = Ahead(Slow(10, took_s=3.0), stop)
    threading.Timer(0.05, stop.set).start()
    began = time.monotonic()
    assert source.read() is None
    assert time.monotonic() - began < 2.5
    source.close()
    until(lambda: not [t for t in threading.enumerate() if t.name == "edgecnn-ahead"])

"""One contract for every source, each a real one, or in the place of a Pi's camera its stand-in."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
from camera_tools import (
    NO_CAMERA,
    make_folder,
    make_tape,
    make_video,
    network_camera,
    number_of,
    picture,
    rtsp_camera,
)
from fake_picamera2 import fake_module

from edgecnn.camera.sources import SOURCES, Newest, Source, open_source
from edgecnn.camera.sources.synthetic import Photo, SyntheticCamera

Opener = Callable[[Path], AbstractContextManager[Source]]


@contextmanager
def synthetic(folder: Path) -> Iterator[Source]:
    wall = np.full((64, 64, 3), 70, np.uint8)
    yield SyntheticCamera([Photo(picture(5), 80)], wall, frames=10, size_wh=(64, 48), fps=20.0)


@contextmanager
def mp4(folder: Path) -> Iterator[Source]:
    yield open_source(str(make_video(folder / "clip.mp4")))


@contextmanager
def avi(folder: Path) -> Iterator[Source]:
    yield open_source(str(make_video(folder / "clip.avi")))


@contextmanager
def pictures(folder: Path) -> Iterator[Source]:
    yield open_source(str(make_folder(folder / "pictures")))


@contextmanager
def tape(folder: Path) -> Iterator[Source]:
    yield open_source(str(make_tape(folder / "clip.tape")))


@contextmanager
def network(folder: Path) -> Iterator[Source]:
    with network_camera() as camera:
        yield open_source(camera.address)


@contextmanager
def rtsp(folder: Path) -> Iterator[Source]:
    with rtsp_camera(folder) as camera:
        yield open_source(camera.address)


@contextmanager
def csi(folder: Path) -> Iterator[Source]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "picamera2", fake_module())
        yield open_source("csi")


@contextmanager
def device(folder: Path) -> Iterator[Source]:
    if not os.path.exists("/dev/video0"):
        pytest.skip(NO_CAMERA)
    yield open_source("/dev/video0")


RECORDED: list[Opener] = [synthetic, mp4, avi, pictures, tape]
LIVE: list[Opener] = [network, rtsp, csi, device]


def name(opener: Opener) -> str:
    return str(opener.__name__)  # type: ignore[attr-defined]


@pytest.fixture(params=[*RECORDED, *LIVE], ids=name)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Source]:
    with request.param(tmp_path) as opened, opened:
        yield opened


def test_frames_are_pictures_with_rising_numbers_and_times(source: Source) -> None:
    frames = [source.read() for _ in range(5)]
    seen = [f for f in frames if f is not None]
    assert len(seen) == 5
    for frame in seen:
        assert frame.image_bgr.dtype == np.uint8
        assert frame.image_bgr.ndim == 3 and frame.image_bgr.shape[2] == 3
        assert time.monotonic() - frame.taken_s < 5
    indices, times = [f.index for f in seen], [f.time_s for f in seen]
    assert indices == sorted(set(indices))
    assert times == sorted(set(times)) and times[0] >= 0


def test_a_frame_stays_what_it_is_while_others_come(source: Source) -> None:
    first = source.read()
    assert first is not None
    before = first.image_bgr.copy()
    for _ in range(4):
        source.read()
    np.testing.assert_array_equal(first.image_bgr, before)


def test_says_what_it_is(source: Source) -> None:
    assert source.name and source.fps > 0
    assert source.live == isinstance(source, Newest)
    assert source.remark == "", "there is nothing to say of a source that does as it is asked"


def test_closed_it_gives_nothing_more_and_closes_again(source: Source) -> None:
    source.read()
    source.close()
    source.close()
    assert source.read() is None


@pytest.mark.parametrize("opener", [*RECORDED, *LIVE], ids=name)
def test_nothing_of_it_stays_open(opener: Opener, tmp_path: Path) -> None:
    def held() -> tuple[set[str], int]:
        links = (f"/proc/self/fd/{n}" for n in os.listdir("/proc/self/fd"))
        paths = {os.readlink(link) for link in links if os.path.exists(link)}
        return {p for p in paths if str(tmp_path) in p}, threading.active_count()

    with opener(tmp_path) as opened:
        threads = held()[1] - opened.live
        with opened:
            assert opened.read() is not None
        end = time.monotonic() + 5
        # A server's thread of the connection needs a moment to see that it has ended.
        while held()[1] > threads and time.monotonic() < end:
            time.sleep(0.01)
        assert held() == (set(), held()[1])
        assert held()[1] <= threads


@pytest.mark.parametrize("opener", RECORDED, ids=name)
def test_a_recording_gives_every_frame_once_in_order_and_ends(
    opener: Opener, tmp_path: Path
) -> None:
    with opener(tmp_path) as opened, opened as source:
        frames = []
        while (frame := source.read()) is not None:
            frames.append(frame)
            time.sleep(0.01)  # a slow reader loses nothing
        assert source.read() is None
        assert [f.index for f in frames] == list(range(10))
        assert [f.time_s for f in frames] == pytest.approx([i / source.fps for i in range(10)])
        if opener is not synthetic:
            assert [number_of(f.image_bgr) for f in frames] == list(range(10))


@pytest.mark.parametrize("opener", LIVE, ids=name)
def test_a_live_source_is_never_behind(opener: Opener, tmp_path: Path) -> None:
    with opener(tmp_path) as opened, opened as source:
        for _ in range(10):
            time.sleep(0.15)  # a reader that is slower than the camera
            frame = source.read()
            assert frame is not None and time.monotonic() - frame.taken_s < 0.7
        assert frame is not None and frame.index >= 10


def test_every_kind_of_source_is_under_the_contract(tmp_path: Path) -> None:
    texts = [str(make_folder(tmp_path / "p", 1)), str(make_video(tmp_path / "c.avi"))]
    texts += [str(make_tape(tmp_path / "t.tape", 1)), "http://camera/video", "0", "csi"]
    covered = [next(name for name, kind in SOURCES.items() if kind.accepts(t)) for t in texts]
    assert sorted(covered) == sorted(SOURCES)
    assert len(SOURCES) == len({name(o) for o in [*RECORDED, *LIVE]} - {"synthetic", "avi", "rtsp"})

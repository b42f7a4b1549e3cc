"""Sinks beside the loop: what waits, what is dropped, what an error does, and that they overlap."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from camera_tools import face, picture

from edgecnn.camera import overlay
from edgecnn.camera.pipeline import Result, Stats, run
from edgecnn.camera.sinks.beside import Backlog
from edgecnn.camera.sinks.events import EventSink
from edgecnn.camera.sinks.video import VideoSink
from edgecnn.camera.sinks.window import WindowSink
from edgecnn.camera.sources import Frame, Source
from edgecnn.errors import CameraError, StorageError
from edgecnn.faces.types import Recognition
from edgecnn.images import Image


class Given(Source):
    """So many frames; live or not."""

    name, fps = "given", 25.0

    def __init__(self, count: int, live: bool = False, error: Exception | None = None):
        self.count, self.live, self.error, self.index = count, live, error, 0
        self.pictures: list[Image] = []

    def read(self) -> Frame | None:
        if self.index == self.count:
            if self.error:
                raise self.error
            return None
        self.pictures.append(picture(self.index))
        frame = Frame(self.pictures[-1], self.index / self.fps, self.index)
        self.index += 1
        return frame

    def close(self) -> None:
        """Nothing to let go of."""


class Gated:
    """A sink that writes nothing before ``gate`` is set."""

    def __init__(self, backlog: Backlog | None = None, error: Exception | None = None) -> None:
        if backlog:
            self.backlog = backlog
        self.error = error
        self.gate = threading.Event()
        self.results: list[Result] = []
        self.threads: set[str] = set()

    def write(self, result: Result) -> None:
        assert self.gate.wait(10)
        self.threads.add(threading.current_thread().name)
        if self.error:
            raise self.error
        self.results.append(result)

    def close(self) -> None:
        """Nothing to finish."""


def ann(image_bgr: Image, time_s: float) -> Sequence[Recognition]:
    return [face("Ann")]


def indices(sink: Gated) -> list[int]:
    return [result.frame.index for result in sink.results]


def test_a_slow_sink_that_may_drop_gets_the_newest_and_the_rest_is_counted() -> None:
    sink = Gated(Backlog(room=2, drops=True))
    source = Given(10, live=True)
    stats = run(source, ann, [sink], on_frame=lambda r: r.frame.index == 9 and sink.gate.set())
    # One frame is in its hands (0, unless its thread started late), and two wait: the newest.
    assert indices(sink)[-2:] == [8, 9]
    assert stats.dropped == {"gated": 10 - len(sink.results)} and len(sink.results) <= 3


@pytest.mark.parametrize(
    ("backlog", "live"),
    [(None, True), (Backlog(room=2), True), (Backlog(room=2, drops=True), False)],
    ids=["whoever says nothing", "one that never drops", "a recording"],
)
def test_nothing_is_dropped_but_pictures_of_a_live_source(
    backlog: Backlog | None, live: bool
) -> None:
    sink, source = Gated(backlog), Given(40, live=live)
    threading.Timer(0.2, sink.gate.set).start()
    stats = run(source, ann, [sink])
    assert indices(sink) == list(range(40)) and stats.dropped == {}


def test_the_loop_waits_where_no_room_is_left() -> None:
    sink, source = Gated(Backlog(room=3)), Given(40, live=True)
    held: list[int] = []
    threading.Timer(0.3, lambda: (held.append(source.index), sink.gate.set())).start()
    run(source, ann, [sink])
    assert held[0] <= 3 + 1 + 1, "room, one in its hands, one on the way"


def test_what_the_shipped_sinks_say() -> None:
    assert EventSink.backlog == Backlog(room=1024, drops=False, pictures=False)
    assert VideoSink.backlog == Backlog(room=4, drops=True)
    assert WindowSink.backlog.room == 0


def test_a_window_is_shown_by_the_thread_that_opened_it() -> None:
    shown, beside = Gated(Backlog(room=0)), Gated()
    for sink in (shown, beside):
        sink.gate.set()
    run(Given(3), ann, [shown, beside])
    assert shown.threads == {threading.current_thread().name}
    assert beside.threads == {"edgecnn-gated"}


def test_event_lines_wait_without_their_pictures_and_none_is_lost(tmp_path: Path) -> None:
    kept: list[Result] = []
    path = tmp_path / "events.jsonl"

    class Slow(EventSink):
        def write(self, result: Result) -> None:
            time.sleep(0.002)
            kept.append(result)
            super().write(result)

    sink = Slow(path)
    run(Given(100, live=True), ann, [sink])
    sink.close()
    assert [json.loads(line)["frame"] for line in path.read_text().splitlines()] == [*range(100)]
    assert all(result.frame.image_bgr.size == 0 for result in kept)


def test_recognition_and_all_sinks_are_at_work_at_once() -> None:
    # Two sinks with a frame, and the recogniser with a later one, wait for one another.
    together = threading.Barrier(3)

    class Meeting(Gated):
        def write(self, result: Result) -> None:
            if result.frame.index < 19:
                together.wait(20)

    def meeting(image_bgr: Image, time_s: float) -> Sequence[Recognition]:
        if time_s > 0:
            together.wait(20)
        return []

    assert run(Given(20), meeting, [Meeting(), Meeting()]).frames == 20


def test_all_is_written_when_the_run_ends_also_by_an_error() -> None:
    sink = Gated()
    threading.Timer(0.1, sink.gate.set).start()
    with pytest.raises(CameraError, match="gone"):
        run(Given(5, live=True, error=CameraError("gone")), ann, [sink])
    assert indices(sink) == [0, 1, 2, 3, 4]
    assert not [t for t in threading.enumerate() if t.name.startswith("edgecnn-gated")]


@pytest.mark.parametrize("live", [True, False])
def test_an_output_that_loses_nothing_ends_the_run_when_it_fails(live: bool) -> None:
    sink = Gated(error=StorageError("full"))
    sink.gate.set()
    source = Given(1000, live=live)
    with pytest.raises(StorageError, match="full"):
        run(source, ann, [sink])
    assert source.index < 1000, "not only at the end"


def test_a_live_video_that_fails_is_said_once_and_the_rest_goes_on() -> None:
    video, events = Gated(Backlog(room=2, drops=True), StorageError("disk full")), Gated()
    for sink in (video, events):
        sink.gate.set()
    said: list[str] = []
    stats = run(Given(50, live=True), ann, [video, events], note=said.append)
    assert said == ["disk full; recognition goes on without it"]
    assert indices(events) == list(range(50)) and stats.dropped == {"gated": 50}


def test_a_defect_in_a_sink_is_no_full_disk() -> None:
    sink = Gated(Backlog(room=2, drops=True), ZeroDivisionError("a defect"))
    sink.gate.set()
    with pytest.raises(ZeroDivisionError):
        run(Given(50, live=True), ann, [sink])


def test_a_recording_whose_video_fails_ends() -> None:
    sink = Gated(Backlog(room=2, drops=True), StorageError("disk full"))
    sink.gate.set()
    with pytest.raises(StorageError, match="disk full"):
        run(Given(50), ann, [sink])


def test_no_frame_is_copied_and_the_annotation_is_drawn_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[int] = []

    def draw(image_bgr: Image, outcome: object) -> Image:
        drawn.append(1)
        time.sleep(0.005)
        return image_bgr.copy()

    monkeypatch.setattr(overlay, "draw", draw)
    seen: list[Image] = []

    class Showing(Gated):
        def write(self, result: Result) -> None:
            super().write(result)
            seen.append(result.annotated_bgr)

    def recogniser(image_bgr: Image, time_s: float) -> Sequence[Recognition]:
        seen.append(image_bgr)
        return []

    source, plain = Given(3), Gated()
    plain.gate.set()
    run(source, recogniser, [plain])
    handed = [result.frame.image_bgr for result in plain.results]
    assert [a is b for a, b in zip(seen, source.pictures, strict=True)] == [True] * 3
    assert [a is b for a, b in zip(handed, source.pictures, strict=True)] == [True] * 3
    assert drawn == [], "nobody shows it"
    shows = [Showing(), Showing()]
    for sink in shows:
        sink.gate.set()
    run(Given(3), ann, shows)
    assert len(drawn) == 3


def test_a_video_draws_only_the_frames_that_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    monkeypatch.setattr(overlay, "draw", lambda image, outcome: drawn.append(1) or image.copy())
    sink = VideoSink(tmp_path / "out.avi", fps=5)  # of 25 frames a second
    run(Given(25), ann, [sink])
    sink.close()
    assert 4 <= len(drawn) <= 6


def test_the_stages_add_up_to_the_run() -> None:
    stats = Stats()
    sink = Gated()
    sink.gate.set()

    def slow(image_bgr: Image, time_s: float) -> Sequence[Recognition]:
        time.sleep(0.01)
        return []

    run(Given(10), slow, [sink], stats=stats)
    assert stats.stages.taken["recognise"].count == 10
    assert stats.stages.taken["sink gated"].count == 10
    assert stats.stages.loop_seconds == pytest.approx(stats.seconds, rel=0.2, abs=0.1)
    assert stats.stages.taken["recognise"].seconds >= 0.1
    assert np.isclose(stats.stages.taken["recognise"].summary["runs"], 10)

"""The loop: what it counts, when it ends, and what it hands on."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import face_doubles
import numpy as np
import pytest
from camera_tools import face, picture

from edgecnn.camera import pipeline
from edgecnn.camera.pipeline import Result, Stats, load, run
from edgecnn.camera.shadow import Wanted, plan
from edgecnn.camera.sources import Frame, Source
from edgecnn.errors import CameraError, GalleryError, StorageError
from edgecnn.events.schema import Label
from edgecnn.faces.embed import fingerprint
from edgecnn.faces.gallery import Gallery
from edgecnn.faces.types import Recognition
from edgecnn.faces.vault import FILE, Key
from edgecnn.images import Image


class Given(Source):
    """A source of so many frames; then it ends, or breaks."""

    name, live, fps = "given", False, 10.0

    def __init__(self, count: int, error: Exception | None = None, age_s: float = 0.0):
        self.count, self.error, self.age_s, self.index = count, error, age_s, 0

    def read(self) -> Frame | None:
        if self.index == self.count:
            if self.error:
                raise self.error
            return None
        taken_s = time.monotonic() - self.age_s
        frame = Frame(picture(self.index), self.index / self.fps, self.index, taken_s)
        self.index += 1
        return frame

    def close(self) -> None:
        """Nothing to let go of."""


class Kept:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.results: list[Result] = []

    def write(self, result: Result) -> None:
        self.results.append(result)

    def close(self) -> None:
        """Nothing to finish."""


def nobody(image_bgr: Image, time_s: float) -> list[Recognition]:
    return []


def ann_and_a_stranger(image_bgr: Image, time_s: float) -> list[Recognition]:
    if time_s < 0.25:
        return [face("Ann"), face(None, 0.2, track=2), face(None, 0.1, track=3)]
    return [face("Ann")]


def test_every_frame_is_recognised_and_given_to_every_sink() -> None:
    sinks, called = [Kept(), Kept()], []
    stats = run(Given(5), nobody, sinks, on_frame=called.append)
    assert stats.frames == 5
    for sink in sinks:
        assert [r.frame.index for r in sink.results] == [0, 1, 2, 3, 4]
    assert called == sinks[0].results


def test_the_recogniser_gets_the_picture_and_its_time() -> None:
    seen = []

    def recogniser(image_bgr: Image, time_s: float) -> list[Recognition]:
        seen.append((int(image_bgr[0, 0, 0]), time_s))
        return []

    run(Given(3), recogniser)
    assert seen == [(0, 0.0), (20, 0.1), (40, 0.2)]


def test_names_count_frames_not_faces() -> None:
    assert run(Given(5), ann_and_a_stranger).names == {"Ann": 5, None: 3}


def test_labels_count_as_names() -> None:
    stats = run(Given(4), lambda image_bgr, time_s: Label("cat" if time_s else None, 0.6))
    assert stats.names == {"cat": 3, None: 1}


def test_an_empty_source_is_no_error() -> None:
    stats = run(Given(0), nobody)
    assert (stats.frames, stats.fps, stats.names) == (0, 0.0, {})
    assert stats.latency["runs"] == 0


@pytest.mark.parametrize(("most", "done"), [(1, 1), (3, 3), (9, 5), (None, 5)])
def test_ends_after_max_frames(most: int | None, done: int) -> None:
    source = Given(5)
    assert run(source, nobody, max_frames=most).frames == done
    assert source.index == done, "no frame is read that is not recognised"


def test_stop_ends_after_the_frame_at_hand() -> None:
    stop, sink = threading.Event(), Kept()
    run(Given(5), nobody, [sink], on_frame=lambda result: stop.set(), stop=stop)
    assert len(sink.results) == 1


def test_the_latency_counts_from_the_arrival_of_the_picture() -> None:
    sink = Kept()

    def slow(image_bgr: Image, time_s: float) -> list[Recognition]:
        time.sleep(0.02)
        return []

    stats = run(Given(3, age_s=0.5), slow, [sink])
    assert all(520 <= r.latency_ms < 2000 for r in sink.results)
    assert list(stats.latencies_ms) == [r.latency_ms for r in sink.results]
    now = datetime.now(timezone.utc)
    for result in sink.results:
        assert timedelta(seconds=0.5) < now - result.taken_at < timedelta(seconds=5)


def test_frames_a_second_count_the_whole_loop() -> None:
    stats = run(Given(5), nobody, on_frame=lambda result: time.sleep(0.02))
    assert 0.08 < stats.seconds < 2
    assert stats.fps == pytest.approx(5 / stats.seconds)


def test_what_was_counted_survives_a_camera_that_stops() -> None:
    stats, sink = Stats(), Kept()
    with pytest.raises(CameraError, match="gone"):
        run(Given(3, CameraError("gone")), ann_and_a_stranger, [sink], stats=stats)
    assert stats.frames == 3 and stats.names["Ann"] == 3 and len(sink.results) == 3


def test_a_full_disk_in_a_sink_ends_the_loop() -> None:
    class Full(Kept):
        def write(self, result: Result) -> None:
            raise StorageError("full")

    with pytest.raises(StorageError, match="full"):
        run(Given(3), nobody, [Full()])


def test_the_annotated_picture_is_made_once_and_leaves_the_frame_alone() -> None:
    sink = Kept()
    run(Given(1), ann_and_a_stranger, [sink])
    result = sink.results[0]
    before = result.frame.image_bgr.copy()
    assert result.annotated_bgr is result.annotated_bgr
    assert np.array_equal(result.frame.image_bgr, before)
    assert not np.array_equal(result.annotated_bgr, before)


def test_latencies_of_a_loop_that_runs_for_months_do_not_fill_the_memory() -> None:
    stats = Stats()
    stats.latencies_ms.extend(float(i) for i in range(20_000))
    assert len(stats.latencies_ms) == 10_000
    assert stats.latency["p50_ms"] == pytest.approx(14_999.5)


@pytest.mark.parametrize("key", [None, Key(FILE, bytes(32))], ids=["plain", "encrypted"])
def test_who_is_enrolled_first_while_the_camera_runs_is_known_from_the_next_frame_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: Key | None
) -> None:
    bundle = face_doubles.bundle(tmp_path / "bundle", monkeypatch)
    recogniser, ann = load(bundle, key=key), face_doubles.portrait(face_doubles.ANN)

    def names(time_s: float) -> list[str | None]:
        return [face.name for face in recogniser(ann, time_s)]  # type: ignore[union-attr]

    assert names(0.0) == [None]
    assert sorted(p.suffix for p in bundle.path.iterdir()) == [".json", ".tflite", ".tflite"]
    bundle.gallery.touch()  # enroll has only begun
    assert names(0.1) == [None]
    with Gallery(bundle.gallery, fingerprint(bundle), create=True, key=key) as gallery:
        gallery.add("Ann", face_doubles.embed_photo(face_doubles.face(face_doubles.ANN)))
        assert names(0.2) == ["Ann"]
        gallery.rename("Ann", "Anna")
    assert names(0.3) == ["Anna"]


def test_a_gallery_that_cannot_be_opened_yet_ends_no_camera(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is being copied: half a file, and then the whole."""
    bundle, said = face_doubles.bundle(tmp_path / "bundle", monkeypatch), list[str]()
    made = tmp_path / "made.sqlite"
    with Gallery(made, fingerprint(bundle), create=True) as gallery:
        gallery.add("Ann", face_doubles.embed_photo(face_doubles.face(face_doubles.ANN)))
    monkeypatch.setattr(pipeline, "RETRY_S", 0.05)
    recogniser, ann = load(bundle, note=said.append), face_doubles.portrait(face_doubles.ANN)
    content = made.read_bytes()
    bundle.gallery.write_bytes(content[: len(content) // 2])
    for k in range(3):
        assert [face.name for face in recogniser(ann, k / 10)] == [None]  # type: ignore[union-attr]
        time.sleep(0.06)
    assert len(said) == 1 and said[0].startswith("nobody is known yet: ")
    bundle.gallery.write_bytes(content)
    assert [face.name for face in recogniser(ann, 0.3)] == ["Ann"]  # type: ignore[union-attr]


def test_a_gallery_that_is_named_must_be_there_but_for_a_shadow_that_shares_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = face_doubles.bundle(tmp_path / "bundle", monkeypatch)
    with pytest.raises(GalleryError, match="there is no gallery"):
        load(bundle, tmp_path / "people.sqlite")
    shared = plan(bundle, None, Wanted(bundle.path)).gallery
    assert shared == bundle.gallery
    assert load(bundle, shared, awaited=True)(face_doubles.portrait(face_doubles.ANN), 0.0)

"""Tapes: bit by bit what was recorded, whole after a clean end, readable after any other."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from camera_tools import make_tape, number_of, picture, until

from edgecnn.bundle import ASSETS, Bundle
from edgecnn.camera.pipeline import Result, load, run
from edgecnn.camera.sinks import tape as tape_module
from edgecnn.camera.sinks.drafts import recover
from edgecnn.camera.sinks.tape import TapeSink
from edgecnn.camera.sources import Frame, Source, open_source
from edgecnn.camera.sources.synthetic import Photo, SyntheticCamera
from edgecnn.camera.sources.tape import has_frame
from edgecnn.errors import CameraError, StorageError
from edgecnn.events.schema import Event, events_of, moment_of
from edgecnn.images import Image

TIMES_S = [0.0, 0.1 + 0.2, 1 / 3, 7200.000001]
"""None of the later ones is a decimal fraction."""


LINE = b'{"format": "edgecnn-tape", "schema": 1, "fps": 30}\n'


def pictures() -> list[Image]:
    """Noise, and pictures of odd sizes: whatever a codec might smooth or pad."""
    rng = np.random.default_rng(0)
    shapes = [(48, 64), (48, 64), (1, 1), (33, 17)]
    return [rng.integers(0, 256, (*shape, 3), np.uint8) for shape in shapes]


def record(path: Path, close: bool = True) -> TapeSink:
    sink = TapeSink(path, "rtsp://***@cam/1", 12.5)
    for index, (image, time_s) in enumerate(zip(pictures(), TIMES_S, strict=True)):
        frame = Frame(image, time_s, 3 * index)
        sink.write(Result(frame, "cam", [], datetime.now(timezone.utc), 1.0))
    if close:
        sink.close()
    return sink


def frames_of(path: Path) -> list[Frame]:
    with open_source(str(path)) as source:
        frames = []
        while (frame := source.read()) is not None:
            frames.append(frame)
        return frames


def test_frames_times_and_numbers_come_back_bit_by_bit(tmp_path: Path) -> None:
    record(tmp_path / "a.tape")
    frames = frames_of(tmp_path / "a.tape")
    assert [f.time_s for f in frames] == TIMES_S
    assert [f.index for f in frames] == [0, 3, 6, 9]
    for frame, image in zip(frames, pictures(), strict=True):
        np.testing.assert_array_equal(frame.image_bgr, image)
    with open_source(str(tmp_path / "a.tape")) as source:
        assert (source.name, source.fps, source.live) == (str(tmp_path / "a.tape"), 12.5, False)


def independent(data: bytes) -> Iterator[tuple[bytes, int, float, bytes]]:
    """Records as docs/formats.md describes them, read with nothing of ours."""
    place = data.index(b"\n") + 1
    while place < len(data):
        head = data[place : place + 28]
        kind, length, index, time_s, crc = struct.unpack("<4sIQdI", head)
        body = data[place + 28 : place + 28 + length]
        assert zlib.crc32(head[:24] + body) == crc
        yield kind, index, time_s, body
        place += 28 + length


def test_the_file_is_what_the_documents_say(tmp_path: Path) -> None:
    record(tmp_path / "a.tape")
    data = (tmp_path / "a.tape").read_bytes()
    assert json.loads(data[: data.index(b"\n")]) == {
        "format": "edgecnn-tape",
        "schema": 1,
        "source": "rtsp://***@cam/1",
        "fps": 12.5,
    }
    *frames, end = independent(data)
    assert [(k, i, t) for k, i, t, _ in frames] == [
        (b"FRAM", 3 * i, t) for i, t in enumerate(TIMES_S)
    ]
    for (_, _, _, png), image in zip(frames, pictures(), strict=True):
        assert png.startswith(b"\x89PNG")
        decoded = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(decoded, image)
    assert end == (b"STOP", 4, 0.0, b"")


def test_a_copy_of_a_tape_is_the_same_to_the_byte(tmp_path: Path) -> None:
    for name in ("a.tape", "b.tape"):
        record(tmp_path / name)
    assert (tmp_path / "a.tape").read_bytes() == (tmp_path / "b.tape").read_bytes()


def test_it_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.tape"
    sink = record(path, close=False)
    assert not path.exists()
    sink.close()
    assert [p.name for p in path.parent.iterdir()] == ["a.tape"]


def test_without_a_frame_there_is_no_tape(tmp_path: Path) -> None:
    TapeSink(tmp_path / "a.tape", "cam", 30.0).close()
    assert list(tmp_path.iterdir()) == []


def test_cut_off_anywhere_it_ends_with_the_last_whole_frame(tmp_path: Path) -> None:
    make_tape(tmp_path / "whole.tape", 4)
    data = (tmp_path / "whole.tape").read_bytes()
    ends = [data.index(b"\n") + 1]
    for _, _, _, body in independent(data):
        ends.append(ends[-1] + 28 + len(body))
    cut = tmp_path / "cut.tape"
    for length in range(len(data)):
        cut.write_bytes(data[:length])
        whole = sum(length >= end for end in ends[1:])
        lines: list[str] = []
        if whole == 0:
            with pytest.raises(CameraError, match="record it again"):
                open_source(str(cut))
            continue
        with open_source(str(cut), note=lines.append) as source:
            numbers = []
            while (frame := source.read()) is not None:
                numbers.append(number_of(frame.image_bgr))
        assert numbers == list(range(whole))
        assert len(lines) == 1 and "was cut off" in lines[0]


def test_a_kill_leaves_all_that_was_written(tmp_path: Path, root: Path) -> None:
    code = f"""
import sys, time
sys.path[:0] = [{str(root)!r}, {str(root / "tests")!r}]
from pathlib import Path
from test_camera_tape import record
sink = record(Path({str(tmp_path / "a.tape")!r}), close=False)
while sink._frames < 4:
    time.sleep(0.01)
print("recorded", flush=True)
time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "recorded\n"
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    process.stdout.close()
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".a-") and left.suffix == ".tape"
    assert [f.time_s for f in frames_of(left)] == TIMES_S
    assert left.stat().st_mode & 0o777 == 0o600

    # The next recording gives it a name that can be seen, and says so.
    lines: list[str] = []
    sink = TapeSink(tmp_path / "a.tape", "cam", 30.0, lines.append)
    assert lines == [f"{tmp_path}/a-cut.tape is what a recording that was cut off has left"]
    assert [f.time_s for f in frames_of(tmp_path / "a-cut.tape")] == TIMES_S
    sink.close()
    assert [p.name for p in tmp_path.iterdir()] == ["a-cut.tape"]


def test_killed_at_any_moment_what_was_written_is_whole(tmp_path: Path, root: Path) -> None:
    code = f"""
import sys
sys.path[:0] = [{str(root)!r}, {str(root / "tests")!r}]
from datetime import datetime, timezone
from test_camera_tape import Frame, Result, TapeSink, picture
sink = TapeSink({str(tmp_path / "a.tape")!r}, "cam", 30.0)
for i in range(1_000_000):
    frame = Frame(picture(i % 12, (320, 240)), i / 30, i)
    sink.write(Result(frame, "cam", [], datetime.now(timezone.utc), 1.0))
"""
    rng = np.random.default_rng(0)
    for kill in range(1, 5):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        until(lambda: any(p.stat().st_size > 1000 for p in tmp_path.glob(".a-*.tape")), 60)
        time.sleep(rng.uniform(0, 0.05))
        process.kill()
        process.communicate()
        (left,) = recover(tmp_path / "a.tape", has_frame)
        assert left.name == ("a-cut.tape" if kill == 1 else f"a-cut-{kill}.tape")
        numbers = [f.index for f in frames_of(left)]
        assert numbers == list(range(len(numbers))) and numbers


def test_what_a_crash_has_left_is_found_and_what_runs_is_let_be(tmp_path: Path) -> None:
    whole = make_tape(tmp_path / "whole.tape", 3).read_bytes()
    path = tmp_path / "a[1].tape"
    (tmp_path / "a[1]-cut.tape").write_bytes(b"an older one")
    (tmp_path / ".a[1]-aaaaaaaa.tape").write_bytes(whole[:-40])
    for name, age_s in (("bbbbbbbb", 3600), ("cccccccc", 0)):
        empty = tmp_path / f".a[1]-{name}.tape"
        empty.write_bytes(LINE)
        os.utime(empty, (time.time() - age_s,) * 2)
    (tmp_path / ".b-dddddddd.tape").write_bytes(whole)
    running = record(path, close=False)
    until(lambda: running._frames == 4)
    found = sorted(p.name for p in tmp_path.iterdir() if p.name[0] != ".")
    assert found == ["a[1]-cut-2.tape", "a[1]-cut.tape", "whole.tape"]
    assert len(frames_of(tmp_path / "a[1]-cut-2.tape")) == 2
    assert recover(path, has_frame) == [], "the one that runs"
    running.close()
    hidden = sorted(p.name for p in tmp_path.iterdir() if p.name[0] == ".")
    assert hidden == [".a[1]-cccccccc.tape", ".b-dddddddd.tape"]
    assert len(frames_of(path)) == 4


def test_a_tape_is_its_owners_alone(tmp_path: Path) -> None:
    assert make_tape(tmp_path / "a.tape", 1).stat().st_mode & 0o777 == 0o600


def test_packing_does_not_hold_the_loop_until_the_queue_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packing = threading.Event()
    encode = cv2.imencode

    def slow(*arguments: Any) -> Any:
        assert packing.wait(10)
        return encode(*arguments)

    monkeypatch.setattr(cv2, "imencode", slow)
    monkeypatch.setattr(tape_module, "QUEUE_BYTES", 3 * picture(0).nbytes)
    lines: list[str] = []
    sink = TapeSink(tmp_path / "a.tape", "cam", 30.0, lines.append)
    now = datetime.now(timezone.utc)
    written: list[int] = []

    def loop() -> None:
        for i in range(10):
            sink.write(Result(Frame(picture(i), i / 30, i), "cam", [], now, 1.0))
            written.append(i)

    thread = threading.Thread(target=loop)
    thread.start()
    until(lambda: len(lines) == 1)  # said before it waits
    time.sleep(0.1)
    assert len(written) in (3, 4), "three in the queue, and one taken from it perhaps"
    packing.set()
    thread.join(10)
    sink.close()
    assert sink.held_s >= 0.1
    assert len(lines) == 1 and "takes longer than recognition, which waits" in lines[0]
    assert [number_of(f.image_bgr) for f in frames_of(tmp_path / "a.tape")] == list(range(10))


def test_a_defect_in_the_thread_reaches_the_loop_and_holds_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = record(tmp_path / "a.tape", close=False)
    until(lambda: sink._frames == 4)
    monkeypatch.setattr(cv2, "imencode", lambda *arguments: 1 / 0)
    now = datetime.now(timezone.utc)
    with pytest.raises(ZeroDivisionError):
        for i in range(10_000):
            sink.write(Result(Frame(picture(0), i / 30, i), "cam", [], now, 1.0))
    sink.close()
    assert len(frames_of(tmp_path / "a.tape")) == 4


def test_a_whole_tape_that_is_damaged_is_refused_where_it_is(tmp_path: Path) -> None:
    path = make_tape(tmp_path / "a.tape", 6)
    good = path.read_bytes()
    for place in range(good.index(b"\n") + 1, len(good) - 28, 37):
        path.write_bytes(good[:place] + bytes([good[place] ^ 0x10]) + good[place + 1 :])
        with pytest.raises(CameraError, match="is damaged at byte"):
            frames_of(path)


def test_a_tape_that_lost_a_whole_record_is_refused(tmp_path: Path) -> None:
    path = make_tape(tmp_path / "a.tape", 6)
    good = path.read_bytes()
    first, second = good.index(b"FRAM"), good.index(b"FRAM", good.index(b"FRAM") + 1)
    path.write_bytes(good[:first] + good[second:])
    with pytest.raises(CameraError, match="is damaged at byte"):
        frames_of(path)


def test_the_shipped_models_see_the_same_on_a_tape(tmp_path: Path) -> None:
    data = pytest.importorskip("skimage.data")
    person = Photo(np.ascontiguousarray(data.astronaut()[..., ::-1]), 512)
    camera = SyntheticCamera([person], np.full((64, 64, 3), 90, np.uint8), frames=40)
    with closing(TapeSink(tmp_path / "a.tape", "cam", camera.fps)) as sink:
        live = watched(camera, sink)
    with open_source(str(tmp_path / "a.tape")) as tape:
        assert watched(tape) == live
    assert len(live) >= 10, "there was somebody to see"


def watched(source: Source, *sinks: TapeSink) -> list[Event]:
    """The events of a source, by the shipped models."""
    events: list[Event] = []
    run(source, load(Bundle(ASSETS), threads=1), sinks, on_frame=lambda r: events.extend(stable(r)))
    return events


def stable(result: Result) -> list[Event]:
    """A frame's events without what differs from run to run."""
    moment = moment_of(
        taken_at=datetime(2026, 1, 1, tzinfo=timezone.utc),
        source="",
        frame=result.frame.index,
        at_s=result.frame.time_s,
        latency_ms=0.0,
    )
    return events_of(result.outcome, moment)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"no tape\n" * 20,
        b'{"format": "other", "schema": 1, "fps": 30}\n',
        b'{"format": "edgecnn-tape", "schema": 1, "fps": 0}\n',
        b'{"format": "edgecnn-tape", "schema": 1, "fps": NaN}\n',
        b'{"format": "edgecnn-tape", "schema": 1}\n',
        b"[1]\n",
        b"[" * 100_000,
        b"\xff\xfe\n",
        b'{"format": "edgecnn-tape", "schema": 1, "fps": 30}\n',
        b'{"format": "edgecnn-tape", "schema": 1, "fps": 30}\n'
        + b"FRAM\xff\xff\xff\xff"
        + bytes(40),
    ],
)
def test_what_is_no_tape_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tape").write_bytes(content)
    with pytest.raises(CameraError, match=r"a\.tape.*bytes\): record it again") as caught:
        open_source(str(tmp_path / "a.tape"))
    assert "\n" not in str(caught.value)


def test_a_tape_of_a_later_edgecnn_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.tape").write_bytes(b'{"format": "edgecnn-tape", "schema": 2}\n')
    with pytest.raises(CameraError, match="schema 2, this edgecnn reads 1: pip install -U"):
        open_source(str(tmp_path / "a.tape"))


def test_a_nearly_full_disk_ends_the_tape_and_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = record(tmp_path / "a.tape", close=False)
    until(lambda: sink._frames == 4)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 5 << 20))  # type: ignore[attr-defined]
    frame = Frame(pictures()[0], 1.0, 99)
    with pytest.raises(StorageError, match="5 MB left, so the tape ends here"):
        sink.write(Result(frame, "cam", [], datetime.now(timezone.utc), 1.0))
        sink.close()
    assert [f.index for f in frames_of(tmp_path / "a.tape")] == [0, 3, 6, 9]


def test_a_full_disk_ends_the_tape_with_a_whole_frame(tmp_path: Path, root: Path) -> None:
    # A limit on the size of files fails writes as a full disk does, in the midst of one.
    code = f"""
import resource, sys
sys.path[:0] = [{str(root)!r}, {str(root / "tests")!r}]
from datetime import datetime, timezone
from test_camera_tape import Frame, Result, TapeSink, closing, pictures
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
sink = TapeSink({str(tmp_path / "a.tape")!r}, "cam", 30.0)
try:
    with closing(sink):
        for i in range(60):
            frame = Frame(pictures()[0], i / 30, i)
            sink.write(Result(frame, "cam", [], datetime.now(timezone.utc), 1.0))
except OSError as e:
    print(type(e).__name__, e)
"""
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("StorageError could not write"), done.stderr
    assert done.stderr == ""
    frames = frames_of(tmp_path / "a.tape")
    assert f"the tape ends after {len(frames)} frames" in done.stdout
    assert [f.index for f in frames] == list(range(len(frames))) and len(frames) > 5
    assert os.listdir(tmp_path) == ["a.tape"]


@pytest.mark.parametrize("name", ["a.mp4", "a", "file/a.tape"])
def test_what_cannot_be_recorded_is_refused_at_once(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        TapeSink(tmp_path / name, "cam", 30.0)
    assert os.listdir(tmp_path) == ["file"]


def test_frames_come_when_they_are_read(tmp_path: Path) -> None:
    path = make_tape(tmp_path / "a.tape", 2)
    with open_source(str(path)) as source:
        source.read()
        before = time.monotonic()
        frame = source.read()
        assert frame is not None and frame.taken_s >= before, "latencies are of this run"

"""Pixels in memory or on a disk: the same training, and memory that does not grow with them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from photo_folder import make_photos

from edgecnn.data import pixels
from edgecnn.errors import StorageError
from edgecnn.training import images
from edgecnn.training.run import Run

SETTINGS = {"epochs": 2, "batch_size": 8, "network": "dense", "channels": [4], "seed": 3}


@pytest.mark.parametrize(
    ("free", "stream", "mapped"),
    [(1000, None, False), (100, None, True), (1000, True, True), (100, False, False)],
)
def test_the_size_or_the_user_decides_where_pixels_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, stream: bool | None, mapped: bool
) -> None:
    monkeypatch.setattr(pixels, "free_memory", lambda: free)
    found = pixels.room((5, 4, 4, 1), tmp_path / "new", stream)
    assert found.shape == (5, 4, 4, 1) and found.dtype == np.uint8 and found.flags.writeable
    found[:] = 7
    assert (tmp_path / "new").exists() == mapped
    assert not mapped or not any((tmp_path / "new").iterdir())  # nothing that could be left behind


def test_a_disk_that_is_too_small_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"expected 1000\.0 GB for pixels"):
        pixels.room((10**12,), tmp_path, True)


@pytest.mark.parametrize(
    ("most", "anon", "expected"), [("max", 10, 50 << 10), ("900", 300, 600), ("200", 300, 0)]
)
def test_a_container_may_have_less_than_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: str, anon: int, expected: int
) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:   99 kB\nMemAvailable:   50 kB\nHugePages: 0\n")
    (tmp_path / "memory.max").write_text(f"{most}\n")
    (tmp_path / "memory.stat").write_text(f"anon {anon}\nfile 5\n")
    monkeypatch.setattr(pixels, "MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(pixels, "GROUP", tmp_path)
    assert pixels.free_memory() == expected
    monkeypatch.setattr(pixels, "GROUP", tmp_path / "none")
    assert pixels.free_memory() == 50 << 10


def test_a_streamed_training_is_that_in_memory(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", ("ant", "bee"), 8, grey=True)
    (photos / "bee/copy.png").write_bytes((photos / "ant/00.png").read_bytes())
    (photos / "ant/broken.png").write_bytes(b"nothing")
    runs = [
        images.train(photos, tmp_path / f"run-{s}", {**SETTINGS, "stream": s, "skip_broken": True})
        for s in (False, True)
    ]
    one, other = ([w.tobytes() for w in r.load_model().get_weights()] for r in runs)
    assert one == other
    assert runs[0].metrics == runs[1].metrics and runs[0].split == runs[1].split
    assert len(runs[0].split["skipped"]) == 3  # the broken one, and both of the copies


def test_whether_pixels_stream_may_change_on_resuming(tmp_path: Path) -> None:
    Run.start(tmp_path / "run", "images", {"seed": 1, "stream": None})
    resumed = Run.start(tmp_path / "run", "images", {"seed": 1, "stream": True}, resume=True)
    assert resumed.facts["settings"]["stream"] is True


GROWTH = """
import json, resource, sys
from pathlib import Path
from edgecnn.data.folders import list_photos, read_photos, split_rows
from edgecnn.images import Preprocess

def held(what):
    facts = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(facts[what].split()[0]) << 10

def read(root, stream=True):
    photos = read_photos(
        root, list_photos(root), Preprocess((128, 128)), folder=root, stream=stream
    )
    rows = split_rows(photos.names, photos.digests, seed=0)
    return photos, rows

few, many = sys.argv[1:]
read(few)  # OpenCV and the threads take what they need
before = held("RssAnon")
resource.setrlimit(resource.RLIMIT_DATA, (held("VmData") + (160 << 20),) * 2)
try:
    read(many, stream=False)
except MemoryError:
    photos, rows = read(many)
assert all(p.any() for p in photos.pixels)
print(json.dumps([len(photos.names), photos.pixels.nbytes, held("RssAnon") - before]))
"""


def test_what_memory_does_not_hold_streams_and_memory_does_not_grow_with_it(
    tmp_path: Path, root: Path
) -> None:
    few = make_photos(tmp_path / "few", ("a", "b"), 3)
    many = make_photos(tmp_path / "many", ("a", "b"), 3)
    picture = (many / "a/00.png").read_bytes()
    for i in range(4000):  # what follows the picture's end is not read, and makes it another file
        (many / "ab"[i % 2] / f"{i:05}.png").write_bytes(picture + b"%d" % i)
    done = subprocess.run(
        [sys.executable, "-c", GROWTH, few, many],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    count, pixel_bytes, grown = json.loads(done.stdout)
    assert count == 4006 and pixel_bytes == 4006 * 128 * 128 * 3 > 160 << 20
    assert grown < pixel_bytes / 8  # names and digests: a few hundred bytes a picture

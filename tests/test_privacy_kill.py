"""Kill -9 at random moments while people are enrolled, forgotten, and the gallery changes its key.

30 of them, or as many as the environment variable ``KILLS`` says.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import kill_9
import pytest
from kill_9 import PHOTOS, SHA, embedding, key_of

from edgecnn.errors import GalleryError
from edgecnn.faces.gallery import Gallery

KILLS = int(os.environ.get("KILLS", "30"))
LONGEST_S = 0.04
"""A change takes some ten milliseconds, so that the moment lies in any part of one."""

Said = list[dict[str, object]]


def killed(path: Path, seed: int, key: int, changes: int, wait_s: float) -> Said:
    """What a process said that was killed so long after so many changes were done."""
    child = subprocess.Popen(
        [sys.executable, kill_9.__file__, str(path), str(seed), str(key)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[1],
    )
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(1 + 2 * changes)]
    time.sleep(wait_s)
    child.send_signal(signal.SIGKILL)
    lines += child.stdout.read().splitlines()
    child.wait()
    child.stdout.close()
    return [json.loads(line) for line in lines]


def opened(path: Path, *keys: int) -> tuple[int, Gallery]:
    """The gallery with the one of some keys that opens it."""
    for key in keys:
        gallery = Gallery(path, SHA, key=key_of(key))
        try:
            gallery.people()
        except GalleryError:
            gallery.close()
        else:
            return key, gallery
    raise AssertionError(f"no key of {keys} opens it")


def test_what_was_acknowledged_is_true_after_kill_9(tmp_path: Path) -> None:
    path, chance = tmp_path / "gallery.sqlite", random.Random(0)
    key, enrolled, forgotten = 0, set[str](), set[str]()
    amid = done = 0
    for seed in range(KILLS):
        said = killed(path, seed, key, chance.randrange(5), chance.uniform(0, LONGEST_S))
        pending: dict[str, object] = {}
        for line in said[1:]:
            if "done" not in line:
                pending = line
                continue
            done += 1
            key = int(str(pending.get("key", key)))
            enrolled |= {str(pending["enrol"])} if "enrol" in pending else set()
            if "forget" in pending:
                enrolled -= {str(pending["forget"])}
                forgotten |= {str(pending["forget"])}
            pending = {}
        amid += bool(pending)
        key, gallery = opened(path, key, int(str(pending.get("key", key))))
        with gallery:
            there = {person.name: person.embeddings for person in gallery.people()}
            for sample in gallery.samples():
                photos = [embedding(sample.name, i) for i in range(PHOTOS)]
                assert any((sample.embedding == photo).all() for photo in photos)
        # All of each, and nothing but what was under way may be otherwise.
        assert set(there.values()) <= {PHOTOS}
        assert set(there) ^ enrolled <= {pending.get("enrol"), pending.get("forget")}
        forgotten |= enrolled - set(there)
        enrolled = set(there)
        assert [p.name for p in tmp_path.iterdir()] == [path.name]
        content = path.read_bytes()
        assert [name for name in forgotten if name.encode() + b"p" in content] == []
        if key:
            assert b"Person" not in content
    assert done > KILLS and amid > KILLS / 4, "the moments were not in the middle of changes"


def test_no_moment_of_a_change_of_key_leaves_a_gallery_that_does_not_open(tmp_path: Path) -> None:
    """Not at random: the process ends itself before one call or another that reaches the disk."""
    path = tmp_path / "gallery.sqlite"
    script = """
import os, sys
from kill_9 import SHA, embedding, key_of
from edgecnn.faces.gallery import Gallery
from edgecnn.faces.types import Sample
left = int(sys.argv[2])
def count(frame, event, arg):
    global left
    if event == "c_call" and getattr(arg, "__name__", "") in ("execute", "fsync", "write"):
        left -= 1
        if not left:
            os.kill(os.getpid(), 9)
gallery = Gallery(sys.argv[1], SHA)
sys.setprofile(count)
gallery.relock(key_of(1))
"""
    with Gallery(path, SHA, create=True) as gallery:
        gallery.add("Ann", embedding("Ann", 0))
    before = path.read_bytes()
    ends: dict[int, bool] = {}
    for moment in (1, 4, 7, 10, 13, 16, 19, 1000):
        path.write_bytes(before)
        ended = subprocess.run(
            [sys.executable, "-c", script, str(path), str(moment)], cwd=Path(__file__).parent
        ).returncode
        assert ended == (0 if moment == 1000 else -9), moment
        key, gallery = opened(path, 0, 1)
        with gallery:
            assert [p.name for p in gallery.people()] == ["Ann"]
        ends[moment] = bool(key)
        assert (b"Ann" in path.read_bytes()) == (not key)
        assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert not ends[1] and ends[1000]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_child_says_what_it_does(tmp_path: Path, number: int) -> None:
    said = killed(tmp_path / "gallery.sqlite", number, 0, 2, 0.0)
    assert said[0] == {"ready": True} and said[2] == said[4] == {"done": True}

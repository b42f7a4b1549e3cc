"""Whatever moment a deploy is cut off at, the board starts into a working release.

First every moment: a process ends itself before its 1st, 2nd, 3rd … change to the disk. Then random
ones: stage and activate are killed from outside, with the service and all. ``BOARD_KILLS=100 pytest
tests/test_devices_onboard_killed.py`` for more of these; the power of an emulated board is cut by
``tests/board/power_cuts.py``.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from board_double import BoardDouble

from devices.onboard import stage, system
from devices.onboard.activate import activate, rollback, shadow
from devices.onboard.ground import Place
from devices.onboard.release import ids, parse, whole
from devices.onboard.standing import led_to, settle

KILLS = int(os.environ.get("BOARD_KILLS", "20"))
CHANGES = {
    "os.rename", "os.remove", "os.symlink", "os.link", "os.mkdir", "os.rmdir", "os.chmod",
    "subprocess.Popen",
}  # fmt: skip
"""Audit events of what changes the disk; ``open`` counts where it writes."""


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoardDouble]:
    """A board with one good release, and the files of a second one."""
    board = BoardDouble(tmp_path_factory.mktemp("board"))
    board.deploy(board.release("first"))
    board.systemctl("power-cut")
    board.send(board.release("second"))
    yield board
    board.systemctl("power-cut")


@pytest.fixture
def place(board: BoardDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A copy of its disk, with a systemd that takes everything and a camera that is healthy."""
    shutil.copytree(board.opt, tmp_path / "opt/edgecnn", symlinks=True)
    shutil.copytree(board.root / "etc", tmp_path / "etc", symlinks=True)
    place = Place(tmp_path)
    monkeypatch.setattr(system, "tool", lambda *_, **__: (0, ""))
    monkeypatch.setattr(
        system, "shown", lambda *n: dict.fromkeys(n, "") | {"ActiveState": "active"}
    )
    monkeypatch.setattr("devices.onboard.activate.read_status", healthy(place))
    return place


def healthy(place: Place) -> Callable[[Place], dict[str, Any]]:
    """A status whose frames grow, of whichever release is current."""
    frames = iter(range(1, 10**6))

    def read(_: Place) -> dict[str, Any]:
        release = parse((place.current / "release.json").read_text("utf-8"))
        facts = {"bundle": release.bundle["manifest.json"], "started_s": 1.0}
        return {**facts, "frames": next(frames)}

    return read


def ended_before_change(number: int, work: Callable[[], object]) -> bool:
    """Do ``work`` in a child that ends before its ``number``-th change; whether it got so far."""
    child = os.fork()
    if child == 0:
        left = [number]

        def look(event: str, details: tuple[Any, ...]) -> None:
            writes = event == "open" and isinstance(details[2], int) and details[2] & os.O_ACCMODE
            if writes or event in CHANGES:
                left[0] -= 1
                if left[0] == 0:
                    os._exit(9)

        with contextlib.suppress(BaseException):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            sys.addaudithook(look)
            work()
            os._exit(0)
        os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9), "the work failed by itself"
    return code == 9


def copies(place: Place, folder: Path) -> Iterator[tuple[int, Place]]:
    """1, 2, 3 … and a fresh copy of the disk for each."""
    for number in range(1, 1000):
        to = folder / str(number)
        shutil.copytree(place.root / "opt", to / "opt", symlinks=True)
        shutil.copytree(place.root / "etc", to / "etc", symlinks=True)
        yield number, Place(to)
        shutil.rmtree(to)


def stands(place: Place) -> str:
    """The release that the board would run after a power cut; the checks of what it needs."""
    settle(place)
    current = led_to(place.current)
    assert current is not None and whole(place, current), "the board does not start"
    assert led_to(place.good) == current
    assert not place.trial.exists()
    assert settle(place) == {"current": current, "settled": False}, "settled once is settled"
    for name in ids(place):
        assert whole(place, name), "what has a name is whole"
    return current


def test_a_stage_that_ends_anywhere(
    board: BoardDouble, place: Place, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text, old = board.release("second"), led_to(place.current)
    moments = 0
    for number, copy in copies(place, tmp_path_factory.mktemp("copies")):

        def work(copy: Place = copy) -> object:
            return stage.stage(copy, text)

        if not ended_before_change(number, work):
            break
        moments += 1
        assert stands(copy) == old
        assert stage.stage(copy, text)["id"] == parse(text).id
        assert list(copy.releases.glob(".*")) == [], "the next stage clears what was left"
    assert moments > 20


@pytest.mark.parametrize("verb", ["activate", "rollback"])
def test_a_switch_that_ends_anywhere(
    board: BoardDouble, place: Place, verb: str, tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    first = str(led_to(place.current))
    second = stage.stage(place, board.release("second"))["id"]
    old, new = (first, second) if verb == "activate" else (second, first)
    if verb == "rollback":
        activate(place, second, steady_s=0.01)
    ran, moments = [], 0
    for number, copy in copies(place, tmp_path_factory.mktemp("copies")):
        monkeypatch.setattr("devices.onboard.activate.read_status", healthy(copy))

        def work(copy: Place = copy) -> object:
            if verb == "rollback":
                return rollback(copy, None, steady_s=0.01)
            return activate(copy, new, steady_s=0.01)

        if not ended_before_change(number, work):
            break
        moments += 1
        ran.append(stands(copy))
        assert activate(copy, new, steady_s=0.01)["id"] == new, "the next deploy goes on"
    assert ran == sorted(ran, key=[old, new].index), "once healthy, it stays"
    assert {*ran} == {old, new} and moments > 10


def test_a_shadow_that_ends_anywhere(
    board: BoardDouble, place: Place, tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    old = led_to(place.current)
    second = stage.stage(place, board.release("second"))["id"]
    beside = []
    for number, copy in copies(place, tmp_path_factory.mktemp("copies")):
        monkeypatch.setattr("devices.onboard.activate.read_status", healthy(copy))

        def work(copy: Place = copy) -> object:
            return shadow(copy, second, steady_s=0.01)

        if not ended_before_change(number, work):
            break
        assert stands(copy) == old
        beside.append(led_to(copy.shadow))
    assert set(beside) == {None} and len(beside) > 5, "it stays once it was seen healthy"
    assert led_to(copy.shadow) == second


@pytest.mark.parametrize("damage", ["empty", "half", "list", "null"])
def test_a_damaged_trial_is_taken_back(board: BoardDouble, place: Place, damage: str) -> None:
    old = led_to(place.current)
    new = stage.stage(place, board.release("second"))["id"]
    place.current.unlink()
    place.current.symlink_to(f"releases/{new}")
    texts = {"empty": "", "half": '{"release": "', "list": "[1]", "null": "null"}
    place.trial.write_text(texts[damage], "utf-8")
    assert stands(place) == old


def gone(place: Place, new: str) -> None:
    place.current.unlink()


def dangling(place: Place, new: str) -> None:
    shutil.rmtree(place.releases / new)


def changed(place: Place, new: str) -> None:
    model = place.releases / new / "bundle/model.tflite"
    model.unlink()
    model.write_bytes(b"sekond")


def cut_short(place: Place, new: str) -> None:
    module = next((place.releases / new / "venv").rglob("edgecnn/__main__.py"))
    module.unlink()
    module.write_bytes(b"")


def unnamed(place: Place, new: str) -> None:
    (place.releases / new / "release.json").write_text("{}", "utf-8")


@pytest.mark.parametrize("damage", [gone, dangling, changed, cut_short, unnamed])
def test_a_damaged_release_gives_way_to_a_whole_one(
    board: BoardDouble, place: Place, damage: Callable[[Place, str], None]
) -> None:
    old = led_to(place.current)
    new = stage.stage(place, board.release("second"))["id"]
    activate(place, new, steady_s=0.01)
    damage(place, new)
    settle(place)
    expected = new if damage is gone else old
    assert led_to(place.current) == expected and whole(place, expected)


def test_a_first_deploy_that_was_cut_off_runs_what_there_is(place: Place) -> None:
    only = led_to(place.current)
    place.good.unlink()
    place.history.unlink()
    facts = {"release": only, "previous": None, "boot_id": "", "started_s": 0}
    place.trial.write_text(json.dumps(facts), "utf-8")
    settle(place)
    assert led_to(place.current) == only and not place.trial.exists()


def test_a_disk_that_is_full_when_the_trial_begins_changes_nothing(
    board: BoardDouble, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = led_to(place.current)
    new = stage.stage(place, board.release("second"))["id"]
    real = os.write

    def full(fd: int, data: bytes) -> int:
        if b'"boot_id"' in data:
            raise OSError(28, "No space left on device")
        return real(fd, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        activate(place, new, steady_s=0.01)
    assert stands(place) == old and list(place.opt.glob(".*.part")) == []


def test_random_kills(board: BoardDouble) -> None:
    chance = random.Random(int(os.environ.get("BOARD_SEED", "0")))
    board.systemctl("boot")
    board.camera()
    longest_s, ran = 1.5, {"old": 0, "new": 0}
    for number in range(KILLS):
        old, text = board.runs(), board.release(f"kill {number}")
        board.send(text)
        new, moment_s = parse(text).id, chance.uniform(0, longest_s)
        begun = time.monotonic()
        children = []
        for verb, words in (("stage", ()), ("activate", (new, "--steady-s", "0.05", "--here"))):
            children.append(board.start(verb, *words))
            assert children[-1].stdin
            if verb == "stage":
                children[-1].stdin.write(text)
            children[-1].stdin.close()
            while children[-1].poll() is None and time.monotonic() - begun < moment_s:
                time.sleep(0.005)
            if children[-1].returncode is None:
                os.killpg(children[-1].pid, signal.SIGKILL)
                break
        for child in children:
            child.stdin = None
            child.communicate()
        board.boot()
        current = board.runs()
        assert current in (old, new)
        told = board.ask("status")
        assert (told["current"], told["good"], told["trial"]) == (current, current, None)
        ran["new" if current == new else "old"] += 1
        longest_s *= 0.75 if current == new else 1.15  # as long as it takes on this machine
    assert KILLS < 20 or min(ran.values()) > 0, ran

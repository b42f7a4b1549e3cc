"""Deploying to boards on loopback: each a real sshd with a root of its own."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from board_fleet import NEEDED, LoopbackBoard, LoopbackFleet, kill, loopback_fleet, usable
from wheel_tools import index_of_wheels

pytestmark = pytest.mark.skipif(not usable(), reason=NEEDED)

HERE = Path(__file__).parent
ASSETS = HERE.parent / "edgecnn" / "assets"
PASSED = ("EXAMINE", "FAULT", "SSH_AUTH_SOCK")
"""What a test may set for the command."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small wheels that stands for the package index."""
    return index_of_wheels(tmp_path_factory.mktemp("index"))


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[LoopbackFleet]:
    with loopback_fleet(tmp_path / "fleet") as made:
        yield made


@pytest.fixture
def start(
    fleet: LoopbackFleet, shop: Path, tmp_path: Path, user_env: dict[str, str]
) -> Callable[..., subprocess.Popen[str]]:
    environment = {
        **user_env,
        "HOME": str(fleet.folder / "home"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(shop),
        "PIP_CONFIG_FILE": os.devnull,
        "ONBOARD": str(HERE / "onboard_double.py"),
    }

    def started(*arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, HERE / "deploy_driver.py", *map(str, arguments)],
            env=environment | {k: v for k, v in os.environ.items() if k in PASSED},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return started


Deploy = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def edge(start: Callable[..., subprocess.Popen[str]], fleet: LoopbackFleet) -> Deploy:
    """Runs a command for the boards of the inventory; exit code, and what it told of each."""

    def run(*arguments: object) -> tuple[int, dict[str, Any]]:
        process = start(*arguments, "--inventory", fleet.inventory(), "--json")
        out, err = process.communicate(timeout=300)
        assert out, err
        assert "Traceback" not in err
        told = json.loads(out)
        assert all("\n" not in answer["told"] for answer in told.values())
        return process.returncode, told

    return run


@pytest.fixture
def board(fleet: LoopbackFleet) -> LoopbackBoard:
    one = fleet.add("porch")
    one.start()
    one.wait()
    return one


def states(told: dict[str, Any]) -> dict[str, str]:
    return {name: answer["state"] for name, answer in told.items()}


def current(fleet: LoopbackFleet, board: LoopbackBoard) -> str:
    return fleet.ssh(board, "basename $(readlink /opt/edgecnn/current)").strip()


def gallery(bundle: Path, name: str) -> None:
    (bundle / "gallery.sqlite").unlink(missing_ok=True)
    with closing(sqlite3.connect(bundle / "gallery.sqlite")) as made:
        made.execute("CREATE TABLE people (name TEXT)")
        made.execute("INSERT INTO people VALUES (?)", (name,))
        made.commit()


def names(fleet: LoopbackFleet, board: LoopbackBoard) -> str:
    ask = "import sqlite3; print(*sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchone())"
    question = "/var/lib/edgecnn/gallery.sqlite 'SELECT name FROM people'"
    return fleet.ssh(board, f"python3 -c 'import sys; {ask}' {question}").strip()


def other_bundle(tmp_path: Path) -> Path:
    """The same models under another manifest."""
    copy = tmp_path / "other"
    shutil.copytree(ASSETS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    manifest = json.loads((copy / "manifest.json").read_text("utf-8"))
    manifest["versions"]["edgecnn"] = "another"
    (copy / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    return copy


def test_a_board_is_deployed_to_and_changed_and_taken_back(
    fleet: LoopbackFleet, board: LoopbackBoard, edge: Deploy, tmp_path: Path
) -> None:
    code, told = edge("deploy", ASSETS)
    assert (code, states(told)) == (0, {"porch": "done"}), told
    first = told["porch"]["release"]
    assert current(fleet, board) == first
    release = json.loads(fleet.ssh(board, "cat /opt/edgecnn/current/release.json"))
    assert release["camera"] == ["--source", "0"]
    assert (release["python"], release["architecture"]) == ("3.11", "x86_64")
    digests = {*release["wheels"].values(), *release["bundle"].values()}
    assert set(fleet.ssh(board, "cd /opt/edgecnn/store; sha256sum *").split()[::2]) == digests
    assert release["pip"] in release["wheels"]
    assert any(name.startswith("edgecnn-") for name in release["wheels"])
    code, told = edge("deploy", ASSETS)
    assert (code, states(told)) == (0, {"porch": "unchanged"})

    other = other_bundle(tmp_path)
    fleet.ssh(board, "useradd --system edgecnn")
    gallery(other, "Ann")
    code, told = edge("deploy", other, "--dry-run")
    assert (code, states(told)) == (0, {"porch": "plan"})
    assert told["porch"]["files"] == ["manifest.json"]
    assert current(fleet, board) == first

    code, told = edge("deploy", other)
    second = told["porch"]["release"]
    assert (code, states(told), second != first) == (0, {"porch": "done"}, True)
    assert told["porch"]["sent_bytes"] == (other / "manifest.json").stat().st_size

    assert names(fleet, board) == "Ann"
    owner = fleet.ssh(board, "stat -c '%U %a' /var/lib/edgecnn /var/lib/edgecnn/*")
    assert owner.splitlines() == ["edgecnn 700", "edgecnn 600"]
    code, told = edge("status")
    assert (code, told["porch"]["current"]) == (0, second)
    gallery(other, "Bob")
    assert edge("deploy", other, "--source", "1")[0] == 0
    assert names(fleet, board) == "Ann", "who is enrolled on a board is the board's"
    code, told = edge("rollback")
    assert code == 0, told
    code, told = edge("rollback")
    assert (code, current(fleet, board)) == (0, first)
    code, told = edge("undeploy")
    assert (code, states(told)) == (0, {"porch": "done"})
    assert fleet.ssh(board, "ls /opt").strip() == ""
    code, told = edge("status")
    assert (code, states(told)) == (2, {"porch": "failed"})
    assert "nothing is deployed there" in told["porch"]["told"]


SICK = {"attic": "full", "cellar": "away", "yard": "narrow"}


def test_fifty_boards_and_three_that_cannot(
    fleet: LoopbackFleet, edge: Deploy, tmp_path: Path
) -> None:
    for number in range(47):
        fleet.add(f"b{number:02}").start()
    attic, cellar, yard = (fleet.add(name) for name in SICK)
    attic.start(size="4m")
    yard.start(personality="linux32")
    for board in fleet.boards:
        if board is not cellar:
            board.wait(60)

    code, told = edge("deploy", ASSETS)
    assert code == 2
    failed = {name: answer["told"] for name, answer in told.items() if answer["state"] == "failed"}
    assert set(failed) == set(SICK), failed
    assert set(told) == {board.name for board in fleet.boards}, "no board is left out"
    assert sum(state == "done" for state in states(told).values()) == 47
    assert "no space" in failed["attic"] and "sudo apt clean" in failed["attic"]
    assert "it is not reached: is it on" in failed["cellar"]
    assert "a 32-bit system has no ai-edge-litert" in failed["yard"]
    assert "i686" in failed["yard"]
    assert fleet.ssh(yard, "ls /opt").strip() == ""

    for board, size in ((attic, "160m"), (cellar, "160m")):
        board.stop()
        board.start(size=size)
        board.wait()
    code, told = edge("deploy", ASSETS)
    assert code == 2
    told_states = states(told)
    assert told_states.pop("yard") == "failed"
    assert {n for n, s in told_states.items() if s == "done"} == {"attic", "cellar"}
    assert sum(state == "unchanged" for state in told_states.values()) == 47


def test_a_fault_that_nobody_thought_of_is_told_of_one_board(
    fleet: LoopbackFleet, edge: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("porch", "shed"):
        fleet.add(name).start()
    for board in fleet.boards:
        board.wait()
    monkeypatch.setenv("FAULT", "porch")
    code, told = edge("deploy", ASSETS)
    assert (code, states(told)) == (2, {"porch": "failed", "shed": "done"})
    assert "FileNotFoundError (a fault on porch)" in told["porch"]["told"]
    assert "deploy again" in told["porch"]["told"]


def test_the_rest_follows_only_healthy_first_ones(
    fleet: LoopbackFleet, edge: Deploy, tmp_path: Path
) -> None:
    for name in ("first", "second", "third", "fourth"):
        fleet.add(name).start()
    for board in fleet.boards:
        board.wait()
    first, second, third, _ = fleet.boards
    code, told = edge("deploy", ASSETS, "--canary", "2", "--watch-s", "0")
    assert (code, set(states(told).values())) == (0, {"done"})
    before = told["third"]["release"]

    fleet.ssh(second, "touch /opt/dead")
    code, told = edge("deploy", other_bundle(tmp_path), "--canary", "2", "--watch-s", "0")
    assert (code, list(states(told).values())) == (2, ["done", "failed", "failed", "failed"])
    assert "did not stay healthy: the camera is failed" in told["second"]["told"]
    assert "not begun, since second" in told["third"]["told"]
    assert current(fleet, third) == before != current(fleet, first)


def test_the_rest_does_not_follow_first_ones_that_are_not_reached(
    fleet: LoopbackFleet, edge: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = fleet.add("first"), fleet.add("second")
    second.start()
    second.wait()
    code, told = edge("deploy", ASSETS, "--canary", "1", "--watch-s", "0")
    assert (code, states(told)) == (2, {"first": "failed", "second": "failed"})
    assert "not begun, since first" in told["second"]["told"]
    first.start()
    first.wait()
    monkeypatch.setenv("FAULT", "first")
    code, told = edge("deploy", ASSETS, "--canary", "1", "--watch-s", "0")
    assert "a fault on first" in told["first"]["told"]
    assert "not begun, since first" in told["second"]["told"]
    assert fleet.ssh(second, "ls /opt").strip() == ""


def test_a_key_that_is_none_or_has_a_passphrase(
    fleet: LoopbackFleet,
    board: LoopbackBoard,
    start: Callable[..., subprocess.Popen[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    fleet.add("gone")  # which is not reached, whichever key
    locked, odd = fleet.folder / "locked", fleet.folder / "odd"
    shutil.copy(fleet.key, locked)
    change = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "a passphrase", "-f"]
    subprocess.run([*change, locked], check=True)
    inventory = fleet.inventory()
    plain = inventory.read_text("utf-8")

    def told(key: Path) -> dict[str, Any]:
        inventory.write_text(plain.replace(f'key = "{fleet.key}"', f'key = "{key}"'), "utf-8")
        process = start("status", "--inventory", inventory, "--json")
        out, err = process.communicate(timeout=300)
        assert process.returncode == 2 and "Traceback" not in err, err
        return dict(json.loads(out))

    for content in (b"no key\n", b"\xe4\x00"):
        odd.write_bytes(content)
        told_of = told(odd)
        assert told_of["porch"]["told"] == f"{odd} is no private key: name another by --identity"
    told_of = told(locked)
    assert "has a passphrase: ssh-add it first" in told_of["porch"]["told"]
    assert {answer["state"] for answer in told_of.values()} == {"failed"}

    socket = fleet.folder / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    try:
        while not socket.exists():
            time.sleep(0.05)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        subprocess.run(["ssh-add", "-q", fleet.key], check=True)
        assert "nothing is deployed there" in told(locked)["porch"]["told"]
    finally:
        agent.terminate()
        agent.wait()


def test_a_shadow_runs_beside_and_is_promoted(
    fleet: LoopbackFleet, board: LoopbackBoard, edge: Deploy, tmp_path: Path
) -> None:
    code, told = edge("promote")
    assert code == 2 and "nothing is deployed" in told["porch"]["told"]
    first = edge("deploy", ASSETS)[1]["porch"]["release"]
    code, told = edge("deploy", other_bundle(tmp_path), "--shadow")
    beside = told["porch"]["release"]
    assert (code, current(fleet, board)) == (0, first)
    assert edge("status")[1]["porch"]["shadow"] == beside
    assert states(edge("deploy", tmp_path / "other", "--shadow")[1]) == {"porch": "unchanged"}
    code, told = edge("promote")
    assert (code, current(fleet, board)) == (0, beside)
    code, told = edge("promote")
    assert code == 2 and "no release runs beside" in told["porch"]["told"]


def test_a_board_that_goes_back_is_told_of(
    fleet: LoopbackFleet, board: LoopbackBoard, edge: Deploy, tmp_path: Path
) -> None:
    first = edge("deploy", ASSETS)[1]["porch"]["release"]
    fleet.ssh(board, "touch /opt/sick")
    code, told = edge("deploy", other_bundle(tmp_path))
    assert code == 2 and "the old release runs again: no frames" in told["porch"]["told"]
    assert current(fleet, board) == first


@pytest.mark.parametrize("victim", ["workstation", "connection"])
def test_what_was_cut_off_is_finished_by_the_next_deploy(
    fleet: LoopbackFleet,
    board: LoopbackBoard,
    edge: Deploy,
    start: Callable[..., subprocess.Popen[str]],
    tmp_path: Path,
    victim: str,
) -> None:
    chance = random.Random(victim)
    begun = time.monotonic()
    first = edge("deploy", ASSETS)[1]["porch"]["release"]
    usual_s = time.monotonic() - begun
    bundle = other_bundle(tmp_path)
    for number in range(int(os.environ.get("CUTS", "1"))):
        if number:
            assert edge("rollback")[0] == 0
            fleet.ssh(board, f"cd /opt/edgecnn/releases; rm -r $(ls | grep -v {first})")
        fleet.ssh(board, "cd /opt/edgecnn/store; rm $(ls | shuf -n 8)")
        process = start("deploy", bundle, "--inventory", fleet.inventory(), "--json")
        time.sleep(chance.uniform(0.2, 1) * usual_s)
        if victim == "workstation":
            kill(process)
        else:
            board.cut()
            process.communicate(timeout=120)
            assert process.returncode in (0, 2)
        assert current(fleet, board)
        code, told = edge("deploy", bundle)
        assert code == 0, told
        release = told["porch"]["release"]
        assert current(fleet, board) == release != first
        sums = fleet.ssh(board, "cd /opt/edgecnn/store; sha256sum *").split()
        assert sums[::2] == sums[1::2]


def test_a_board_that_does_not_let_us_in_is_one_line(
    fleet: LoopbackFleet, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    stranger, changed, known = fleet.add("stranger", known=False), fleet.add("changed"), None
    known = fleet.add("known")
    lines = fleet.known_hosts.read_text("utf-8").splitlines()
    own = next(line for line in lines if f":{known.port} " in line)
    swapped = own.replace(f":{known.port} ", f":{changed.port} ")
    fleet.known_hosts.write_text(f"{own}\n{swapped}\n", "utf-8")
    shell = "sed -i 's#^nobody:.*#nobody:x:65534:65534::/tmp:/bin/sh#' root/etc/passwd"
    for board in fleet.boards:
        board.start(prepare=shell)
    for board in fleet.boards:
        board.wait()
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    at = f'host = "127.0.0.1"\nport = {known.port}\n'
    mine, theirs = f'key = "{fleet.key}"\n', f'key = "{other}"\n'
    cases = {
        "stranger": (f'host = "127.0.0.1"\nport = {stranger.port}\n{mine}', "is not known here"),
        "changed": (
            f'host = "127.0.0.1"\nport = {changed.port}\n{mine}',
            f"ssh-keygen -R '[127.0.0.1]:{changed.port}'",
        ),
        "refused": (f"{at}{theirs}", f"ssh-copy-id -p {known.port} root@127.0.0.1"),
        "nobody": (f'{at}{mine}user = "nobody"\n', "may not become root without a password"),
        "pythonless": (f'{at}{mine}python = "python4"\n', "sudo apt install python3"),
        "another": (f'{at}{mine}board = "raspberry-pi-5"\n', "expected a Raspberry Pi 5"),
        "nowhere": (f'host = "no-such-board.invalid"\n{mine}', "no such name in this network"),
    }
    inventory = tmp_path / "boards.toml"
    tables = [f"[{name}]\n{table}" for name, (table, _) in cases.items()]
    inventory.write_text('user = "root"\n' + "\n".join(tables), "utf-8")
    process = start("deploy", ASSETS, "--inventory", inventory, "--json")
    out, err = process.communicate(timeout=120)
    told = json.loads(out)
    assert (process.returncode, states(told)) == (2, dict.fromkeys(cases, "failed"))
    for name, (_, expected) in cases.items():
        assert expected in told[name]["told"], told[name]
        assert "\n" not in told[name]["told"]
    assert "Traceback" not in err
    assert fleet.ssh(known, "ls /opt").strip() == ""
    shutil.rmtree(fleet.known_hosts.parent)  # as of a user who never used ssh
    process = start("status", "stranger", "--inventory", inventory, "--accept-new")
    out, err = process.communicate(timeout=60)
    assert "nothing is deployed there" in err
    assert "ssh-ed25519" in fleet.known_hosts.read_text("utf-8")


def test_the_doctor_looks_at_a_board_before_its_first_deploy(
    fleet: LoopbackFleet, edge: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXAMINE", "1")
    board = fleet.add("porch")
    board.start(size="1g")
    board.wait()
    for more in (["--dry-run"], []):
        code, told = edge("deploy", ASSETS, *more)
        assert code == 2 and "disk: the root is an overlay" in told["porch"]["told"]
        assert fleet.ssh(board, "ls /opt/edgecnn 2>/dev/null; true").split() in ([], ["board.py"])


def test_an_owner_is_installed_once(
    fleet: LoopbackFleet, board: LoopbackBoard, edge: Deploy, tmp_path: Path
) -> None:
    bundle, public = other_bundle(tmp_path), fleet.key.with_suffix(".pub")
    assert edge("deploy", bundle, "--sign", fleet.key, "--owner", public)[0] == 0
    assert (bundle / "manifest.json.sig").is_file()
    owner = fleet.ssh(board, "cat /opt/edgecnn/owners")
    assert owner.split()[-2:] == public.read_text("utf-8").split()[:2]
    assert "manifest.json.sig" in fleet.ssh(board, "cat /opt/edgecnn/current/release.json")
    other = tmp_path / "theirs"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    code, told = edge("deploy", bundle, "--owner", other.with_suffix(".pub"))
    assert code == 2 and "another owner" in told["porch"]["told"]
    assert fleet.ssh(board, "ls -A /opt/edgecnn").split().count("owners") == 1
    assert fleet.ssh(board, "cat /opt/edgecnn/owners") == owner

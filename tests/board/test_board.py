"""A board from its first boot until nothing of edgecnn is left on it: ``make board-test``.

The tests of this file are one story and run in its order, on an emulated arm64 board with Debian,
systemd and a camera before which people appear; the broker is a real mosquitto on this machine. Its
seconds are those of an emulated processor, and are printed, not judged.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from board_faces import PHOTOS, packed, scene
from board_tools import ROOT, VirtualBoard, timed
from event_tools import Broker, Listener, free_port, listening, until

from edgecnn.bundle import ASSETS, GOLDEN, MANIFEST, Bundle
from edgecnn.events.homeassistant import slug
from edgecnn.storage import sha256_of

SLOW_S = 300.0
"""What an emulated board on a busy machine may take for what takes a board seconds."""

PERSON, UNKNOWN = f"edgecnn/board/person/{slug('Eileen')}", "edgecnn/board/unknown"
GALLERY = "/var/lib/edgecnn/gallery.sqlite"
MODULE = "/opt/edgecnn/current/venv/bin/python -m edgecnn"
PAGE = b"""
import urllib.error, urllib.request
asked = urllib.request.Request("http://127.0.0.1:8080/", headers={"Accept": "text/html"})
try:
    answer = urllib.request.urlopen(asked)
except urllib.error.HTTPError as e:  # it wants a password first, which is an answer
    answer = e
print(answer.headers.get_content_type(), answer.read().decode())
"""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    started = Broker(tmp_path_factory.mktemp("broker"))
    started.start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def heard(broker: Broker) -> Iterator[Listener]:
    with listening(broker.port, "edgecnn/#") as listener:
        yield listener


@pytest.fixture(scope="module")
def board(
    tmp_path_factory: pytest.TempPathFactory, user_env: dict[str, str]
) -> Iterator[VirtualBoard]:
    """Booted from a fresh disk, nobody before its camera."""
    folder = Path(user_env.get("BOARD_DIR") or ROOT / ".board").resolve()
    assert not (folder / "run.img").exists(), "a board stands there already: make board-down"
    home = tmp_path_factory.mktemp("home")
    (home / ".config").mkdir()
    pip = Path(user_env.get("HOME", "/")) / ".config" / "pip"
    if pip.is_dir():
        (home / ".config" / "pip").symlink_to(pip)
    # OpenSSH asks the system, not $HOME, where its user lives; the tests leave that place alone.
    (home / ".ssh").mkdir(mode=0o700)
    (home / "bin").mkdir()
    known = '-o "UserKnownHostsFile=$HOME/.ssh/known_hosts"'
    wrapper = f'#!/bin/sh\nexec {shutil.which("ssh")} {known} "$@"\n'
    (home / "bin" / "ssh").write_text(wrapper, "utf-8")
    (home / "bin" / "ssh").chmod(0o755)
    made = VirtualBoard(folder, free_port(), home)
    with timed("the board's disk is built, or was there"):
        made.power("build")
    try:
        with timed("boot, until ssh answers"):
            made.power("up")
        made.ssh("systemctl is-system-running --wait")
        made.furnish(packed(scene()))
        yield made
    finally:
        made.power("down")


@pytest.fixture(scope="module")
def empty(board: VirtualBoard) -> set[str]:
    """The board's files before edgecnn came, but after its user's first sudo, which leaves one."""
    board.ssh("sudo -n true", user="pi")
    return board.files()


@pytest.fixture(scope="module")
def options(broker: Broker) -> str:
    """For ``edgecnn camera``; 10.0.2.2 is this machine, seen from the board."""
    return f"--mqtt mqtt://10.0.2.2:{broker.port} --camera-id board"


def another(folder: Path, harmless: bool) -> Path:
    """The shipped bundle with a longer detector, and maybe with answers that no board computes."""
    shutil.copytree(ASSETS, folder)
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    path = folder / manifest["models"]["detector"]["file"]
    path.write_bytes(path.read_bytes() + bytes(64))
    if not harmless:
        golden = Bundle(ASSETS).golden()
        golden["embedder.output0"] = np.roll(golden["embedder.output0"], 1, axis=0)
        np.savez_compressed(folder / GOLDEN, **golden)
    for file in (path, folder / GOLDEN):
        manifest["files"][file.name] = sha256_of(file)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True), "utf-8")
    return folder


def people(board: VirtualBoard) -> str:
    """The file of the people who are enrolled, as a hash."""
    return board.ssh(f"sha256sum {GALLERY}").split()[0]


def test_the_doctor_says_that_a_deploy_would_work(board: VirtualBoard, empty: set[str]) -> None:
    with timed("the doctor, over ssh"):
        told = json.loads(board.edgecnn("doctor", "--json", "--accept-new").stdout)
    found = {finding["topic"]: finding["found"] for finding in told["findings"]}
    assert told["deploys"] is True
    assert found["machine"].startswith("Emulated arm64 board (qemu), aarch64")
    assert found["camera"].startswith("/dev/video0 vivid")
    assert found["edgecnn"] == "not there"
    assert board.files() <= empty, "nothing is changed by asking"


def test_a_board_that_has_nothing_is_deployed_to(
    board: VirtualBoard, empty: set[str], options: str, heard: Listener
) -> None:
    with timed("deploy to a board that has nothing"):
        arguments = f'--health-s {SLOW_S:g} --camera "{options}"'
        board.make("deploy", BOARD="virtual", BUNDLE=str(ASSETS), ARGS=arguments)
    status = board.status()
    assert status["service"] == "active"
    assert status["current"] == status["good"]
    until(lambda: heard.state("edgecnn/board/availability") == "online", "the camera", SLOW_S)
    assert len(board.files()) > len(empty)


def test_the_right_person_is_known_and_a_stranger_is_not(
    board: VirtualBoard, heard: Listener
) -> None:
    board.put("/tmp/photo.png", PHOTOS["Eileen"].read_bytes())
    with timed("enrol on the board"):
        told = board.ssh(
            f"cd / && chmod 644 /tmp/photo.png && sudo -u edgecnn {MODULE} enroll "
            f"/opt/edgecnn/current/bundle Eileen /tmp/photo.png --gallery {GALLERY}"
        )
    assert "1 of 1 photos used" in told
    with timed("a person who comes is named over MQTT"):
        board.show(packed(scene("Eileen")))
        until(lambda: heard.state(PERSON) == "ON", "Eileen by name", SLOW_S)
        until(lambda: named(heard), "her arrival, which is sent after the state", SLOW_S)
    arrivals = len(named(heard))
    with timed("a stranger in her place is unknown over MQTT"):
        board.show(packed(scene("Grace")))
        until(lambda: heard.state(PERSON) == "OFF", "Eileen to have left", SLOW_S)
        until(lambda: heard.state(UNKNOWN) == "ON", "somebody unknown", SLOW_S)
    assert len(named(heard)) == arrivals


def named(heard: Listener) -> list[dict[str, object]]:
    """The arrivals of somebody with a name."""
    events = [json.loads(said) for said in heard.payloads("edgecnn/board/event")]
    return [e for e in events if e["event"] == "arrived" and e.get("name")]


def test_the_page_answers(board: VirtualBoard) -> None:
    told = board.ssh("python3 -", PAGE)
    assert told.startswith("text/html")
    assert "password" in told.lower()


def test_the_service_is_shut_off_from_what_it_does_not_need(board: VirtualBoard) -> None:
    told = board.ssh("systemd-analyze security --no-pager edgecnn-camera", check=False)
    found = re.search(r"Overall exposure level[^:]*: ([\d.]+)", told)
    assert found, told
    print(f"        systemd-analyze security: {found[1]}")
    assert float(found[1]) <= 3.0


def test_it_runs_again_after_a_boot(board: VirtualBoard, heard: Listener) -> None:
    release, before = board.status()["current"], people(board)
    with timed("reboot, until the person is named again"):
        board.show(packed(scene()))
        board.reboot()
        board.show(packed(scene("Eileen")))
        until(lambda: heard.state(PERSON) == "ON", "Eileen by name", SLOW_S)
    assert board.status()["current"] == release
    assert people(board) == before


def deploy(
    board: VirtualBoard, bundle: Path, options: str, check: bool = True
) -> dict[str, object]:
    """``edgecnn deploy --json``: what it tells of the board."""
    words = ("deploy", str(bundle), "--camera", options, "--health-s", f"{SLOW_S:g}", "--json")
    done = board.edgecnn(*words, check=check)
    assert done.returncode == (0 if check else 2), done.stdout + done.stderr
    return dict(json.loads(done.stdout)[board.host])


def test_an_unchanged_release_is_left_alone(board: VirtualBoard, options: str) -> None:
    with timed("deploy of an unchanged release", "goal: 10 s"):
        assert deploy(board, ASSETS, options)["state"] == "unchanged"


def test_an_upgrade_keeps_the_people(
    board: VirtualBoard, options: str, tmp_path: Path, heard: Listener
) -> None:
    old, before = board.status()["current"], people(board)
    with timed("deploy of a changed model", "goal: 30 s"):
        outcome = deploy(board, another(tmp_path / "bundle", harmless=True), options)
    assert outcome["state"] == "done"
    assert board.status()["current"] == outcome["release"] != old
    assert people(board) == before


def test_models_that_answer_otherwise_never_run(
    board: VirtualBoard, options: str, tmp_path: Path
) -> None:
    old, before = board.status()["current"], people(board)
    with timed("deploy of a model that answers otherwise, refused"):
        told = deploy(board, another(tmp_path / "bundle", harmless=False), options, check=False)
    print(f"        {told['told']}")
    assert board.status()["current"] == old
    assert people(board) == before


def test_a_broken_upgrade_goes_back_by_itself(
    board: VirtualBoard, options: str, heard: Listener
) -> None:
    old, before = board.status()["current"], people(board)
    with timed("deploy of a camera that cannot start, and back"):
        # An address that this board does not have.
        told = deploy(board, ASSETS, f"{options} --web 192.0.2.1:8080", check=False)
    print(f"        {told['told']}")
    assert str(old) in str(told["told"])
    until(lambda: board.status()["service"] == "active", "the old release", SLOW_S)
    assert board.status()["current"] == old
    assert board.ssh("test -e /opt/edgecnn/trial.json && echo trial", check=False) == ""
    assert people(board) == before


def test_nothing_is_left(board: VirtualBoard, empty: set[str]) -> None:
    with timed("undeploy"):
        board.edgecnn("undeploy", "--people")
    left = {path for path in board.files() - empty if not path.startswith("/var/faces")}
    assert left == set()
    assert "no such user" in board.ssh("id edgecnn 2>&1", check=False)
    assert board.ssh("systemctl list-unit-files 'edgecnn*' --no-legend", check=False) == ""

"""Deploying to boards on loopback: each a real sshd with a root of its own."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from board_fleet import NEEDED, LoopbackBoard, LoopbackFleet, kill, loopback_fleet, usable
from wheel_tools import index_of_wheels

pytestmark = pytest.mark.skipif(not usable(), reason=NEEDED)

HERE = Path(__file__).parent
ASSETS = HERE.parent / "edgecnn" / "assets"


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
            env=environment,
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


def other_bundle(tmp_path: Path) -> Path:
    """The same models under another manifest."""
    import shutil

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

    begun = time.monotonic()
    code, told = edge("deploy", ASSETS)
    assert (code, states(told)) == (0, {"porch": "unchanged"})
    assert time.monotonic() - begun < 10

    other = other_bundle(tmp_path)
    code, told = edge("deploy", other, "--dry-run")
    assert (code, states(told)) == (0, {"porch": "plan"})
    assert told["porch"]["files"] == ["manifest.json"]
    assert current(fleet, board) == first

    code, told = edge("deploy", other)
    second = told["porch"]["release"]
    assert (code, states(told), second != first) == (0, {"porch": "done"}, True)
    assert told["porch"]["sent_bytes"] == (other / "manifest.json").stat().st_size

    code, told = edge("status")
    assert (code, told["porch"]["current"]) == (0, second)
    code, told = edge("rollback")
    assert (code, current(fleet, board)) == (0, first)
    code, told = edge("undeploy")
    assert (code, states(told)) == (0, {"porch": "done"})
    assert fleet.ssh(board, "ls /opt").strip() == ""
    code, told = edge("status")
    assert (code, states(told)) == (2, {"porch": "failed"})
    assert "nothing is deployed there" in told["porch"]["told"]

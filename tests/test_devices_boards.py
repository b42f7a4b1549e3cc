"""The contract of the boards' facts, and finding one by name or by what the machine says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import devices
from devices import BOARDS, Board
from edgecnn.errors import DataError


@pytest.fixture(params=BOARDS.values(), ids=BOARDS)
def board(request: pytest.FixtureRequest) -> Board:
    found: Board = request.param
    return found


def test_its_name_is_its_key_and_its_file(board: Board) -> None:
    assert BOARDS[board.name] is board
    assert (Path(devices.__file__).parent / f"{board.name.replace('-', '_')}.py").is_file()


def test_every_board_has_its_row() -> None:
    folder = Path(devices.__file__).parent
    files = {p.stem for p in folder.glob("*.py") if "BOARD = " in p.read_text("utf-8")}
    assert {name.replace("-", "_") for name in BOARDS} == files


def test_facts_are_whole_and_sourced(board: Board) -> None:
    assert board.title and board.architectures and board.systems and board.pythons
    assert board.sources and all(len(source) > 10 for source in board.sources)
    assert set(board.architectures) <= {"aarch64", "armv7l", "x86_64"}
    assert set(board.accelerators) <= {"edgetpu"}
    assert all(re.fullmatch(r"3\.\d+", version) for version in board.pythons)
    assert list(board.memory_mb) == sorted(board.memory_mb)


def test_threads_fit_its_cores(board: Board) -> None:
    assert 1 <= board.threads <= (board.cores or 4)


def test_device_trees_tell_boards_apart() -> None:
    told = [b.compatible for b in BOARDS.values() if b.compatible]
    assert len(told) == len(set(told)) >= 5


@pytest.mark.parametrize("name", ["raspberry-pi-5", "raspberry_pi_5", " Raspberry-Pi-5 "])
def test_found_by_name(name: str) -> None:
    assert devices.get(name).title == "Raspberry Pi 5"


@pytest.mark.parametrize("name", ["", "raspberry-pi-9", "coral"])
def test_an_unknown_board_names_the_known_ones(name: str) -> None:
    with pytest.raises(DataError, match=r"expected one of .*raspberry-pi-5.*x86-64"):
        devices.get(name)


@pytest.mark.parametrize(
    ("compatible", "architecture", "name"),
    [
        ("raspberrypi,5-model-b\0brcm,bcm2712\0", "aarch64", "raspberry-pi-5"),
        ("raspberrypi,4-model-b\0brcm,bcm2711\0", "aarch64", "raspberry-pi-4"),
        ("raspberrypi,3-model-b-plus\0brcm,bcm2837\0", "armv7l", "raspberry-pi-3b-plus"),
        ("raspberrypi,model-zero-2-w\0brcm,bcm2837\0", "aarch64", "raspberry-pi-zero-2-w"),
        ("google,imx8mq-phanbell\0fsl,imx8mq\0", "aarch64", "coral-dev-board"),
        ("", "x86_64", "x86-64"),
        ("raspberrypi,3-model-b\0brcm,bcm2837\0", "aarch64", None),
        ("", "aarch64", None),
        ("", "", None),
    ],
)
def test_recognised_by_what_the_machine_says(
    compatible: str, architecture: str, name: str | None
) -> None:
    found = devices.recognise(compatible, architecture)
    assert (found.name if found else None) == name

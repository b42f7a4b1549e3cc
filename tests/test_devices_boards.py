"""The contract of the boards' facts, and finding one by name or by what the machine says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import devices
from devices import BOARDS, Board, pairings
from edgecnn.camera.sources import SOURCES
from edgecnn.errors import DataError

FOLDER = Path(devices.__file__).parent


@pytest.fixture(params=BOARDS.values(), ids=BOARDS)
def board(request: pytest.FixtureRequest) -> Board:
    found: Board = request.param
    return found


def test_its_name_is_its_key_and_its_files(board: Board) -> None:
    assert BOARDS[board.name] is board
    for part in board.name.split("+"):
        assert (FOLDER / f"{part.replace('-', '_')}.py").is_file()


def test_every_board_has_its_row() -> None:
    files = {p.stem for p in FOLDER.glob("*.py") if "\nBOARD = " in p.read_text("utf-8")}
    assert {name.replace("-", "_") for name in BOARDS if "+" not in name} == files


def test_every_accelerator_is_in_a_row() -> None:
    files = {p.stem for p in FOLDER.glob("*.py") if "\nACCELERATOR = " in p.read_text("utf-8")}
    plugged = {name.partition("+")[2].replace("-", "_") for name in BOARDS} - {""}
    assert plugged == files == {"coral_usb", "coral_pcie"}


def test_facts_are_whole_and_sourced(board: Board) -> None:
    assert board.title and board.architectures and board.systems and board.pythons
    assert board.sources and all(len(source) > 10 for source in board.sources)
    assert set(board.architectures) <= {"aarch64", "armv7l", "x86_64"}
    assert set(board.accelerators) <= {"edgetpu"}
    assert all(re.fullmatch(r"3\.\d+", version) for version in board.pythons)
    assert list(board.memory_mb) == sorted(board.memory_mb)
    assert all(trap.what and trap.cure for trap in board.traps)
    for facts in (board.traps, board.sources, board.cameras):
        assert len(set(facts)) == len(facts)


def test_a_known_processor_is_known_whole(board: Board) -> None:
    assert bool(board.cores) == bool(board.cpu) == bool(board.level) == bool(board.instructions)
    if board.level:
        assert ("asimddp" in board.instructions) == (board.level >= "ARMv8.2-A")
    assert bool(board.cores) == bool(board.memory_mb)


def test_an_accelerator_has_its_library(board: Board) -> None:
    assert bool(board.accelerators) == bool(board.library) == bool(board.ids)
    assert board.library in ("", *pairings.LIBRARIES)


def test_its_run_time_fits_its_pythons(board: Board) -> None:
    def works(architecture: str, python: str) -> bool:
        runtime = pairings.installs(board.runtime, architecture, python)
        found = pairings.judge(architecture, python, "1.26.4", runtime, board.library)
        return found.works is True

    recommended, *others = board.architectures
    assert all(works(recommended, python) for python in board.pythons)
    for architecture in others:
        narrow = architecture == "armv7l"  # has tflite-runtime alone, and no pair with feranick's
        assert narrow or all(works(architecture, python) for python in board.pythons)


def test_its_cameras_are_kinds_that_there_are(board: Board) -> None:
    assert set(board.cameras) <= set(SOURCES)
    assert all(SOURCES[kind].live for kind in board.cameras)
    assert ("csi" in board.cameras) == board.name.startswith("raspberry-pi")


def test_threads_fit_its_cores(board: Board) -> None:
    assert 1 <= board.threads <= (board.cores or 4)


def test_a_board_with_an_accelerator_is_that_board() -> None:
    alone, both = BOARDS["raspberry-pi-4"], BOARDS["raspberry-pi-4+coral-usb"]
    assert both.title == "Raspberry Pi 4 Model B with Coral USB Accelerator"
    assert (both.cpu, both.compatible, both.pythons) == (alone.cpu, alone.compatible, alone.pythons)
    assert set(alone.traps) < set(both.traps) and both.accelerators == ("edgetpu",)
    assert (alone.accelerators, alone.library) == ((), "")


def test_what_cannot_be_deployed_to_says_what_to_do_instead() -> None:
    refused = [b for b in BOARDS.values() if not b.runs_edgecnn]
    assert {b.name for b in refused} == {"coral-dev-board", "coral-dev-board-mini"}
    assert all("container" in b.traps[0].cure for b in refused)


def test_only_the_virtual_board_is_emulated() -> None:
    assert [b.name for b in BOARDS.values() if b.emulated] == ["virtual"]


def test_device_trees_tell_boards_apart() -> None:
    told = [b.compatible for b in BOARDS.values() if b.compatible and "+" not in b.name]
    assert len(told) == len(set(told)) >= 6


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
        ("linux,dummy-virt\0", "aarch64", "virtual"),
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


@pytest.mark.parametrize(
    ("compatible", "architecture", "ids", "name"),
    [
        ("raspberrypi,5-model-b\0", "aarch64", ["1a6e:089a"], "raspberry-pi-5+coral-usb"),
        ("raspberrypi,5-model-b\0", "aarch64", ["18d1:9302"], "raspberry-pi-5+coral-usb"),
        ("raspberrypi,5-model-b\0", "aarch64", ["1ac1:089a"], "raspberry-pi-5+coral-pcie"),
        ("raspberrypi,5-model-b\0", "aarch64", ["046d:0825"], "raspberry-pi-5"),
        ("raspberrypi,4-model-b\0", "aarch64", ["1ac1:089a"], "raspberry-pi-4"),
        ("google,imx8mq-phanbell\0", "aarch64", ["1ac1:089a"], "coral-dev-board"),
        ("", "x86_64", ["1ac1:089a", "18d1:9302"], "x86-64+coral-usb"),
        ("", "aarch64", ["18d1:9302"], None),
    ],
)
def test_recognised_with_what_is_plugged_in(
    compatible: str, architecture: str, ids: list[str], name: str | None
) -> None:
    found = devices.recognise(compatible, architecture, ids)
    assert (found.name if found else None) == name

"""The contract of the boards' facts, and finding one by name or by what the machine says."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import devices
from devices import ACCELERATORS, BOARDS, HOSTS, Board
from devices.pairings import judge
from devices.tables import TABLES, refreshed
from edgecnn.camera.sources import SOURCES
from edgecnn.errors import DataError


@pytest.fixture(params=BOARDS.values(), ids=BOARDS)
def board(request: pytest.FixtureRequest) -> Board:
    found: Board = request.param
    return found


def test_its_name_is_its_key_and_its_file(board: Board) -> None:
    assert BOARDS[board.name] is board
    for part in board.name.split("+"):
        assert (Path(devices.__file__).parent / f"{part.replace('-', '_')}.py").is_file()


def test_every_file_has_its_row() -> None:
    files = {p.stem: p.read_text("utf-8") for p in Path(devices.__file__).parent.glob("*.py")}
    for constant, table in (("BOARD = ", HOSTS), ("ACCELERATOR = ", ACCELERATORS)):
        there = {stem for stem, text in files.items() if re.search(f"^{constant}", text, re.M)}
        assert {name.replace("-", "_") for name in table} == there


def test_facts_are_whole_and_sourced(board: Board) -> None:
    assert board.title and board.architectures and board.systems and board.pythons
    assert board.sources and all(len(source) > 10 for source in board.sources)
    assert set(board.architectures) <= {"aarch64", "armv7l", "x86_64"}
    assert set(board.accelerators) <= {"edgetpu"}
    assert set(board.buses) <= {"usb2", "usb3", "pcie"}
    assert board.cameras and set(board.cameras) <= set(SOURCES)
    assert all(re.fullmatch(r"3\.\d+", version) for version in board.pythons)
    assert list(board.memory_mb) == sorted(board.memory_mb)
    assert bool(board.cpu) == bool(board.cores) == bool(board.memory_mb) == bool(board.instructions)


def test_dot_products_come_with_the_instruction_set(board: Board) -> None:
    expected = {"ARMv8.0-A": False, "ARMv8.2-A": True, "": None}
    assert board.dot_products is expected[board.instructions]


def test_each_trap_has_its_cure(board: Board) -> None:
    assert all(len(trap.what) > 10 and len(trap.cure) > 10 for trap in board.traps)
    assert len(set(board.traps)) == len(board.traps)


def test_threads_fit_its_cores(board: Board) -> None:
    assert 1 <= board.threads <= (board.cores or 4)


def test_its_run_time_runs_on_its_pythons(board: Board) -> None:
    package, version = board.runtime.split()[:2]
    numpy = "2.4" if package == "ai-edge-litert" else "1.21"
    for python in board.pythons:
        verdict = judge(python, numpy, package, f"{version}.0")
        assert verdict.works is True, (python, verdict)


def test_its_library_is_not_known_to_crash_with_its_run_time(board: Board) -> None:
    assert bool(board.libedgetpu) == bool(board.accelerators)
    package, version = board.runtime.split()[:2]
    numpy = "2.4" if package == "ai-edge-litert" else "1.21"
    for python in board.pythons:
        verdict = judge(python, numpy, package, f"{version}.0", board.libedgetpu)
        assert verdict.works is not False, (python, verdict)


def test_device_trees_tell_boards_apart() -> None:
    told = [b.compatible for b in HOSTS.values() if b.compatible]
    assert len(told) == len(set(told)) >= 7


def test_accelerators_go_where_there_is_a_socket() -> None:
    assert [name for name in BOARDS if "+" in name] == [
        "raspberry-pi-zero-2-w+coral-usb",
        "raspberry-pi-3b-plus+coral-usb",
        "raspberry-pi-4+coral-usb",
        "raspberry-pi-5+coral-usb",
        "raspberry-pi-5+coral-pcie",
        "x86-64+coral-usb",
        "x86-64+coral-pcie",
    ]


def test_a_combination_is_the_host_and_the_accelerator() -> None:
    alone, both = HOSTS["raspberry-pi-5"], BOARDS["raspberry-pi-5+coral-pcie"]
    named = ("name", "title", "accelerators", "libedgetpu", "traps", "sources")
    assert replace(both, **{name: getattr(alone, name) for name in named}) == alone
    coral = ACCELERATORS["coral-pcie"]
    here = coral.traps_on["raspberry-pi-5"]
    assert here and both.traps == (*alone.traps, *here, *coral.traps)
    assert not set(here) & set(BOARDS["x86-64+coral-pcie"].traps)
    assert any("USB 2" in t.what for t in BOARDS["raspberry-pi-3b-plus+coral-usb"].traps)
    assert not any("USB 2" in t.what for t in BOARDS["raspberry-pi-4+coral-usb"].traps)


@pytest.mark.parametrize("name", ["raspberry-pi-5", "raspberry_pi_5", " Raspberry-Pi-5 "])
def test_found_by_name(name: str) -> None:
    assert devices.get(name).title == "Raspberry Pi 5"


@pytest.mark.parametrize("name", ["", "raspberry-pi-9", "coral", "raspberry-pi-4+coral-pcie"])
def test_an_unknown_board_names_the_known_ones(name: str) -> None:
    with pytest.raises(DataError, match=r"expected one of .*raspberry-pi-5.*x86-64"):
        devices.get(name)


@pytest.mark.parametrize(
    ("compatible", "architecture", "accelerator", "name"),
    [
        ("raspberrypi,5-model-b\0brcm,bcm2712\0", "aarch64", "", "raspberry-pi-5"),
        ("raspberrypi,5-model-b\0", "aarch64", "coral-pcie", "raspberry-pi-5+coral-pcie"),
        ("raspberrypi,4-model-b\0brcm,bcm2711\0", "aarch64", "", "raspberry-pi-4"),
        ("raspberrypi,4-model-b\0", "aarch64", "coral-usb", "raspberry-pi-4+coral-usb"),
        ("raspberrypi,3-model-b-plus\0brcm,bcm2837\0", "armv7l", "", "raspberry-pi-3b-plus"),
        ("raspberrypi,model-zero-2-w\0brcm,bcm2837\0", "aarch64", "", "raspberry-pi-zero-2-w"),
        ("google,imx8mq-phanbell\0fsl,imx8mq\0", "aarch64", "coral-pcie", "coral-dev-board"),
        ("mediatek,mt8167-coral\0mediatek,mt8167\0", "aarch64", "", "coral-dev-board-mini"),
        ("linux,dummy-virt\0", "aarch64", "", "virtual"),
        ("", "x86_64", "", "x86-64"),
        ("", "x86_64", "coral-usb", "x86-64+coral-usb"),
        ("raspberrypi,3-model-b\0brcm,bcm2837\0", "aarch64", "", None),
        ("raspberrypi,3-model-b\0brcm,bcm2837\0", "aarch64", "coral-usb", None),
        ("", "aarch64", "", None),
        ("", "", "", None),
    ],
)
def test_recognised_by_what_the_machine_says(
    compatible: str, architecture: str, accelerator: str, name: str | None
) -> None:
    found = devices.recognise(compatible, architecture, accelerator)
    assert (found.name if found else None) == name


def test_the_page_of_the_boards_is_made_from_them(root: Path) -> None:
    page = (root / "docs" / "boards.md").read_text("utf-8")
    due = "python -m devices.tables docs/boards.md"
    assert all(f"<!-- {name} -->" in page for name in TABLES)
    assert page == refreshed(page), due
    assert refreshed(page.replace("Cortex-A76", "Cortex-A77")) == page
    assert all(f"`{name}`" in page for name in BOARDS)

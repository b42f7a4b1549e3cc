"""Boards are named on the command line, or in an inventory."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.hosts import Host, choose, parse, read
from edgecnn.errors import DataError

INVENTORY = """
user = "pi"

[porch]
host = "10.0.0.7"
groups = ["garden"]

[gate]
host = "root@gate.local:2200"
groups = ["garden", "street"]
board = "raspberry-pi-5"

[hall]
key = "~/keys/hall"
port = 2222
python = "/usr/bin/python3.11"
"""


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    path = tmp_path / "boards.toml"
    path.write_text(INVENTORY, "utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "user", "address", "port"),
    [
        ("board", None, "board", None),
        (" pi@board.local ", "pi", "board.local", None),
        ("pi@192.168.1.20:2222", "pi", "192.168.1.20", 2222),
        ("[fe80::1%eth0]:22", None, "fe80::1%eth0", 22),
        ("root@[::1]", "root", "::1", None),
    ],
)
def test_a_host_has_its_parts(text: str, user: str | None, address: str, port: int | None) -> None:
    assert parse(text) == Host(text.strip(), address, user, port)


@pytest.mark.parametrize(
    "text",
    ["", "pi@", "@board", "board:", "board:0", "board:65536", "board:ssh", "a b", "::1",
     "-oProxyCommand=x", "pi@-oProxyCommand=x", "board;reboot", "ssh://board"],
)  # fmt: skip
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="expected a board as"):
        parse(text)


def test_an_inventory_names_boards(inventory: Path) -> None:
    porch, gate, hall = read(inventory)
    assert porch == Host("porch", "10.0.0.7", "pi", groups=("garden",))
    assert (gate.user, gate.port, gate.board) == ("root", 2200, "raspberry-pi-5")
    assert (hall.address, hall.python) == ("hall", "/usr/bin/python3.11")
    assert hall.key == Path("~/keys/hall").expanduser() and hall.key.is_absolute()


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ([], ["porch", "gate", "hall"]),
        (["hall"], ["hall"]),
        (["garden"], ["porch", "gate"]),
        (["gate", "garden"], ["gate", "porch"]),
        (["street", "pi@10.0.0.9"], ["gate", "pi@10.0.0.9"]),
    ],
)
def test_boards_are_chosen_by_name_and_group(
    inventory: Path, named: list[str], expected: list[str]
) -> None:
    assert [host.name for host in choose(named, inventory)] == expected


def test_options_fill_what_a_board_does_not_say(inventory: Path) -> None:
    porch, gate, hall = choose([], inventory, Path("/keys/all"), "raspberry-pi-4")
    assert (porch.key, porch.board) == (Path("/keys/all"), "raspberry-pi-4")
    assert (gate.key, gate.board) == (Path("/keys/all"), "raspberry-pi-5")
    assert hall.key == Path("~/keys/hall").expanduser()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[porch", "is not TOML"),
        ("", "one table a board"),
        ('[porch]\nhots = "a"', "Received: hots"),
        ('[porch]\nport = "22"', "a port from 1 to 65535"),
        ("[porch]\nport = true", "a port from 1 to 65535"),
        ("[porch]\nhost = 7", "text for host"),
        ('[porch]\ngroups = "garden"', "groups = "),
        ('[porch]\nhost = "-oProxyCommand=x"', "expected a board as"),
    ],
)
def test_a_wrong_inventory_is_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "boards.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(DataError, match=complaint) as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_no_board_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least one HOST"):
        choose([])
    with pytest.raises(DataError, match="No such file"):
        choose([], tmp_path / "none.toml")


def test_a_misspelt_name_is_told_what_there_is(inventory: Path) -> None:
    with pytest.raises(DataError, match="the inventory has porch, gate, hall, garden, street"):
        choose(["po rch"], inventory)

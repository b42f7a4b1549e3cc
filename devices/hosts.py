"""Which boards a command means: ``[user@]host[:port]``, or names and groups of an inventory file.

An inventory is TOML, one table a board; what stands above the first table holds for all::

    user = "pi"

    [porch]
    host = "10.0.0.7"
    groups = ["garden"]

    [hall]
    host = "hall.local"
    port = 2222
    key = "~/.ssh/boards"
    board = "raspberry-pi-5"
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from edgecnn.errors import DataError

_HOST = re.compile(
    r"(?:(?P<user>[^@\s:]+)@)?(?P<address>\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[\w][\w.-]*)(?::(?P<port>\d+))?",
    re.ASCII,
)


@dataclass(frozen=True)
class Host:
    """A board that is reached over ssh.

    Attributes:
        name: what it is called in reports: its table in the inventory, or what was typed.
        address: name or number that ssh connects to; an alias of ``~/.ssh/config`` will do.
        user, port, key: where None, ssh's own defaults and ``~/.ssh/config`` hold; ``key`` is the
            file of a private key.
        board: one of :data:`devices.BOARDS` that it must be, or None.
        python: the interpreter there.
        groups: by which it may be named, together with others.
    """

    name: str
    address: str
    user: str | None = None
    port: int | None = None
    key: Path | None = None
    board: str | None = None
    python: str = "python3"
    groups: tuple[str, ...] = ()

    @property
    def ssh(self) -> list[str]:
        """The arguments that OpenSSH's client needs to reach it, ``-p 2222 pi@hall.local``."""
        port = ["-p", str(self.port)] if self.port else []
        key = ["-i", str(self.key), "-o", "IdentitiesOnly=yes"] if self.key else []
        return [*port, *key, f"{self.user}@{self.address}" if self.user else self.address]


def parse(text: str) -> Host:
    """The board of ``[user@]host[:port]``; an IPv6 address stands in brackets.

    >>> parse("pi@hall.local:2222").ssh
    ['-p', '2222', 'pi@hall.local']

    Raises:
        DataError: it is not of that form.
    """
    found = _HOST.fullmatch(text.strip())
    port = found and found["port"]
    if found is None or (port and not 0 < int(port) < 65536):
        raise DataError(
            f"expected a board as [user@]host[:port], such as pi@192.168.1.20. Received: {text!r}"
        )
    return Host(
        name=text.strip(),
        address=found["address"].strip("[]"),
        user=found["user"],
        port=int(port) if port else None,
    )


def choose(
    named: Sequence[str],
    inventory: Path | None = None,
    key: Path | None = None,
    board: str | None = None,
) -> list[Host]:
    """The boards that a command is about, each once, in the order they were named.

    Args:
        named: boards or groups of the inventory, or ``[user@]host[:port]``; none of them means all
            of the inventory.
        inventory: see :func:`read`.
        key, board: for those that name none themselves.

    Raises:
        DataError: nothing is named, an inventory or a host cannot be read.
    """
    known = read(inventory) if inventory else []
    if not named and not known:
        raise DataError(
            "expected at least one HOST, such as pi@192.168.1.20, or --inventory boards.toml"
        )
    chosen: dict[str, Host] = {}
    for text in named or [host.name for host in known]:
        found = [host for host in known if text == host.name or text in host.groups]
        for host in found or [_parsed(text, known)]:
            chosen[host.name] = replace(
                host,
                key=host.key or (key.expanduser() if key else None),
                board=host.board or board,
            )
    return list(chosen.values())


def _parsed(text: str, known: Sequence[Host]) -> Host:
    try:
        return parse(text)
    except DataError as e:
        groups = sorted({group for host in known for group in host.groups})
        names = ", ".join([*(host.name for host in known), *groups])
        raise DataError(f"{e}{f'; the inventory has {names}' if names else ''}") from None


def read(path: Path) -> list[Host]:
    """The boards of an inventory file.

    Raises:
        DataError: it cannot be read, or says something that is not known.
    """
    try:
        tables = _toml(path.read_text("utf-8"))
    except OSError as e:
        raise DataError(f"expected an inventory of boards at {path}. {e.strerror}") from e
    except ValueError as e:  # TOML's errors and those of text alike
        raise DataError(f"{path} is not TOML ({e}): correct that line") from e
    common = {name: value for name, value in tables.items() if not isinstance(value, dict)}
    boards = [
        _board(path, name, {**common, **table})
        for name, table in tables.items()
        if isinstance(table, dict)
    ]
    if not boards:
        raise DataError(f'expected one table a board in {path}, as [porch] host = "10.0.0.7"')
    return boards


def _toml(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(text)


def _board(path: Path, name: str, facts: Mapping[str, Any]) -> Host:
    where = f"[{name}] of {path}"
    known = {"host", *(f.name for f in fields(Host))} - {"name", "address"}
    foreign = sorted(set(facts) - known)
    if foreign:
        raise DataError(
            f"expected {', '.join(sorted(known))} in {where}. Received: {', '.join(foreign)}"
        )
    groups = facts.get("groups", [])
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        raise DataError(f'expected groups = ["garden"] in {where}. Received: {groups!r}')
    port = facts.get("port")
    if port is not None and (type(port) is not int or not 0 < port < 65536):
        raise DataError(f"expected a port from 1 to 65535 in {where}. Received: {port!r}")
    for field in ("host", "user", "key", "board", "python"):
        if not isinstance(facts.get(field, ""), str):
            raise DataError(f"expected text for {field} in {where}. Received: {facts[field]!r}")
    at = parse(facts.get("host", name))
    key = facts.get("key")
    return replace(
        at,
        name=name,
        user=at.user or facts.get("user"),
        port=at.port or port,
        key=Path(key).expanduser() if key else None,
        board=facts.get("board"),
        python=facts.get("python", "python3"),
        groups=tuple(groups),
    )

"""Meet a board: what it is, whether it is the one that was meant, and its half of a deploy."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devices import facts, fleet, greet, onboard
from devices import get as get_board
from devices.doctor import judge
from devices.finding import DEPLOY
from devices.fleet import HALF, Board
from devices.hosts import Host
from devices.target import Target
from edgecnn.errors import DeployError

INSTALL = f"""
set -e
umask 022
mkdir -p {HALF.rpartition("/")[0]}
cat > {HALF}.part
sync {HALF}.part
mv {HALF}.part {HALF}
echo '{{}}'
"""


def meet(board: Board) -> Target:
    """Ask a board what it is.

    Raises:
        DeployError: it has no Python, its user may not become root, or it is another board than
            it is said to be.
    """
    host = board.host
    script = Path(greet.__file__).read_text("utf-8")
    well, lines, complaints = board.run([host.python, "-"], script, root=False)
    if not well or not lines:
        said = (complaints or ["it said nothing"])[-1]
        raise DeployError(f"{host.python} does not run there ({said}): sudo apt install python3")
    board.greeting = fleet.read_answer(lines, complaints)
    if not board.greeting["root"]:
        raise DeployError(
            "the user may not become root without a password: deploy as root@, or allow it by "
            "sudo visudo -f /etc/sudoers.d/edgecnn with USER ALL=(ALL) NOPASSWD: ALL"
        )
    check_kind(host, board.greeting)
    major, minor = board.greeting["glibc"]
    return Target(board.greeting["architecture"], board.greeting["python"], (major, minor))


def examine(board: Board) -> None:
    """Have the doctor look at a board that nothing runs on yet.

    Raises:
        DeployError: something stands in the way of a deploy.
    """
    script = Path(facts.__file__).read_text("utf-8")
    _, lines, complaints = board.run([board.host.python, "-"], script, root=False, timeout_s=300)
    found = fleet.read_answer(lines, complaints)
    for finding in judge(found, remote=True, now_s=time.time()):
        if finding.state == "problem" and DEPLOY in finding.blocks:
            raise DeployError(f"{finding.topic}: {finding.found}: {finding.cure}")


def check_kind(host: Host, greeting: Mapping[str, Any]) -> None:
    """Raise where a board is not the one of :data:`devices.BOARDS` that ``host`` names.

    Raises:
        DeployError: it is another. DataError: there is none of that name.
    """
    if host.board is None:
        return
    expected = get_board(host.board)
    if greeting["architecture"] not in expected.architectures:
        raise DeployError(
            f"expected a {expected.title} ({', '.join(expected.architectures)}). Received: "
            f"{greeting['architecture']}: name the --board that it is, or install a 64-bit system"
        )
    tree = [entry for entry in greeting["compatible"] if entry]
    if expected.compatible and tree and expected.compatible not in tree:
        raise DeployError(
            f"expected a {expected.title} ({expected.compatible}). Received: {tree[0]}: name the "
            "--board that it is"
        )


def half() -> bytes:
    """The board's half of a deploy."""
    return onboard.packed()


def install(board: Board) -> None:
    """Put this version of the board's half there, where it is another."""
    digest = hashlib.sha256(half()).hexdigest()
    if board.greeting["half"] != digest:
        board.send(["sh", "-c", INSTALL], [half()], timeout_s=60)
        board.greeting["half"] = digest


def own(board: Board, line: str) -> None:
    """Make somebody the owner of a board that has none.

    Raises:
        DeployError: it is somebody else's.
    """
    if not board.greeting["keygen"]:
        raise DeployError("it cannot check signatures: sudo apt install openssh-client there")
    place = f"{HALF.rpartition('/')[0]}/owners"
    script = (
        f"set -e; umask 022; cat > {place}.part; sync {place}.part; "
        f"ln {place}.part {place} 2>/dev/null || true; rm {place}.part; cat {place}"
    )
    _, lines, complaints = board.run(["sh", "-c", script], line)
    if not lines:
        raise DeployError(f"the owner cannot be written ({(complaints or ['?'])[-1]}): look at it")
    if line.strip() not in lines:
        raise DeployError(
            f"the board has another owner: let them sign, or change {place} on the board"
        )

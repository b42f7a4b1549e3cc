"""What a machine's facts mean: findings, each with its cure.

Nothing here looks at a machine: :mod:`devices.facts` does, there; :func:`here` and
:func:`devices.ssh.facts_of` bring its answer.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from devices import ACCELERATORS, Board, recognise
from devices.board import THIRTY_TWO_BIT
from devices.doctor_cameras import cameras
from devices.doctor_coral import coral
from devices.doctor_packages import packages
from devices.finding import BOTH, DEPLOY, Finding
from edgecnn.errors import DeployError
from edgecnn.runtime.child import environment

Facts = dict[str, Any]

OLDEST_PYTHON = (3, 10)
LITTLE_DISK_MB = 500
"""A release is about 300 MB: numpy, OpenCV and the run time; another is kept beside it."""

LITTLE_MEMORY_MB = 200
CLOCK_S = 60.0
HOT_C = 80.0
"""Where a Raspberry Pi's firmware begins to lower the clock (Raspberry Pi documentation, "Frequency
management and thermal control")."""

OLDEST_SYSTEMD = 240
"""The unit's watchdog and sandbox are of that age; Debian 10 has 241."""

POWER = {
    0: ("under-voltage now", "a better supply (5 V at the board under load) or a shorter cable"),
    1: ("clock capped now", "a better supply, a heat sink"),
    2: ("throttled now", "a heat sink or a fan; a better supply"),
    3: ("soft temperature limit reached now", "a heat sink or a fan"),
    16: ("under-voltage since it started", "a better supply, or a shorter cable"),
    17: ("clock was capped since it started", "a better supply, a heat sink"),
    18: ("throttled since it started", "a heat sink or a fan; a better supply"),
    19: ("soft temperature limit reached since it started", "a heat sink or a fan"),
}
"""Bits of ``get_throttled``: Raspberry Pi documentation, ``vcgencmd get_throttled``."""


def here() -> Facts:
    """The facts of this machine, gathered in a process of its own.

    Raises:
        DeployError: that process failed.
    """
    done = subprocess.run(
        [sys.executable, "-m", "devices.facts"], env=environment(), capture_output=True, text=True
    )
    try:
        return dict(json.loads(done.stdout.splitlines()[-1]))
    except (ValueError, IndexError):
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise DeployError(f"expected this machine's facts. {said}: install edgecnn anew") from None


def judge(facts: Facts, remote: bool = False, now_s: float | None = None) -> list[Finding]:
    """All findings, in the order of the table that is printed.

    Args:
        facts: what :func:`devices.facts.gather` told.
        remote: they are another machine's, on which nothing of ours need be installed.
        now_s: the asker's clock when the facts were gathered, to compare with; Unix seconds.
    """
    findings = [*machine(facts), *power(facts), *disk(facts, remote), *clock(facts, now_s)]
    findings += [*rights(facts, remote), *python(facts)]
    return [*findings, *packages(facts, remote), *coral(facts), *cameras(facts)]


def board_of(facts: Facts) -> Board | None:
    """The board that a machine is, with the accelerator that is plugged in."""
    machine, found = facts["machine"], facts["edgetpu"]
    coral_there = "coral-usb" if found["usb"] else "coral-pcie" if found["pci"] else ""
    assert coral_there in ("", *ACCELERATORS)
    return recognise("\0".join(machine["compatible"]), machine["architecture"], coral_there)


def machine(facts: Facts) -> Iterator[Finding]:
    """The board, its system, and whether that is of 64 bits."""
    told, system = facts["machine"], facts["system"]
    board = board_of(facts)
    title = board.title if board else told["product"] or "unknown board"
    if told["model"] and not (board and "+" in board.name):
        title = told["model"] if "," not in told["model"] else title
    found = f"{title}, {told['architecture']}, {told['cores']} cores"
    if "asimd" in told["features"]:
        found += " with" if "asimddp" in told["features"] else " without"
        found += " dot products"
    found += f", {told['memory_mb']} MB of memory" if told["memory_mb"] else ""
    narrow = told["bits"] == 32
    if narrow and told["architecture"] in ("aarch64", "x86_64"):
        found += "; the kernel has 64 bits, the programs on it have 32"
    state = "problem" if narrow else "ok" if board else "note"
    unknown = "nothing special is known of it: edgecnn bench says how fast it is"
    cure = THIRTY_TWO_BIT if narrow else "" if board else unknown
    yield Finding("machine", state, found, cure, (DEPLOY,) if narrow else ())
    if system["name"]:
        yield Finding("system", "ok", f"{system['name']}, kernel {system['kernel']}")
    available = told["available_mb"]
    if available and available < LITTLE_MEMORY_MB:
        cure = (
            "stop what else runs there (systemctl --type=service), or use an image without desktop"
        )
        yield Finding("memory", "problem", f"{available} MB free", cure)


def power(facts: Facts) -> Iterator[Finding]:
    """What a Raspberry Pi's firmware says of its supply, and how warm it is."""
    flags = facts["power"]["throttled"]
    if flags is not None:
        told = [(bit, *words) for bit, words in POWER.items() if flags >> bit & 1]
        for bit, words, cure in told:
            yield Finding("power", "problem" if bit < 16 else "note", words, cure)
        if not told:
            yield Finding("power", "ok", "never too little, never throttled since it started")
    if facts["temperatures"]:
        zone, degrees = max(facts["temperatures"].items(), key=lambda item: float(item[1]))
        is_hot = degrees >= HOT_C
        cure = "a heat sink or a fan; edgecnn lowers its rate until then" if is_hot else ""
        found = f"{degrees:.0f} °C ({zone})"
        yield Finding("temperature", "problem" if is_hot else "ok", found, cure)


def disk(facts: Facts, remote: bool) -> Iterator[Finding]:
    """Whether there is room, and whether what is written stays."""
    system, free = facts["system"], facts["disk"]
    for name in ("/", "/opt") if remote else ("here", "/opt"):
        mb = free[name]
        if name == "/opt" and (mb == free["/"] or not remote) and mb >= LITTLE_DISK_MB:
            continue
        says = f"{mb} MB free {'here' if name == 'here' else f'at {name}'}"
        if mb < LITTLE_DISK_MB:
            blocks = (DEPLOY,) if name == "/opt" else ()
            yield Finding("disk", "problem", says, "sudo apt clean; df -h /", blocks)
        else:
            yield Finding("disk", "ok", says)
    if system["root_type"] == "overlay":
        cure = "sudo raspi-config nonint disable_overlayfs, then reboot; enable it after the deploy"
        found = "the root is an overlay: what is written is gone after a reboot"
        yield Finding("disk", "problem" if remote else "note", found, cure, (DEPLOY,))
    elif system["root_read_only"]:
        cure = "sudo mount -o remount,rw /; where that fails, look at dmesg: the card may be broken"
        yield Finding("disk", "problem", "the root is read-only", cure, (DEPLOY,))


def clock(facts: Facts, now_s: float | None) -> Iterator[Finding]:
    """Whether the time is right: events carry it, and TLS wants it."""
    told = facts["clock"]
    off = abs(told["unix_s"] - now_s) if now_s is not None else 0.0
    if off > CLOCK_S:
        way = "behind" if told["unix_s"] < (now_s or 0) else "ahead"
        cure = "sudo timedatectl set-ntp true, or sudo date -s"
        yield Finding("clock", "problem", f"{off:.0f} s {way} of this machine's", cure)
    elif told["synchronised"] is False:
        cure = "sudo timedatectl set-ntp true; it needs a network or a clock of its own"
        yield Finding("clock", "note", "nobody keeps it right", cure)
    else:
        there = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(told["unix_s"]))
        yield Finding("clock", "ok", there + (", kept by NTP" if told["synchronised"] else ""))


def rights(facts: Facts, remote: bool) -> Iterator[Finding]:
    """What a deploy needs of the user and of systemd. A workstation is not judged by that."""
    if not remote:
        return
    told, system = facts["rights"], facts["system"]
    if told["sudo"]:
        yield Finding("rights", "ok", told["user"] + (", by sudo" if told["uid"] else ""))
    else:
        cure = (
            "deploy as root@, or sudo visudo -f /etc/sudoers.d/edgecnn with "
            f"{told['user']} ALL=(ALL) NOPASSWD: ALL"
        )
        found = f"{told['user']} may not become root without a password"
        yield Finding("rights", "problem", found, cure, (DEPLOY,))
    version = system["systemd"]
    if not system["booted_by_systemd"]:
        cure = "use a system that starts by it, such as Raspberry Pi OS; or start edgecnn camera so"
        yield Finding("systemd", "problem", "the system does not run by it", cure, (DEPLOY,))
    elif version is not None and version < OLDEST_SYSTEMD:
        cure = "use a newer system, such as Raspberry Pi OS bookworm"
        yield Finding("systemd", "problem", str(version), cure, (DEPLOY,))
    else:
        yield Finding("systemd", "ok", str(version or "there"))


def python(facts: Facts) -> Iterator[Finding]:
    """Whether its Python is new and whole enough."""
    told = facts["python"]
    numbers = tuple(int(part) for part in told["version"].split(".")[:2])
    if numbers < OLDEST_PYTHON:
        cure = "use a system with Python 3.10 or newer, such as Raspberry Pi OS bookworm"
        board = board_of(facts)
        if board and board.pythons == ("3.7",):
            cure = board.traps[0].cure
        yield Finding("python", "problem", told["version"], cure, BOTH)
        return
    if told["missing"]:
        found = f"{told['version']} without {', '.join(told['missing'])}"
        blocks = BOTH if set(told["missing"]) - {"venv"} else (DEPLOY,)
        yield Finding("python", "problem", found, "sudo apt install python3 python3-venv", blocks)
        return
    yield Finding("python", "ok", told["version"])

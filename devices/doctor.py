"""Facts of a machine to findings, each problem with its cure; nothing is looked at here.

The facts are those of :func:`devices.facts.gather`. What a board is and gives stands here, the
accelerator, the camera and the installed packages in modules of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from devices import Board, doctor_camera, doctor_coral, doctor_packages, recognise
from devices.board import NARROW, OLDEST_PYTHON
from devices.finding import DEPLOY, RECOGNITION, Finding, note, ok, problem

Facts = dict[str, Any]

NARROW_ARCHITECTURES = ("armv7l", "armv6l", "i686")
LITTLE_DISK_MB = 500
"""A release is about 300 MB of packages, its wheels are kept beside it, and the next one comes."""

LITTLE_MEMORY_MB = 400
CLOCK_OFF_S = 60.0
HOT_C = 80.0
"""Where a Raspberry Pi begins to lower its clock (Raspberry Pi documentation, "Frequency management
and thermal control")."""

OLDEST_GLIBC = (2, 27)
"""That the wheels of ai-edge-litert 2.3 take."""

THROTTLED = {
    0: "under-voltage now",
    1: "the clock is capped now",
    2: "throttled now",
    3: "at the soft temperature limit now",
    16: "under-voltage since it was switched on",
    17: "the clock was capped since it was switched on",
    18: "throttled since it was switched on",
    19: "at the soft temperature limit since it was switched on",
}
"""Bits of ``get_throttled`` (Raspberry Pi documentation, ``vcgencmd``)."""

SUPPLY = "the supply made for this board, a short thick cable, and a hub of its own for a Coral"
COOLING = "a heat sink or a fan, or less to do: edgecnn camera lowers its rate by itself"


def judge(facts: Facts, now_s: float | None = None) -> list[Finding]:
    """All findings.

    Args:
        facts: see :func:`devices.facts.gather`.
        now_s: seconds since 1970 by a clock to compare the machine's with; None: not compared.
    """
    board = board_of(facts)
    return [
        *machine(facts, board),
        *power(facts),
        *disk(facts),
        *clock(facts, now_s),
        *python(facts, board),
        *rights(facts),
        *doctor_packages.judge(facts),
        *doctor_coral.judge(facts, board),
        *doctor_camera.judge(facts),
    ]


def board_of(facts: Facts) -> Board | None:
    """Which board it is, with the accelerator that is plugged in; None where it is none we know."""
    ids = [device["id"] for device in facts["usb"]] + facts["pcie"]
    return recognise(facts["board"]["compatible"], facts["system"]["machine"], ids)


def architecture(facts: Facts) -> str:
    """Of its programs: a 64-bit kernel may run a 32-bit system."""
    machine = str(facts["system"]["machine"])
    if facts["system"]["bits"] == 32:
        return {"aarch64": "armv7l", "x86_64": "i686"}.get(machine, machine)
    return machine


def machine(facts: Facts, board: Board | None) -> Iterator[Finding]:
    """What it is."""
    told, system = facts["board"], facts["system"]
    title = told["model"] or (board.title if board else "unknown board")
    found = f"{title}, {system['machine']}, {told['cores']} cores"
    if memory := told["memory_mb"]:
        found += f", {memory} MB of memory"
    if board and board.cores:
        known = "with" if "asimddp" in board.instructions else "without"
        found += f", {board.level} {known} dot products"
    if architecture(facts) != system["machine"]:
        cure = f"a 64-bit kernel with a 32-bit system: {NARROW.cure}"
        yield problem("machine", f"{found}; its programs are 32-bit", cure)
    elif system["machine"] in NARROW_ARCHITECTURES:
        yield note("machine", found, str(NARROW))
    else:
        yield ok("machine", found)
    if memory and memory < LITTLE_MEMORY_MB:
        yield note("memory", f"{memory} MB", "a system without a desktop; lower gpu_mem")
    yield from _system(system)


def _system(system: Facts) -> Iterator[Finding]:
    found = f"{system['name'] or 'unknown'}, kernel {system['kernel']}, glibc {system['glibc']}"
    numbers = tuple(map(int, re.findall(r"\d+", system["glibc"])))
    if numbers < OLDEST_GLIBC:
        oldest = ".".join(map(str, OLDEST_GLIBC))
        cure = f"wheels need glibc {oldest} or newer: install Debian 12 or Raspberry Pi OS bookworm"
        yield problem("system", found, cure, DEPLOY)
    else:
        yield ok("system", found)


def power(facts: Facts) -> Iterator[Finding]:
    """Supply and heat."""
    flags, degrees = facts["power"]["throttled"], facts["power"]["temperature_c"]
    if flags is not None:
        said = [text for bit, text in THROTTLED.items() if flags >> bit & 1]
        cure = SUPPLY if flags & 0x10001 else COOLING
        if flags & 0xF:
            yield problem("power", "; ".join(said), cure)
        elif said:
            yield note("power", "; ".join(said), cure)
        else:
            yield ok("power", "never short of voltage, never throttled since it was switched on")
    if degrees is not None:
        found = f"{degrees:.0f} °C"
        hot = degrees >= HOT_C
        yield problem("temperature", found, COOLING) if hot else ok("temperature", found)


def disk(facts: Facts) -> Iterator[Finding]:
    """Room, and whether it can be written to."""
    told = facts["disk"]
    if told["here_mb"] < LITTLE_DISK_MB:
        yield problem("disk", f"{told['here_mb']} MB free here", "sudo apt clean; df -h .")
    else:
        yield ok("disk", f"{told['here_mb']} MB free here")
    free = told["free_mb"].get("/opt", told["free_mb"].get("/", 0))
    if free < LITTLE_DISK_MB:
        cure = f"a release needs {LITTLE_DISK_MB} MB: sudo apt clean; df -h /opt"
        yield problem("disk for a deploy", f"{free} MB free in /opt", cure, DEPLOY)
    for place in told["read_only"]:
        cure = f"sudo mount -o remount,rw {place}; on a Pi, sudo raspi-config, the overlay off"
        yield problem("disk for a deploy", f"{place} is read-only", cure, DEPLOY)


def clock(facts: Facts, now_s: float | None) -> Iterator[Finding]:
    """Events carry the time."""
    told = facts["time"]
    off = told["now_s"] - now_s if now_s is not None else 0.0
    if abs(off) > CLOCK_OFF_S:
        way = "ahead of" if off > 0 else "behind"
        yield problem("clock", f"{abs(off):.0f} s {way} this one", "sudo timedatectl set-ntp true")
    elif told["set_by_network"] is False:
        cure = "sudo timedatectl set-ntp true; without a network a Pi has no clock of its own"
        yield note("clock", "nothing sets it by the network", cure)
    else:
        yield ok("clock", "right" if now_s is not None else "runs")


def python(facts: Facts, board: Board | None) -> Iterator[Finding]:
    """The system's Python, which a release is made with."""
    told = facts["python"]
    version = told["version"]
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < OLDEST_PYTHON:
        cure = "use a system with Python 3.10 or newer, such as Raspberry Pi OS bookworm"
        if board and not board.runs_edgecnn:
            cure = str(board.traps[0])
        yield problem("python", version, cure, RECOGNITION, DEPLOY)
    elif not told["venv"]:
        cure = "sudo apt install python3-venv"
        yield problem("python", f"{version} without its module venv", cure, DEPLOY)
    else:
        yield ok("python", version)


def rights(facts: Facts) -> Iterator[Finding]:
    """Whether this user may deploy, and something runs the camera."""
    if not facts["user"]["root"]:
        name = facts["user"]["name"]
        rule = f"echo '{name} ALL=(ALL) NOPASSWD: ALL' | sudo tee /etc/sudoers.d/edgecnn"
        cure = f"deploy as root@, or allow it: {rule}"
        found = f"{name} may not become root without a password"
        yield problem("root", found, cure, DEPLOY)
    if not facts["system"]["systemd"]:
        cure = "a deploy installs a service: use a system that runs systemd, no container"
        yield problem("systemd", "does not run here", cure, DEPLOY)

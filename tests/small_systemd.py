"""A stand-in for systemd in tests: starts units' programs, restarts them, listens to READY=1.

It serves ``systemctl``, ``systemd-run`` and ``journalctl`` as far as ``devices/onboard`` uses them.
:func:`install` writes the three into a folder for ``PATH``; or link them to this file. Units are
read from ``etc/systemd/system`` under ``EDGECNN_BOARD_ROOT`` (``/`` without it), and their state is
in ``run/small_systemd`` there. Users, sandbox and limits are not played: those are for the emulated
board. Beyond systemd's own, ``systemctl boot`` starts what is enabled, and ``systemctl power-cut``
ends everything by SIGKILL, as far as programs can tell.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(os.environ.get("EDGECNN_BOARD_ROOT") or "/")
UNITS = ROOT / "etc/systemd/system"
STATE = ROOT / "run/small_systemd"
RESTART_S = float(os.environ.get("SMALL_SYSTEMD_RESTART_S", "0.3"))
"""In place of the unit's RestartSec."""
START_S = 20.0


def install(folder: Path) -> Path:
    """Write the three programs into ``folder``, to be put in front of ``PATH``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("systemctl", "systemd-run", "journalctl"):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -S {__file__} {name} "$@"\n', "utf-8")
        program.chmod(0o755)
    return folder


class Unit:
    """A unit's file, and what its supervisor says of it."""

    def __init__(self, name: str):
        self.name = name if name.endswith(".service") else f"{name}.service"
        self.file = UNITS / self.name
        self.wants = UNITS / "multi-user.target.wants" / self.name
        self.state = STATE / f"{self.name}.json"
        self.log = STATE / f"{self.name}.log"

    def settings(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for line in self.file.read_text("utf-8").splitlines():
            key, is_setting, value = line.partition("=")
            if is_setting and not line.startswith(("#", ";")):
                found.setdefault(key, []).append(value)
        return found

    def read(self) -> dict[str, object]:
        try:
            found = dict(json.loads(self.state.read_text("utf-8")))
        except (OSError, ValueError):
            return {"ActiveState": "inactive", "NRestarts": 0}
        pid = found.get("supervisor")
        if isinstance(pid, int) and not alive(pid):
            found |= {"ActiveState": "inactive"}
        return found

    def write(self, **facts: object) -> None:
        part = self.state.with_suffix(".part")
        part.write_text(json.dumps({**self.read(), **facts}), "utf-8")
        part.replace(self.state)


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def supervise(unit: Unit) -> None:
    """Run the unit's program until told to stop; one process a unit."""
    unit.write(supervisor=os.getpid(), ActiveState="activating", NRestarts=0)
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    restarts = 0
    while not stop:
        code = once(unit, stop)
        if stop or code == 0:
            break
        restarts += 1
        unit.write(ActiveState="activating", NRestarts=restarts, program=None)
        pause(RESTART_S, stop)
    unit.write(ActiveState="inactive", program=None)


def pause(seconds: float, stop: list[int]) -> None:
    """Sleep, but not on when told to stop."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not stop:
        time.sleep(0.02)


def once(unit: Unit, stop: list[int]) -> int:
    """One start of the program; its exit code."""
    settings = unit.settings()
    runtime = ROOT / "run" / settings.get("RuntimeDirectory", ["none"])[0]
    runtime.mkdir(parents=True, exist_ok=True)
    for left in runtime.iterdir():
        left.unlink()
    address = str(STATE / f"{unit.name}.notify")
    if os.path.exists(address):
        os.unlink(address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, open(unit.log, "ab") as log:
        # An address of a socket is short; the path of a test's folder may not be.
        folder = os.open(STATE, os.O_RDONLY)
        notify.bind(f"/proc/self/fd/{folder}/{unit.name}.notify")
        notify.settimeout(0.05)
        env = {**os.environ, "NOTIFY_SOCKET": f"/proc/{os.getpid()}/fd/{folder}/{unit.name}.notify"}
        for line in settings.get("Environment", []):
            env |= dict(pair.split("=", 1) for pair in shlex.split(line))
        for line in settings.get("ExecStartPre", []):
            done = subprocess.run(shlex.split(line.lstrip("-+")), env=env, stdout=log, stderr=log)
            if done.returncode and not line.startswith("-"):
                return done.returncode
        words = shlex.split(settings["ExecStart"][0])
        program = subprocess.Popen(words, env=env, stdout=log, stderr=log)
        unit.write(program=program.pid)
        began, ready = time.monotonic(), False
        while program.poll() is None:
            if stop or (not ready and time.monotonic() - began > START_S):
                program.terminate()
                try:
                    program.wait(5)
                except subprocess.TimeoutExpired:
                    program.kill()
                break
            try:
                told = notify.recv(4096).decode().splitlines()
            except TimeoutError:
                continue
            if "READY=1" in told and not ready:
                ready = True
                now = str(int(time.monotonic() * 1e6))
                unit.write(ActiveState="active", ActiveEnterTimestampMonotonic=now)
        os.close(folder)
        return program.wait()


def start(unit: Unit) -> None:
    """Let a supervisor take care of a unit, in a session of its own."""
    if unit.read()["ActiveState"] not in ("active", "activating"):
        unit.write(ActiveState="activating", supervisor=None)
        words = [sys.executable, __file__, "supervise", unit.name]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        child = subprocess.Popen(words, start_new_session=True, stderr=subprocess.DEVNULL, **quiet)  # type: ignore[call-overload]
        unit.write(supervisor=child.pid)


def end(unit: Unit) -> None:
    """Stop a unit's program and its supervisor."""
    pid = unit.read().get("supervisor")
    if isinstance(pid, int) and alive(pid):
        os.kill(pid, signal.SIGTERM)
        while alive(pid):
            time.sleep(0.02)
    unit.write(ActiveState="inactive", supervisor=None)


def power_cut() -> None:
    """End every program of every unit at once."""
    for state in STATE.glob("*.json"):
        try:
            facts = json.loads(state.read_text("utf-8"))
        except ValueError:
            facts = {}
        pid = facts.get("supervisor")
        if isinstance(pid, int) and pid > 1:
            # It leads the group of all that it started.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        state.unlink(missing_ok=True)


def started(unit: Unit) -> int:
    """Wait as ``systemctl start`` does; the exit code."""
    until = time.monotonic() + START_S
    while unit.read()["ActiveState"] == "activating" and time.monotonic() < until:
        time.sleep(0.05)
    return 0 if unit.read()["ActiveState"] == "active" else 1


def systemctl(words: list[str]) -> int:
    """The verbs of ``systemctl``; its exit code."""
    STATE.mkdir(parents=True, exist_ok=True)
    options = {word for word in words if word.startswith("-")}
    verb, *names = [word for word in words if not word.startswith("-")]
    units = [Unit(name) for name in names]
    if verb == "boot":
        for wanted in (UNITS / "multi-user.target.wants").glob("*.service"):
            start(Unit(wanted.name))
    elif verb == "power-cut":
        power_cut()
    elif verb in ("start", "restart", "stop"):
        for unit in units:
            if not unit.file.exists():
                print(f"Unit {unit.name} not found.", file=sys.stderr)
                return 5
            if verb != "start":
                end(unit)
            if verb != "stop":
                start(unit)
                if "--no-block" not in options and started(unit):
                    return 1
    elif verb == "enable":
        for unit in units:
            unit.wants.parent.mkdir(parents=True, exist_ok=True)
            if not unit.wants.is_symlink():
                unit.wants.symlink_to(unit.file)
    elif verb == "disable":
        for unit in units:
            unit.wants.unlink(missing_ok=True)
            if "--now" in options:
                end(unit)
    elif verb == "is-enabled":
        return 0 if all(unit.wants.is_symlink() for unit in units) else 1
    elif verb == "is-active":
        return 0 if all(unit.read()["ActiveState"] == "active" for unit in units) else 3
    elif verb == "show":
        for option in options:
            name = option.partition("=")[2]
            print(f"{name}={units[0].read().get(name, '')}")
    return 0


def systemd_run(words: list[str]) -> int:
    """Run the program in a session of its own, and wait for it."""
    env = dict(os.environ)
    while words[0].startswith("--"):
        option = words.pop(0)
        if option.startswith("--setenv="):
            name, _, value = option.removeprefix("--setenv=").partition("=")
            env[name] = value
    return subprocess.Popen(words, env=env, start_new_session=True).wait()


def journalctl(words: list[str]) -> int:
    """The last lines of a unit's output."""
    count = int(words[words.index("--lines") + 1])
    log = Unit(words[words.index("--unit") + 1]).log
    text = log.read_text("utf-8", "replace") if log.exists() else ""
    print("\n".join(text.splitlines()[-count:]))
    return 0


def main(name: str, words: list[str]) -> int:
    """Be one of the programs."""
    if name == "supervise":
        supervise(Unit(words[0]))
        return 0
    return {"systemctl": systemctl, "systemd-run": systemd_run, "journalctl": journalctl}[name](
        words
    )


if __name__ == "__main__":
    called = Path(sys.argv[0]).name
    if called.endswith(".py"):
        raise SystemExit(main(sys.argv[1], sys.argv[2:]))
    raise SystemExit(main(called, sys.argv[1:]))

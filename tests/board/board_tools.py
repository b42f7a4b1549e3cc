"""The virtual board from the workstation's side: its power, ssh, and ``edgecnn`` for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("board.sh")
ROOT = SCRIPT.parent.parent.parent
FEEDER = Path(__file__).with_name("feed.py")

CAMERA_SERVICE = """\
[Unit]
Description=Faces before the camera
After=systemd-modules-load.service
[Service]
ExecStartPre=/bin/sh -c 'until [ -e /dev/video1 ]; do sleep 0.2; done'
ExecStart=/usr/bin/python3 /var/faces/feed.py /var/faces/scene
Restart=always
[Install]
WantedBy=multi-user.target
"""


@dataclass
class VirtualBoard:
    """A board of ``board.sh``.

    Attributes:
        folder: where its disk and its key are.
        port: of its sshd, on loopback.
        home: of the user who deploys to it.
    """

    folder: Path
    port: int
    home: Path

    @property
    def host(self) -> str:
        return f"pi@127.0.0.1:{self.port}"

    def power(self, verb: str) -> None:
        """``build``, ``up``, ``cut`` or ``down``."""
        env = {**os.environ, "BOARD_DIR": str(self.folder), "PORT": str(self.port)}
        subprocess.run([str(SCRIPT), verb], env=env, check=True, stdout=sys.stderr)

    def ssh(self, command: str, stdin: bytes = b"", check: bool = True, user: str = "root") -> str:
        """What a command prints there."""
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
        words = ["ssh", "-i", str(self.folder / "id"), "-p", str(self.port)]
        words += [word for option in options for word in ("-o", option)]
        done = subprocess.run(
            [*words, f"{user}@127.0.0.1", command], input=stdin, capture_output=True
        )
        said = done.stdout.decode("utf-8", "replace")
        if check and done.returncode:
            raise AssertionError(f"{command}: {said}{done.stderr.decode('utf-8', 'replace')}")
        return said

    def put(self, path: str, data: bytes) -> None:
        """A file there, whole from one moment to the next."""
        self.ssh(f"cat >{path}.part && mv {path}.part {path}", data)

    def reboot(self, within_s: float = 300) -> None:
        """Start it again from the inside, and wait until it is up."""
        before = self.boot_id()
        self.ssh("systemctl reboot", check=False)
        end = time.monotonic() + within_s
        while True:
            now = self.ssh("cat /proc/sys/kernel/random/boot_id", check=False).strip()
            if now and now != before:
                return
            assert time.monotonic() < end, "the board does not come back"
            time.sleep(1)

    def boot_id(self) -> str:
        return self.ssh("cat /proc/sys/kernel/random/boot_id").strip()

    def files(self) -> set[str]:
        """All files of its disk, but for the system's logs and what it keeps for a while."""
        skipped = (
            "/proc",
            "/sys",
            "/dev",
            "/run",
            "/tmp",
            "/var/log",
            "/var/tmp",
            "/var/lib/systemd",
        )
        paths = " -o ".join(f"-path {path}" for path in skipped)
        return set(self.ssh(f"find / -xdev \\( {paths} \\) -prune -o -print").splitlines())

    def show(self, scene: bytes) -> None:
        """Put a scene before its camera."""
        self.put("/var/faces/scene", scene)

    def furnish(self, scene: bytes) -> None:
        """Start what shows scenes, also after the next boot."""
        self.ssh("mkdir -p /var/faces")
        self.put("/var/faces/feed.py", FEEDER.read_bytes())
        self.put("/etc/systemd/system/faces.service", CAMERA_SERVICE.encode())
        self.show(scene)
        self.ssh("systemctl daemon-reload && systemctl enable --now faces")

    def edgecnn(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command on the workstation that is about this board."""
        command = [sys.executable, "-m", "edgecnn", *words, self.host]
        return self.run([*command, "--identity", str(self.folder / "id")], check)

    def make(self, verb: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """A verb of the Makefile for this board."""
        words = [f"{key}={value}" for key, value in {"HOST": self.host, **variables}.items()]
        return self.run(["make", "-s", "-C", str(ROOT), verb, *words], True)

    def run(self, command: list[str], check: bool) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "HOME": str(self.home), "XDG_CACHE_HOME": str(self.folder / "cache")}
        env["EDGECNN_IDENTITY"] = str(self.folder / "id")
        env["PATH"] = f"{self.home / 'bin'}:{env['PATH']}"
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def status(self) -> dict[str, Any]:
        """What ``edgecnn status --json`` tells of it, be it healthy or not."""
        told = json.loads(self.edgecnn("status", "--json", check=False).stdout)
        return dict(told[self.host])


@contextmanager
def timed(what: str, goal: str = "") -> Iterator[None]:
    """Prints how many seconds a phase took."""
    begun = time.monotonic()
    yield
    print(f"{time.monotonic() - begun:7.1f} s  {what}{f' ({goal})' if goal else ''}", flush=True)

"""Boards on loopback: each an sshd over this machine's root, with its own changes to it in memory.

A board has a mount and a PID namespace of its own, so that what runs there ends with it. Needs
root, sshd and overlayfs.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

SSHD = Path("/usr/sbin/sshd")
NEEDED = "boards on loopback need root and sshd"

START = """
set -e
mount -t tmpfs -o size=$SIZE,mode=755 board "$FOLDER/disk"
cd "$FOLDER/disk"
mkdir upper work root
mount -t overlay board -o "lowerdir=/,upperdir=$PWD/upper,workdir=$PWD/work" root
mount -t proc proc root/proc
mount --bind /dev root/dev
mount -t tmpfs -o size=8m,mode=755 run root/run
mkdir -p root/run/sshd root/etc/board root/tmp
rm -rf root/opt; mkdir root/opt
cp "$FOLDER"/host_key "$FOLDER"/sshd_config "$FOLDER"/authorized_keys root/etc/board/
sh -c "$PREPARE"
exec setarch "$PERSONALITY" chroot root /usr/sbin/sshd -D -e -f /etc/board/sshd_config
"""

CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey /etc/board/host_key
AuthorizedKeysFile /etc/board/authorized_keys
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
MaxStartups 100
Subsystem sftp internal-sftp
"""


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8").split()]


def usable() -> bool:
    return os.geteuid() == 0 and SSHD.exists() and shutil.which("unshare") is not None


@dataclass
class LoopbackBoard:
    name: str
    port: int
    folder: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self, size: str = "160m", prepare: str = ":", personality: str = "linux64") -> None:
        """Switch it on, with an empty disk.

        Args:
            prepare: shell commands in its disk's folder, before sshd answers.
        """
        (self.folder / "disk").mkdir(exist_ok=True)
        log = (self.folder / "sshd.log").open("wb")
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", START],
            env={
                **os.environ,
                "FOLDER": str(self.folder),
                "SIZE": size,
                "PREPARE": prepare,
                "PERSONALITY": personality,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        log.close()

    def wait(self, seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as s:
                    if s.recv(4) == b"SSH-":
                        return
            except OSError:
                pass
            if time.monotonic() > end:
                raise AssertionError((self.folder / "sshd.log").read_text("utf-8", "replace"))
            time.sleep(0.05)

    def cut(self) -> None:
        """End every connection of the workstation, without ending what runs on the board."""
        assert self.process
        for sshd in children(self.process.pid):
            for session in children(sshd):
                os.kill(session, signal.SIGKILL)

    def stop(self) -> None:
        """Pull the plug."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


@dataclass
class LoopbackFleet:
    folder: Path
    boards: list[LoopbackBoard] = field(default_factory=list)

    @property
    def key(self) -> Path:
        return self.folder / "id"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "home" / ".ssh" / "known_hosts"

    def add(self, name: str, known: bool = True) -> LoopbackBoard:
        folder = self.folder / name
        folder.mkdir()
        taken = {board.port for board in self.boards}  # of which some do not listen yet
        port = next(port for port in iter(free_port, None) if port not in taken)
        board = LoopbackBoard(name, port, folder)
        keygen(folder / "host_key")
        (folder / "sshd_config").write_text(CONFIG.format(port=board.port), "utf-8")
        shutil.copy(self.key.with_suffix(".pub"), folder / "authorized_keys")
        if known:
            public = (folder / "host_key.pub").read_text("utf-8")
            with self.known_hosts.open("a", encoding="utf-8") as f:
                f.write(f"[127.0.0.1]:{board.port} {public}")
        self.boards.append(board)
        return board

    def inventory(self) -> Path:
        path = self.folder / "boards.toml"
        tables = [f'[{b.name}]\nhost = "127.0.0.1"\nport = {b.port}\n' for b in self.boards]
        path.write_text(f'user = "root"\nkey = "{self.key}"\n\n' + "\n".join(tables), "utf-8")
        return path

    def ssh(self, board: LoopbackBoard, command: str) -> str:
        """Run a command on a board by OpenSSH's own client."""
        options = ["-o", f"UserKnownHostsFile={self.known_hosts}", "-o", "BatchMode=yes"]
        done = subprocess.run(
            ["ssh", "-i", self.key, *options, "-p", str(board.port), "root@127.0.0.1", command],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def keygen(path: Path) -> None:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)]
    subprocess.run(command, check=True)


@contextmanager
def loopback_fleet(folder: Path) -> Iterator[LoopbackFleet]:
    fleet = LoopbackFleet(folder)
    fleet.known_hosts.parent.mkdir(parents=True)
    keygen(fleet.key)
    try:
        yield fleet
    finally:
        for board in fleet.boards:
            board.stop()


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()

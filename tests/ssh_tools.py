"""A real sshd on loopback, with keys and a configuration of its own, over this machine's root."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

SSHD = "/usr/sbin/sshd"
CLIENT = """#!/bin/sh
exec {ssh} -F none -o UserKnownHostsFile={known} -o GlobalKnownHostsFile=none \
-o IdentityAgent=none "$@"
"""
"""What stands for ``ssh``: without the user's own keys, hosts and configuration."""

SERVER = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
{more}
"""


@dataclass(frozen=True)
class Server:
    """One that runs.

    Attributes:
        folder: with ``key``, that it takes, ``other_key``, that it refuses, and ``known_hosts``.
        host: as ``edgecnn`` takes it.
    """

    folder: Path
    port: int

    @property
    def host(self) -> str:
        return f"{getpass.getuser()}@127.0.0.1:{self.port}"

    @property
    def key(self) -> Path:
        return self.folder / "key"

    def know(self, key: str = "host_key") -> None:
        """Make the client know it, by the right host key or another."""
        public = (self.folder / f"{key}.pub").read_text()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {public}")


def free_port() -> int:
    """A port that nothing listens at."""
    with closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def listens(port: int) -> bool:
    """Whether something does."""
    with closing(socket.socket()) as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def server(folder: Path, more: str = "") -> Iterator[Server]:
    """An sshd that ends with the ``with``.

    Args:
        more: lines of its configuration.
    """
    folder.mkdir(exist_ok=True)
    for name in ("host_key", "key", "other_key"):
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(make, check=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where it goes to have no rights
    here = Server(folder, free_port())
    config = folder / "sshd_config"
    config.write_text(SERVER.format(port=here.port, folder=folder, more=more))
    process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(config)], stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 10
        while not listens(here.port):
            assert process.poll() is None and time.monotonic() < end, "sshd did not start"
            time.sleep(0.02)
        yield here
    finally:
        process.terminate()
        process.wait()


def client(folder: Path) -> Path:
    """A folder for the front of ``PATH``, with an ``ssh`` that knows nothing of this user."""
    place = folder / "bin"
    place.mkdir()
    program = place / "ssh"
    program.write_text(CLIENT.format(ssh=shutil.which("ssh"), known=folder / "known_hosts"))
    program.chmod(0o755)
    return place

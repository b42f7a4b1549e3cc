"""A real sshd on the loopback, with keys, ports and known hosts of its own."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

SSHD = "/usr/sbin/sshd"


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def make_key(path: Path) -> Path:
    path.unlink(missing_ok=True)
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


@dataclass
class Server:
    """One that runs, and the folder ``bin`` with an ``ssh`` that knows nobody but whom it met.

    Attributes:
        folder: of keys, ``known_hosts`` and ``bin``.
        key: the private key that it takes.
    """

    folder: Path
    port: int
    key: Path
    process: subprocess.Popen[bytes]

    @property
    def host(self) -> str:
        return f"{getpass.getuser()}@127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def client(folder: Path) -> Path:
    """A folder for ``PATH``: OpenSSH's client would read the user's own files otherwise, whatever
    ``HOME`` is."""
    config = folder / "ssh_config"
    config.write_text(
        f"UserKnownHostsFile {folder}/known_hosts\nGlobalKnownHostsFile /dev/null\n"
        f"IdentityFile {folder}/nobody\nIdentityAgent none\nUpdateHostKeys no\n"
    )
    there = folder / "bin"
    there.mkdir(exist_ok=True)
    (there / "ssh").write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {config} "$@"\n')
    (there / "ssh").chmod(0o755)
    return there


def start(folder: Path, port: int | None = None, settings: str = "") -> Server:
    """Start one; ``settings`` are more lines of its configuration."""
    port = port or free_port()
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where sshd shuts itself in before a login
    host_key = make_key(folder / "host_key")
    key = folder / "key"
    if not key.exists():
        make_key(key)
    config = folder / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {host_key}\nPidFile none\nUsePAM no\n"
        f"AuthorizedKeysFile {key}.pub\nStrictModes no\nPasswordAuthentication no\n"
        f"KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n{settings}\n"
    )
    process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(config)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            time.sleep(0.05)
    client(folder)
    return Server(folder, port, key, process)

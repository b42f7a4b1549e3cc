"""What a deploy has to know of a board before it sends anything: one JSON object.

Sent over ssh to the board's own Python (``python3 -``), so the standard library alone, and the
syntax of Python 3.7. Run by the user that ssh logs in as; nothing is changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import struct
import subprocess
import sys

HOME = "/opt/edgecnn"
NARROW = {"aarch64": "armv7l", "x86_64": "i686"}
"""A 64-bit kernel to the architecture of 32-bit programs on it."""


def text(path: str) -> str:
    """A file's text, '' where it cannot be read."""
    try:
        with open(path, errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def greet() -> dict[str, object]:
    """The facts."""
    machine = platform.machine()
    architecture = NARROW.get(machine, machine) if struct.calcsize("P") == 4 else machine
    libc, version = platform.libc_ver()
    glibc = [int(part) for part in version.split(".")[:2]] if libc == "glibc" else [0, 0]
    try:
        with open(HOME + "/board.py", "rb") as f:
            half = hashlib.sha256(f.read()).hexdigest()
    except OSError:
        half = None
    root = os.geteuid() == 0
    if not root:
        tried = ["sudo", "-n", "true"]
        try:
            root = subprocess.call(tried, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
        except OSError:
            root = False
    memory = [line.split()[1] for line in text("/proc/meminfo").splitlines() if "MemTotal" in line]
    return {
        "architecture": architecture,
        "python": "{}.{}".format(*sys.version_info[:2]),
        "glibc": glibc,
        "uid": os.geteuid(),
        "root": root,
        "memory_mb": int(memory[0]) >> 10 if memory else 0,
        "free_mb": shutil.disk_usage(HOME if os.path.isdir(HOME) else "/").free >> 20,
        "compatible": text("/proc/device-tree/compatible").strip("\0").split("\0"),
        "half": half,
        "keygen": shutil.which("ssh-keygen") is not None,
    }


if __name__ == "__main__":
    print(json.dumps(greet()))

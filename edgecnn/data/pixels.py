"""Where the pixels of many pictures lie: in memory, or on a disk where memory is too small."""

from __future__ import annotations

import math
import mmap
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

from edgecnn.errors import StorageError
from edgecnn.images import Image
from edgecnn.storage import storing

SHARE = 0.5
"""Of the free memory that pixels may take; the rest is for the network and its batches."""

MEMORY = Path("/proc/meminfo")
GROUP = Path("/sys/fs/cgroup")
"""Where Linux tells of a machine's memory, and a container of what it may have of it."""


def room(shape: tuple[int, ...], folder: str | Path, stream: bool | None = None) -> Image:
    """An array for pixels, uint8, its content undefined.

    On a disk it is a file without a name, mapped into memory: the kernel reads and drops its pages
    as they are needed, and it is gone with the process, however that ends.

    Args:
        folder: on whose disk, where memory is too small.
        stream: True for the disk, False for memory; None decides by :data:`SHARE`.

    Raises:
        StorageError: the disk has not so much room.
    """
    size = math.prod(shape)
    if not (size > SHARE * free_memory() if stream is None else stream):
        return np.empty(shape, np.uint8)
    with storing(f"pixels in {folder}"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        if (left := shutil.disk_usage(folder).free) < size:
            raise StorageError(
                f"expected {size / 1e9:.1f} GB for pixels on the disk of {folder}. It has "
                f"{left / 1e9:.1f} GB left: free some, choose another --out or a smaller --size"
            )
        with tempfile.TemporaryFile(dir=folder) as file:
            # A page that a full disk cannot take would end the process by a signal, later.
            os.posix_fallocate(file.fileno(), 0, size)
            return np.frombuffer(mmap.mmap(file.fileno(), size), np.uint8).reshape(shape)


def free_memory() -> int:
    """Bytes that may still be taken: of the machine, or of a container where it may have less."""
    facts = dict(line.split(":") for line in MEMORY.read_text().splitlines())
    free = int(facts["MemAvailable"].split()[0]) << 10
    try:
        most = (GROUP / "memory.max").read_text().strip()
        used = dict(line.split() for line in (GROUP / "memory.stat").read_text().splitlines())
    except OSError:  # no container, or another kind of control group
        return free
    return free if most == "max" else min(free, max(0, int(most) - int(used["anon"])))

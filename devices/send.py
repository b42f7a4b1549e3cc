"""Send a board the files that it lacks."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from devices import receive
from devices.fleet import Board
from devices.release import Release
from edgecnn.errors import DeployError

SPARE_MB = 64
"""What a board's disk has to have beyond the files that are sent: the system goes on working."""


def check_space(size: int, free_mb: int) -> None:
    """Raise where files would not fit.

    Raises:
        DeployError: with what would help.
    """
    if (size >> 20) + SPARE_MB > free_mb:
        raise DeployError(
            f"no space: expected {(size >> 20) + SPARE_MB} MB free under /opt. It has {free_mb} "
            "MB: sudo apt clean, or a larger card"
        )


def send(board: Board, release: Release, missing: Sequence[str], free_mb: int) -> int:
    """Send what a board lacks, all of it as one stream; how many bytes that was.

    Raises:
        DeployError: no space, or the connection broke.
    """
    if not missing:
        return 0
    files = {digest: release.files[digest] for digest in missing}
    size = sum(path.stat().st_size for path in files.values())
    check_space(size, free_mb)
    script = Path(receive.__file__).read_text("utf-8")
    # At least 100 kB a second: a Pi Zero 2 W far from its access point has more.
    board.send([board.host.python, "-c", script], stream(files), timeout_s=120 + size / 1e5)
    return size


def stream(files: Mapping[str, Path]) -> Iterator[bytes]:
    """A tar archive of files under other names, block by block, small ones first."""
    for name, path in sorted(files.items(), key=lambda item: item[1].stat().st_size):
        member = tarfile.TarInfo(name)
        member.size = path.stat().st_size
        yield member.tobuf()
        with open(path, "rb") as f:
            while block := f.read(1 << 18):
                yield block
        yield bytes(-member.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)

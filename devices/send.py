"""Send a board the files that it lacks."""

from __future__ import annotations

import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from devices import receive
from devices.fleet import Board
from devices.release import Release
from edgecnn.bundle import GALLERY
from edgecnn.errors import DeployError

SPARE_MB = 64
"""What a board's disk has to have beyond the files that are sent: the system goes on working."""


def fits(size: int, free_mb: int) -> bool:
    """Whether a board has room for so many bytes."""
    return (size >> 20) + SPARE_MB <= free_mb


def size_of(release: Release, digests: Sequence[str]) -> int:
    """Bytes of some of a release's files."""
    return sum(release.files[digest].stat().st_size for digest in digests)


def check_space(size: int, free_mb: int) -> None:
    """Raise where files would not fit.

    Raises:
        DeployError: with what would help.
    """
    if not fits(size, free_mb):
        raise DeployError(
            f"no space: expected {(size >> 20) + SPARE_MB} MB free under /opt. It has {free_mb} "
            "MB: sudo apt clean, a smaller --keep, or a larger card"
        )


def send(board: Board, release: Release, missing: Sequence[str], free_mb: int) -> int:
    """Send what a board lacks, all of it as one stream; how many bytes that was.

    Raises:
        DeployError: no space, or the connection broke.
    """
    if not missing:
        return 0
    files = {digest: release.files[digest] for digest in missing}
    size = size_of(release, missing)
    check_space(size, free_mb)
    script = Path(receive.__file__).read_text("utf-8")
    # At least 100 kB a second: a Pi Zero 2 W far from its access point has more.
    board.send([board.host.python, "-c", script], stream(files), timeout_s=120 + size / 1e5)
    return size


def stream(files: Mapping[str, Path]) -> Iterator[bytes]:
    """A tar archive of files under other names, block by block, small ones first.

    Raises:
        DeployError: a file cannot be read.
    """
    try:
        for name, path in sorted(files.items(), key=lambda item: item[1].stat().st_size):
            member = tarfile.TarInfo(name)
            member.size = path.stat().st_size
            yield member.tobuf()
            with open(path, "rb") as f:
                while block := f.read(1 << 18):
                    yield block
            yield bytes(-member.size % tarfile.BLOCKSIZE)
        yield bytes(2 * tarfile.BLOCKSIZE)
    except OSError as e:
        raise DeployError(f"a file of the release cannot be read ({e}): deploy again") from e


PEOPLE = "/var/lib/edgecnn"
"""The board's own: who is enrolled there, and what was seen."""

FIRST_PEOPLE = f"""
set -eC
umask 077
install -d -m 700 -o edgecnn -g edgecnn {PEOPLE}
rm -f {PEOPLE}/.{GALLERY}.part
trap 'rm -f {PEOPLE}/.{GALLERY}.part' EXIT
cat > {PEOPLE}/.{GALLERY}.part
chown -h edgecnn:edgecnn {PEOPLE}/.{GALLERY}.part
sync {PEOPLE}/.{GALLERY}.part
ln {PEOPLE}/.{GALLERY}.part {PEOPLE}/{GALLERY} 2>/dev/null || true
sync {PEOPLE}
echo '{{}}'
"""
"""Root's, in a folder that is the camera's own: it writes to a new file alone (``-C``), never
through a link that the camera, or whoever has taken it over, has put there."""


def send_people(board: Board, bundle: Path) -> bool:
    """Give a board the people enrolled in a bundle, where it has none yet; whether it had none.

    Of a board that has some nothing is changed: they are the board's. They are no part of the
    release, so that whoever is forgotten there is not kept in the folders of old ones.

    Raises:
        DeployError: they cannot be written there.
    """
    gallery = bundle / GALLERY
    if not gallery.is_file() or board.run(["test", "-e", f"{PEOPLE}/{GALLERY}"])[0]:
        return False
    board.send(["sh", "-c", FIRST_PEOPLE], [copied(gallery)], timeout_s=120)
    return True


def copied(gallery: Path) -> bytes:
    """A gallery as it stands, also while somebody writes to it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / GALLERY
        with closing(sqlite3.connect(gallery)) as ours, closing(sqlite3.connect(copy)) as theirs:
            ours.backup(theirs)
        return copy.read_bytes()

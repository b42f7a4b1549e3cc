"""Files, links and folders that are there whole or not at all, also after a power cut.

A name counts once the folder that holds it is on the disk; what the name means must be there
before: hence file, ``fsync``, rename, ``fsync`` of the folder.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from devices.onboard.ground import Place, Refused

LOCK_WAIT_S = 10.0


def sha256(path: Path) -> str:
    """Of a file, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's names, are on the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write(path: Path, text: str, mode: int = 0o644, hold: bool = False) -> int | None:
    """Replace a file whole.

    Args:
        hold: lock it from before it has its name until the descriptor, which is returned, is
            closed, be it by the end of this process.
    """
    part = path.with_name(f".{path.name}.part")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        data = text.encode()
        while data:
            data = data[os.write(fd, data) :]
        os.fchmod(fd, mode)
        os.fsync(fd)
        if hold:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.rename(part, path)
        sync(path.parent)
    except BaseException:
        os.close(fd)
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    if hold:
        return fd
    os.close(fd)
    return None


def held(path: Path) -> bool:
    """Whether a living process holds the lock of :func:`write`; False where there is no file."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as e:
        if e.errno in (errno.EAGAIN, errno.EACCES):
            return True
        raise
    finally:
        os.close(fd)
    return False


def point(link: Path, target: str) -> None:
    """Let a link lead to ``target``, from one moment to the next."""
    part = link.with_name(f".{link.name}.part")
    with contextlib.suppress(FileNotFoundError):
        part.unlink()
    os.symlink(target, part)
    os.rename(part, link)
    sync(link.parent)


def forget(path: Path) -> None:
    """Remove a file or a link, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
        sync(path.parent)


def clear(folder: Path) -> None:
    """Remove what was left half-made in a folder."""
    for part in [*folder.glob(".*.part"), *folder.glob("*.part")]:
        if part.is_dir() and not part.is_symlink():
            shutil.rmtree(part, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                part.unlink()


def link_all(old: str, new: str) -> None:
    """A second folder with the same files, links and folders: nothing is copied."""
    os.mkdir(new, 0o755)
    with os.scandir(old) as entries:
        for entry in entries:
            place = f"{new}/{entry.name}"
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), place)
            elif entry.is_dir():
                link_all(entry.path, place)
            else:
                os.link(entry.path, place)


def free_mb(place: Place) -> int:
    """What may still be written under ``/opt/edgecnn``."""
    folder = place.opt
    while not folder.exists():
        folder = folder.parent
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize >> 20


@contextlib.contextmanager
def alone(place: Place, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
    """One deploy at a time; the lock goes with the process, however that ends.

    Raises:
        Refused: another one does not end.
    """
    place.opt.mkdir(parents=True, exist_ok=True)
    fd = os.open(place.opt / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        end = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise Refused(
                        "another deploy to this board is under way: wait for it to end"
                    ) from None
                time.sleep(0.1)
        yield
    finally:
        os.close(fd)

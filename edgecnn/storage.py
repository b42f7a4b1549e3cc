"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from edgecnn.errors import StorageError

FREE_BYTES = 16 << 20
"""Recording ends while this much of the disk is left: enough to finish the file, and the system
goes on working."""


def sha256_of(path: str | Path) -> str:
    """The SHA-256 of a file as 64 hexadecimal digits."""
    with open(path, "rb") as f:
        digest = sha256()
        for block in iter(lambda: f.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def owner_of(path: str | Path) -> str:
    """Whose a file or folder is, to be named where another user may not open it."""
    try:
        return Path(path).owner()
    except KeyError:  # of no user that this system knows
        return f"user {Path(path).stat().st_uid}"
    except OSError:
        return "another user"


@contextmanager
def storing(what: str | Path) -> Iterator[None]:
    """Turn a full disk, a read-only folder and their like into one line.

    Raises:
        StorageError: for any ``OSError`` in the block that is not ours already.
    """
    try:
        yield
    except StorageError:
        raise
    except OSError as e:
        raise StorageError(
            f"could not write {what}: {e.strerror or e}; nothing was left behind: "
            "free some space or choose another place"
        ) from e


def keep_free(path: str | Path, what: str) -> None:
    """End a recording while :data:`FREE_BYTES` of the disk are left.

    Args:
        path: the file that is recorded.
        what: it is, for the message.

    Raises:
        StorageError: less than that is free.
    """
    free = shutil.disk_usage(Path(path).parent).free
    if free < FREE_BYTES:
        raise StorageError(
            f"expected {FREE_BYTES >> 20} MB free where {path} is recorded. The disk has "
            f"{free >> 20} MB left, so the {what} ends here: free some space"
        )


@contextmanager
def whole_file(path: str | Path, mode: int = 0o644, lasting: bool = True) -> Iterator[Path]:
    """A temporary name beside ``path`` that becomes ``path`` when the block ends well.

    The name keeps ``path``'s suffix, since some writers choose their format by it. Once the block
    has ended, a lost power supply loses nothing.

    Args:
        mode: permissions of the file; until it has its name, its owner alone can read it.
        lasting: False for what is written every other second and means nothing once the power is
            gone: readers still meet it whole, and no card wears out over it.

    Raises:
        StorageError: the file could not be written; ``path`` is as it was before.
    """
    path = Path(path)
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent
        )
        os.close(handle)
        draft = Path(name)
        try:
            yield draft
            if lasting:
                with open(draft, "rb") as f:
                    os.fsync(f.fileno())
            draft.chmod(mode)
            os.replace(draft, path)
            if lasting:
                sync_folder(path.parent)
        finally:
            draft.unlink(missing_ok=True)


def write_json(path: str | Path, content: Any) -> None:
    """Write ``content`` to be read by people, too, whole or not at all.

    Raises:
        StorageError: as :func:`whole_file`.
    """
    with whole_file(path) as draft, open(draft, "w", encoding="utf-8") as f:
        json.dump(content, f, indent=2)
        f.write("\n")


def sync_folder(folder: Path) -> None:
    """Have the disk keep what a folder's files are called."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_filled(path: str | Path) -> bool:
    """Whether there is a folder with something in it.

    Raises:
        StorageError: it is no folder.
    """
    path = Path(path)
    with storing(path):
        if path.exists() and not path.is_dir():
            raise StorageError(f"{path} is a file: choose another --out")
        return path.exists() and any(path.iterdir())


def refuse_taken(path: str | Path, replace: bool, mark: str) -> None:
    """Raise where a folder may not be made anew.

    Args:
        replace: one that is there gives way, if it is of the same kind: a mistaken --out must not
            cost anybody their photos.
        mark: a pattern of file names; a folder of that kind has one, or is empty.

    Raises:
        StorageError: ``path`` exists, and does not give way.
    """
    path = Path(path)
    if not path.exists():
        return
    if not replace:
        raise _taken(path)
    if is_filled(path) and not any(path.glob(mark)):
        raise StorageError(f"{path} has no {mark}, so it is kept: choose another --out")


def _taken(path: Path) -> StorageError:
    return StorageError(f"{path} exists already: choose another --out, or remove it")


@contextmanager
def whole_folder(path: str | Path, *, replace: bool = False) -> Iterator[Path]:
    """A temporary folder beside ``path`` that becomes ``path`` when the block ends well.

    Args:
        replace: an existing folder gives way to the new one; otherwise it is an error.

    Raises:
        StorageError: ``path`` exists and ``replace`` is false, or it could not be written.
    """
    path = Path(path)
    if path.exists() and not replace:
        raise _taken(path)
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
        try:
            draft.chmod(0o755)
            yield draft
            if path.exists():
                old = Path(tempfile.mkdtemp(prefix=f".{path.name}-old-", dir=path.parent))
                os.replace(path, old / path.name)
                try:
                    os.replace(draft, path)
                except OSError:
                    os.replace(old / path.name, path)
                    raise
                finally:
                    shutil.rmtree(old)
            else:
                os.replace(draft, path)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

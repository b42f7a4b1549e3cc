"""A release: what ``release.json`` says, and whether the folder on the disk is that."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devices.onboard import disk
from devices.onboard.ground import Place, Refused

SCHEMA = 1
ID_DIGITS = 12
MANIFEST = "manifest.json"
SIGNATURE = "manifest.json.sig"
CONTENTS = "contents.json"
"""Sizes of the files in ``venv``: hashing 200 MB at every start would take too long."""

_SHA = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")


@dataclass(frozen=True)
class Release:
    """What a board is told to be; the keys of ``release.json``, see ``docs/formats.md``."""

    edgecnn: str
    python: str
    architecture: str
    wheels: dict[str, str]
    pip: str
    bundle: dict[str, str]
    camera: list[str]
    memory_max_mb: int
    text: str

    @property
    def id(self) -> str:
        """The first :data:`ID_DIGITS` of its SHA-256: the same content has the same name."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:ID_DIGITS]

    @property
    def hashes(self) -> set[str]:
        """Of everything it consists of."""
        return {*self.wheels.values(), *self.bundle.values()}


def parse(text: str) -> Release:
    """Read a release and bring it into its one form: sorted keys, no blanks.

    Raises:
        Refused: it is none, or of another schema.
    """
    try:
        facts = json.loads(text)
        if facts["schema"] != SCHEMA:
            raise Refused(
                f"expected a release of schema {SCHEMA}. Received: {facts['schema']}: deploy with "
                "the edgecnn that wrote this board.py"
            )
        one_form = json.dumps(facts, sort_keys=True, separators=(",", ":"))
        values = {key: value for key, value in facts.items() if key != "schema"}
        release = Release(**values, text=one_form)
        _check(release)
    except Refused:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise Refused(f"release.json cannot be read ({type(e).__name__}: {e}): deploy again") from e
    return release


def _check(r: Release) -> None:
    """Raise ``ValueError`` for what would lead out of the folders, or into nothing."""
    for name, digest in [*r.wheels.items(), *r.bundle.items()]:
        if not _NAME.fullmatch(name) or not _SHA.fullmatch(digest):
            raise ValueError(f"{name!r}: {digest!r} is no file name and SHA-256")
    if r.pip not in r.wheels or MANIFEST not in r.bundle:
        raise ValueError(f"expected pip among the wheels and {MANIFEST} in the bundle")
    if not all(isinstance(word, str) and "\0" not in word for word in r.camera):
        raise ValueError("camera has to be words")
    if type(r.memory_max_mb) is not int or r.memory_max_mb < 1:
        raise ValueError(f"memory_max_mb {r.memory_max_mb!r} is no number of megabytes")


def option(words: list[str], name: str) -> str | None:
    """What is said of an option such as ``--source`` among words of a command, if anything."""
    following = iter(words)
    for word in following:
        if word == name:
            return next(following, None)
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return None


def python_here() -> str:
    """Of the Python that runs this, which venvs are made with: ``3.11``."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def architecture_here() -> str:
    """Of that Python, not of the kernel: a Pi may have 32-bit programs on a 64-bit kernel."""
    machine = os.uname().machine
    narrow = struct.calcsize("P") == 4
    return {"aarch64": "armv7l", "x86_64": "i686"}.get(machine, machine) if narrow else machine


def check_machine(r: Release) -> None:
    """Raise where a release is for another machine.

    Raises:
        Refused: another architecture or Python.
    """
    for what, wanted, here in (
        ("processor", r.architecture, architecture_here()),
        ("Python", r.python, python_here()),
    ):
        if wanted != here:
            raise Refused(
                f"the release is for {what} {wanted}, and this board has {here}: deploy again, "
                "naming this board"
            )


def ids(place: Place) -> list[str]:
    """Of the releases that are there, the newest last."""
    folders = [p for p in place.releases.glob("*") if p.is_dir() and not p.name.startswith(".")]
    return [p.name for p in sorted(folders, key=lambda p: (p.stat().st_mtime, p.name))]


def load(place: Place, name: str) -> Release | None:
    """The release of that id, None where its ``release.json`` is not that."""
    try:
        release = parse((place.releases / name / "release.json").read_text("utf-8"))
    except (OSError, ValueError, Refused):
        return None
    return release if release.id == name else None


def whole(place: Place, name: str | None) -> Release | None:
    """The release of that id if nothing of it is lost or changed, as far as can be told quickly.

    The bundle is hashed; of the environment, the size of each file is compared.
    """
    release = load(place, name) if name else None
    if release is None or release.python != python_here():
        return None
    folder = place.releases / release.id
    try:
        sizes: dict[str, Any] = json.loads((folder / CONTENTS).read_text("utf-8"))
        fine = (folder / "venv/bin/python").exists()
        # Strings, not paths: some thousand files, on the slowest board, at every start.
        venv = f"{folder}/venv/"
        fine = fine and all(os.stat(venv + n).st_size == s for n, s in sizes.items())
        fine = fine and all(
            disk.sha256(folder / "bundle" / n) == s for n, s in release.bundle.items()
        )
    except (OSError, ValueError, AttributeError):
        return None
    return release if fine else None


def contents(venv: Path) -> str:
    """What :data:`CONTENTS` says of an environment."""
    skipped = len(str(venv)) + 1
    sizes = {
        os.path.join(folder, name)[skipped:]: found.st_size
        for folder, _, names in os.walk(venv)
        for name in names
        if stat.S_ISREG((found := os.lstat(os.path.join(folder, name))).st_mode)
    }
    return json.dumps(sizes, sort_keys=True)

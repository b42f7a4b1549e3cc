"""The wheels that a board needs, gathered on the workstation, so that a board needs no internet.

What was gathered once stays as it was: a *lock* lists names and SHA-256s, and while nothing that is
asked for changes, neither do they, with a network or without. ``fresh`` looks for newer ones.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from email.parser import BytesParser
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from devices.own_wheel import own_wheel
from devices.target import Target, of_edgecnn, required
from edgecnn.errors import DeployError
from edgecnn.storage import sha256_of, storing, whole_file

if TYPE_CHECKING:
    from packaging.requirements import Requirement

ROUNDS = 6
"""How often what only a board's markers ask for is added; each round goes one package deeper."""

_OFFLINE = re.compile(r"name resolution|NewConnectionError|ConnectTimeout|Network is unreachable")
_MISSING = re.compile(r"No matching distribution found for (\S+)")


def cache_folder() -> Path:
    """Where wheels stay: ``~/.cache/edgecnn``, or in ``XDG_CACHE_HOME``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "edgecnn"


def gather(
    target: Target, extras: Iterable[str] = (), cache: Path | None = None, fresh: bool = False
) -> dict[str, Path]:
    """All wheels that edgecnn needs on a board, its own and pip's among them, by file name.

    Args:
        extras: of edgecnn, ``web`` say.
        cache: :func:`cache_folder` where None.
        fresh: look for newer versions than those of the last time.

    Raises:
        DeployError: a package has no wheel for the board, or is not here and cannot be fetched.
    """
    target.check()
    cache = cache or cache_folder()
    asked = [*of_edgecnn(target, sorted(extras)), "pip"]
    key = hashlib.sha256(json.dumps([str(target), asked]).encode()).hexdigest()[:16]
    lock, wheels = cache / "locks" / f"{key}.json", cache / "wheels"
    locked = {} if fresh else _read(lock)
    if not locked:
        locked = _resolve(target, asked, wheels)
        with whole_file(lock) as draft:
            draft.write_text(json.dumps(locked, indent=2, sort_keys=True) + "\n", "utf-8")
    elif lost := [name for name in locked if not _whole(wheels / name, locked[name])]:
        _fetch_again(target, lost, locked, wheels)
    own = own_wheel(cache / "own")
    return {**{name: wheels / name for name in sorted(locked)}, own.name: own}


def _read(lock: Path) -> dict[str, str]:
    try:
        return dict(json.loads(lock.read_text("utf-8")))
    except (OSError, ValueError):
        return {}


def _whole(path: Path, digest: str) -> bool:
    return path.is_file() and sha256_of(path) == digest


def _resolve(target: Target, asked: list[str], wheels: Path) -> dict[str, str]:
    """Fetch what is asked for and all that it needs on the board; names to hashes."""
    with storing(wheels):
        wheels.mkdir(parents=True, exist_ok=True)
    wanted = list(asked)
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(prefix=".part-", dir=wheels) as part:
            _download(target, wanted, Path(part))
            found = sorted(Path(part).glob("*.whl"))
            lacking = _lacking(target, asked, found)
            if not lacking:
                return _keep(found, wheels)
        wanted = [*wanted, *lacking]
    raise DeployError(f"what edgecnn needs does not come to an end: {', '.join(wanted)}")


def _fetch_again(target: Target, lost: list[str], locked: dict[str, str], wheels: Path) -> None:
    """Fetch the very files that a lock names and that are no longer here."""
    exact = ["{}=={}".format(*name.split("-")[:2]) for name in lost]
    with storing(wheels):
        wheels.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=wheels) as part:
        _download(target, exact, Path(part), alone=True)
        kept = _keep(sorted(Path(part).glob("*.whl")), wheels)
    changed = sorted(name for name in lost if kept.get(name) != locked[name])
    if changed:
        raise DeployError(
            f"{', '.join(changed)} came otherwise than the last time (its sha256 differs): "
            "use --fresh to take it all the same"
        )


def _keep(found: Iterable[Path], wheels: Path) -> dict[str, str]:
    kept = {path.name: sha256_of(path) for path in found}
    for path in found:
        os.replace(path, wheels / path.name)
    return kept


def _download(target: Target, wanted: list[str], out: Path, alone: bool = False) -> None:
    if find_spec("pip") is None:
        raise DeployError(f"{sys.executable} has no pip: {sys.executable} -m ensurepip")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--dest", str(out)]
    command += ["--implementation", "cp", "--python-version", target.python]
    command += [flag for tag in target.platforms for flag in ("--platform", tag)]
    command += ["--no-deps"] if alone else []
    done = subprocess.run([*command, *wanted], capture_output=True, text=True)
    if done.returncode:
        raise DeployError(_reason(target, done.stderr))


def _reason(target: Target, complaint: str) -> str:
    """One line of what pip said."""
    if _OFFLINE.search(complaint):
        return (
            f"the wheels for {target} are not all here and the package index is not reached: "
            "connect this machine, not the board, to the internet once"
        )
    missing = _MISSING.search(complaint)
    if missing:
        return f"no wheel of {missing.group(1)} fits {target}: {target.cure()}"
    lines = [line for line in complaint.splitlines() if line.startswith("ERROR:")]
    said = (lines or complaint.splitlines() or ["?"])[0].removeprefix("ERROR: ")
    return f"pip cannot gather the wheels for {target} ({said}): correct that"


def _lacking(target: Target, asked: Iterable[str], found: Iterable[Path]) -> list[str]:
    """Requirements that hold on the board and that no wheel of ``found`` is for."""
    from packaging.utils import canonicalize_name, parse_wheel_filename

    wheels = {parse_wheel_filename(path.name)[0]: path for path in found}
    todo = required(target, (), asked)
    seen: set[str] = set()
    lacking = []
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        if name not in wheels:
            lacking.append(str(requirement))
        elif str(requirement) not in seen:
            seen.add(str(requirement))
            todo += _needed_by(wheels[name], target, requirement)
    return sorted(set(lacking))


def _needed_by(wheel: Path, target: Target, requirement: Requirement) -> list[Requirement]:
    with zipfile.ZipFile(wheel) as opened:
        name = next(n for n in opened.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n))
        facts = BytesParser().parsebytes(opened.read(name))
    lines = [str(line) for line in facts.get_all("Requires-Dist") or []]
    return required(target, requirement.extras, lines)

"""The wheel of the edgecnn that runs here: built from a checkout, or packed again."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from edgecnn.errors import DeployError
from edgecnn.runtime.child import ROOT
from edgecnn.storage import whole_folder

PACKAGES = ("edgecnn", "converters", "devices")
LEFT_BY_PIP = ("INSTALLER", "REQUESTED", "direct_url.json", "RECORD")
"""What an installation adds to a wheel's metadata, and the list that is made anew."""

EPOCH = (2020, 2, 2, 0, 0, 0)
"""The time of every file in a packed wheel, as hatchling's: the same files are the same wheel."""


def own_wheel(cache: Path) -> Path:
    """The wheel, from the cache where nothing changed since it was built.

    Args:
        cache: the folder for wheels of edgecnn itself.

    Raises:
        DeployError: it cannot be built, or its files change meanwhile.
    """
    checkout = (ROOT / "pyproject.toml").is_file()
    files = dict(_source() if checkout else _installed())
    digest = hashlib.sha256()
    try:
        for name, path in sorted(files.items()):
            digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode())
    except OSError as e:
        raise DeployError(f"edgecnn itself cannot be read ({e}): deploy again") from e
    built = cache / digest.hexdigest()[:16]
    if not built.is_dir():
        with whole_folder(built, replace=True) as draft:
            (_build if checkout else _pack)(files, draft)
    return next(built.glob("*.whl"))


def _source() -> Iterator[tuple[str, Path]]:
    """What a wheel of the checkout is made of; what is hidden is somebody's draft, and may be gone
    by the time that it is read."""
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        yield name, ROOT / name
    for package in PACKAGES:
        for place, folders, names in os.walk(ROOT / package):
            folders[:] = [f for f in folders if f != "__pycache__" and not f.startswith(".")]
            for name in names:
                if not name.startswith(".") and ".sqlite" not in name:
                    path = Path(place, name)
                    yield str(path.relative_to(ROOT)), path


def _build(files: dict[str, Path], out: Path) -> None:
    code = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(out.resolve())], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["?"])[-1]
        cure = "pip install 'edgecnn[deploy]'" if "hatchling" in reason else "correct that"
        raise DeployError(f"the wheel of {ROOT} cannot be built ({reason}): {cure}")


def _installed() -> Iterator[tuple[str, Path]]:
    """The files that were installed, those that pip made itself left out."""
    distribution = metadata.distribution("edgecnn")
    for file in distribution.files or []:
        made = "__pycache__" in file.parts or ".." in file.parts
        if not made and not (file.parts[0].endswith(".dist-info") and file.name in LEFT_BY_PIP):
            yield file.as_posix(), Path(str(distribution.locate_file(file)))


def _pack(files: dict[str, Path], out: Path) -> None:
    """Write a wheel: https://packaging.python.org/en/latest/specifications/binary-distribution-format/"""
    version = metadata.version("edgecnn")
    record = f"edgecnn-{version}.dist-info/RECORD"
    lines = []
    with zipfile.ZipFile(out / f"edgecnn-{version}-py3-none-any.whl", "w") as wheel:
        for name, path in sorted(files.items()):
            content = path.read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            lines.append(f"{name},sha256={digest.decode()},{len(content)}\n")
            _add(wheel, name, content)
        _add(wheel, record, "".join([*lines, f"{record},,\n"]).encode())


def _add(wheel: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, EPOCH)
    info.external_attr = 0o644 << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    wheel.writestr(info, content)

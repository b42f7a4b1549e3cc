"""Small wheels under the names of real ones: what pip fetches, without an index."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

MANY = "manylinux_2_17_x86_64.manylinux2014_x86_64"


def wheel(folder: Path, name: str, version: str, tag: str, *needs: str) -> Path:
    """A wheel of one module; ``tag`` as in ``cp311-cp311-manylinux_2_28_aarch64``."""
    path = folder / f"{name}-{version}-{tag}.whl"
    info = f"{name}-{version}.dist-info"
    lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {n}" for n in needs)]
    pure = str(tag.endswith("any")).lower()
    python, abi, platforms = tag.split("-")
    tags = "".join(f"Tag: {python}-{abi}-{p}\n" for p in platforms.split("."))
    with zipfile.ZipFile(path, "w") as made:
        made.writestr(f"{name}.py", f"version = {version!r}\n")
        made.writestr(f"{info}/METADATA", "\n".join(["Metadata-Version: 2.1", *lines, "", ""]))
        made.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: {pure}\n{tags}")
        made.writestr(f"{info}/RECORD", "")
    return path


def index_of_wheels(folder: Path) -> Path:
    """What edgecnn and its page need on x86-64 and aarch64, each package a few hundred bytes."""
    for platform in (MANY, MANY.replace("x86_64", "aarch64")):
        for name, version, needs in (
            ("numpy", "2.4.6", ()),
            ("opencv_python_headless", "5.0.0", ("numpy>=2",)),
            ("ai_edge_litert", "2.3.0", ("numpy",)),
            ("argon2_cffi", "25.1.0", ()),
        ):
            wheel(folder, name, version, f"cp310-abi3-{platform}", *needs)
    old = "typing_extensions>=4; python_version < '3.13'"
    for name, version, more in (
        ("click", "8.3.0", ()),
        ("jinja2", "3.1.6", ()),
        ("python_multipart", "0.0.20", ()),
        ("starlette", "1.0.0", (old,)),
        ("typing_extensions", "4.15.0", ()),
        ("uvicorn", "0.40.0", ("exceptiongroup; python_version < '3.11'",)),
        ("exceptiongroup", "1.3.0", ()),
        ("paho_mqtt", "2.1.0", ()),
        ("pip", "99.0", ()),
    ):
        wheel(folder, name, version, "py3-none-any", *more)
    return folder


def pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", *arguments], check=True)

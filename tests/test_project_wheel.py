"""The wheel holds the three packages, all of them, and nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("edgecnn", "converters", "devices")
BIGGEST_FILE = 1_600_000
"""Bytes: the embedder may have 1.5 MB, nothing else comes near."""


def hatchling(call: str, out: Path, source: Path = ROOT) -> Path:
    """Call one of hatchling's build hooks as pip does, without a network; the wheel's path."""
    code = f"import sys; from hatchling.build import {call}; print({call}(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(out)],
        cwd=source,
        capture_output=True,
        text=True,
        check=True,
    )
    return out / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(hatchling("build_wheel", tmp_path_factory.mktemp("dist"))) as opened:
        yield opened


@pytest.fixture(scope="module")
def names(wheel: zipfile.ZipFile) -> set[str]:
    return set(wheel.namelist())


def tree() -> set[str]:
    """The files of the three packages as they stand here, without what Python and tools leave."""
    return {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and ".sqlite" not in path.name
    }


def test_the_wheel_is_the_tree(names: set[str]) -> None:
    assert {n for n in names if ".dist-info/" not in n} == tree()


def test_only_the_metadata_stands_beside_the_packages(names: set[str]) -> None:
    tops = {n.partition("/")[0] for n in names}
    beside = tops - set(PACKAGES)
    assert len(beside) == 1
    (info,) = beside
    assert info.startswith("edgecnn-") and info.endswith(".dist-info")
    assert {n.partition("/")[2] for n in names if n.startswith(f"{info}/")} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_is_typed(names: set[str], package: str) -> None:
    assert {f"{package}/__init__.py", f"{package}/py.typed"} <= names


def test_the_models_are_inside_and_whole(wheel: zipfile.ZipFile, names: set[str]) -> None:
    manifest = json.loads(wheel.read("edgecnn/assets/manifest.json"))
    assert set(manifest["models"]) == {"detector", "detector-portrait", "embedder"}
    assert {f"edgecnn/assets/{file}" for file in manifest["files"]} <= names
    assert {"edgecnn/assets/golden.npz", "edgecnn/assets/card.md"} <= names


def test_nothing_is_big_and_no_picture_or_person_is_inside(wheel: zipfile.ZipFile) -> None:
    big = {i.filename: i.file_size for i in wheel.infolist() if i.file_size > BIGGEST_FILE}
    assert big == {}
    pictures = {".jpg", ".jpeg", ".png", ".webp", ".onnx", ".keras", ".sqlite", ".zip"}
    assert [i.filename for i in wheel.infolist() if Path(i.filename).suffix in pictures] == []


def test_a_gallery_in_the_tree_stays_out_of_the_wheel(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, copy)
    (copy / "edgecnn" / "assets" / "gallery.sqlite").write_bytes(b"private")
    (copy / "edgecnn" / "assets" / "gallery.sqlite-wal").write_bytes(b"private")
    with zipfile.ZipFile(hatchling("build_wheel", tmp_path, copy)) as built:
        assert "edgecnn/bundle.py" in built.namelist()
        assert [n for n in built.namelist() if "gallery.sqlite" in n] == []


def test_the_editable_install_imports_from_the_tree(tmp_path: Path) -> None:
    editable = hatchling("build_editable", tmp_path)
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*pip, "--no-index", "--no-deps", str(editable)], check=True)
    code = (
        "import importlib\n"
        f"for p in {PACKAGES!r}: print(importlib.import_module(p).__file__)\n"
        "import importlib.metadata as m; print(m.version('edgecnn'))"
    )
    done = subprocess.run(
        [python, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[:3] == [str(ROOT / p / "__init__.py") for p in PACKAGES]
    assert (environment / "bin" / "edgecnn").is_file()

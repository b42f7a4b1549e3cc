"""The camera on an Edge TPU: a stand-in for Coral's library, loaded by the real run time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from camera_tools import picture
from edgetpu_tools import compiler, shipped

from converters.edgetpu import compile_bundle
from edgecnn.bundle import ASSETS, Bundle
from edgecnn.camera import accelerator
from edgecnn.runtime.flat import FlatBuffer

SOURCE = Path(__file__).with_name("edgetpu_double.c")
CC = shutil.which("cc")

pytestmark = pytest.mark.skipif(CC is None, reason="no C compiler: sudo apt-get install gcc")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of ``libedgetpu.so.1``."""
    assert CC
    folder = tmp_path_factory.mktemp("edgetpu")
    made = folder / "libedgetpu.so.1"
    subprocess.run([CC, "-shared", "-fPIC", "-o", made, SOURCE], check=True)
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """The bundle that ships, compiled for an Edge TPU."""
    path = shipped(tmp_path / "bundle")
    compile_bundle(path, compiler=compiler(tmp_path))
    return path


@dataclass
class Board:
    """A machine with Coral's library, and an Edge TPU as ``EDGETPU_DOUBLE`` says."""

    library: Path
    folder: Path
    device: str

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_LIBRARY_PATH": str(self.library), "EDGETPU_DOUBLE": self.device}

    def prepared(self) -> list[int]:
        """The processes in which models were given to the Edge TPU, one entry a model."""
        log = self.folder / "log"
        return [int(line) for line in log.read_text().split()] if log.exists() else []

    def camera(self, bundle: Path, *options: object) -> tuple[int, list[str], dict[str, Any], int]:
        """Watch one picture: exit code, lines of complaint, the status, and its process."""
        shown, status = self.folder / "picture.png", self.folder / "status.json"
        assert cv2.imwrite(str(shown), picture(3))
        words = ["camera", bundle, "--source", shown, "--status", status, *options]
        process = subprocess.Popen(
            [sys.executable, "-m", "edgecnn", *map(str, words)],
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        _, said = process.communicate(timeout=120)
        told = json.loads(status.read_text()) if status.exists() else {}
        lines = [line for line in said.splitlines() if line.startswith("edgecnn: ")]
        return process.returncode, lines, told, process.pid


@pytest.fixture
def board(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Board:
    made = Board(library, tmp_path, str(tmp_path / "log"))
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)  # for the process that this one begins
    return made


def test_compiled_models_are_compared_and_timed_elsewhere(board: Board, bundle: Path) -> None:
    found = accelerator.tried(Bundle(bundle), 3)
    assert isinstance(found, dict)
    assert set(found) == {e.file for e in Bundle(bundle).manifest.models.values()}
    assert all(took["runs"] == 3 and took["p50_ms"] > 0 for took in found.values())
    assert board.prepared() and os.getpid() not in board.prepared()


@pytest.mark.parametrize("choice", ["auto", "edgetpu"])
def test_the_camera_uses_it(board: Board, bundle: Path, choice: str) -> None:
    code, said, told, process = board.camera(bundle, "--accelerator", choice)
    assert (code, told["runs_on"], told["frames"]) == (0, "edgetpu", 1)
    assert board.prepared().count(process) == 3
    assert any("on the Edge TPU" in line for line in said) == (choice == "auto")


def test_the_user_may_do_without(board: Board, bundle: Path) -> None:
    code, _, told, _ = board.camera(bundle, "--accelerator", "cpu")
    assert (code, told["runs_on"], board.prepared()) == (0, "cpu", [])


ABSENT = {
    "absent": "no Edge TPU answers",
    "crash": "libedgetpu and the run time are not of one TensorFlow",
}


@pytest.mark.parametrize("device", ABSENT)
def test_the_cpu_takes_over_where_it_cannot(board: Board, bundle: Path, device: str) -> None:
    board.device = device
    code, said, told, _ = board.camera(bundle)
    assert (code, told["runs_on"], told["frames"]) == (0, "cpu", 1)
    (line,) = [line for line in said if "on the CPU, not on an Edge TPU" in line]
    assert ABSENT[device] in line
    code, said, _, _ = board.camera(bundle, "--accelerator", "edgetpu")
    assert code == 2 and len(said) == 1 and ABSENT[device] in said[0]


def test_a_process_that_fails_says_why(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    failing = tmp_path / "python"
    failing.write_text("#!/bin/sh\necho 'MemoryError: no room' >&2\nexit 1\n")
    failing.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(failing))
    found = accelerator.tried(Bundle(bundle))
    assert found == "the process that tries it failed: MemoryError: no room"


def test_without_the_library_too(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    found = accelerator.tried(Bundle(bundle))
    assert isinstance(found, str) and found.startswith("no libedgetpu.so.1 here: edgecnn doctor")


def test_one_that_computes_something_else_is_not_used(board: Board, bundle: Path) -> None:
    file = Bundle(bundle).compiled["embedder"]
    content = bytearray(file.read_bytes())
    flat = FlatBuffer(bytes(content))
    places = [flat.vector(b, 0, 1) for b in flat.tables(flat.root, 4)]
    at, size = max(places, key=lambda place: place[1])
    content[at : at + size] = np.random.default_rng(0).bytes(size)
    file.write_bytes(content)
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"][file.name] = sha256(content).hexdigest()
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    found = accelerator.tried(Bundle(bundle))
    assert isinstance(found, str) and "the embedder computes something else here" in found


def test_one_that_does_not_answer_is_not_waited_for(
    board: Board, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accelerator, "TIMEOUT_S", 0.05)
    found = accelerator.tried(Bundle(bundle))
    assert isinstance(found, str) and "did not answer within" in found


def test_a_bundle_that_is_not_compiled(edgecnn: Any) -> None:
    assert Bundle(ASSETS).compiled == {}
    code, out, err = edgecnn("camera", ASSETS, "--source", "none", "--accelerator", "edgetpu")
    assert (code, out, err.count("\n")) == (2, "", 1) and f"edgecnn compile {ASSETS}" in err

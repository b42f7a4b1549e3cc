"""A board measured over ssh; here ssh is a script that runs the same on this machine."""

from __future__ import annotations

import json
import os
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from devices import bench
from devices.bench import on_board, packed
from devices.hosts import parse
from edgecnn.bundle import ASSETS, Bundle
from edgecnn.cli import main
from edgecnn.errors import DeployError

HOST = parse("pi@hall.local:2222")


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for what remote commands leave; ``ssh`` runs its last argument here."""
    remote, bin_ = tmp_path / "remote", tmp_path / "bin"
    remote.mkdir()
    bin_.mkdir()
    (bin_ / "ssh").write_text(
        f'#!/bin/sh\necho "$@" | head -n 1 > {tmp_path}/called\n'
        f'for last; do :; done\nTMPDIR={remote} exec sh -c "$last"\n'
    )
    (bin_ / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parent.parent))
    return remote


def says(path: Path, text: str, code: int = 0) -> str:
    """A stand-in for the board's Python that says something on both outputs, and ends."""
    path.write_text(f"#!/bin/sh\necho '{text}'\necho '{text}' >&2\nexit {code}\n")
    path.chmod(0o755)
    return str(path)


def test_the_board_measures_and_keeps_nothing(ssh: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    found = on_board(HOST, ASSETS, runs=2, soak_s=0, python=sys.executable, note=notes.append)
    assert found["threads"]["1"]["stages"]["total"]["runs"] == 2 and found["soak"] is None
    assert found["bundle"]["sha256"]
    assert list(ssh.iterdir()) == [], "what was sent is gone again"
    called = (tmp_path / "called").read_text()
    assert "-p 2222 pi@hall.local" in called and "BatchMode=yes" in called
    assert len(notes) == 1


def test_nobodys_embeddings_travel(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    folder.mkdir()
    for path in ASSETS.iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    (folder / "gallery.sqlite").write_text("Ann")
    with tarfile.open(fileobj=BytesIO(packed(Bundle(folder)))) as tar:
        names = set(tar.getnames())
    assert "bundle/gallery.sqlite" not in names
    named = {f"bundle/{name}" for name in Bundle(folder).manifest.files}
    assert named | {"bundle/manifest.json"} <= names


FAULTS = {
    "old release": (("Error: No such option: --threads-each", 2), "older than this measurement"),
    "its own fault": (("edgecnn: model.tflite does not run", 2), "could not measure: model.tflite"),
    "nonsense": (("hello", 0), "Received something else"),
    "half a result": (('{"schema": 1}', 0), "Received something else"),
    "away": (("ssh: connect to host hall.local: No route to host", 255), "is not reached by ssh"),
}


@pytest.mark.parametrize(("answer", "line"), FAULTS.values(), ids=FAULTS)
def test_each_fault_is_one_line_and_leaves_nothing(
    answer: tuple[str, int], line: str, ssh: Path, tmp_path: Path
) -> None:
    python = says(tmp_path / "python", *answer)
    with pytest.raises(DeployError, match=line) as raised:
        on_board(HOST, ASSETS, python=python)
    assert "\n" not in str(raised.value) and "hall.local" in str(raised.value)
    assert list(ssh.iterdir()) == []


def test_where_nothing_is_deployed_the_cure_is_said(
    ssh: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "PYTHON", "/nowhere/python")
    with pytest.raises(SystemExit) as ended:
        main(["bench", str(ASSETS), "--on", "pi@hall.local", "--runs", "1"])
    shown = capsys.readouterr()
    assert ended.value.code == 2 and shown.out == ""
    assert f"edgecnn deploy {ASSETS} pi@hall.local" in shown.err.splitlines()[-1]
    assert list(ssh.iterdir()) == []


def test_a_result_over_ssh_is_printed_and_written(
    ssh: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from test_camera_bench import result

    python = tmp_path / "python"
    answer = json.dumps(result())
    python.write_text(
        f"#!/bin/sh\ncat > {tmp_path}/sent\necho '{answer}'\necho \"$@\" > {ssh}/args\n"
    )
    python.chmod(0o755)
    monkeypatch.setattr(bench, "PYTHON", str(python))
    out = tmp_path / "boards" / "hall.json"
    main(["bench", str(ASSETS), "--on", "pi@hall.local", "--out", str(out)])
    assert json.loads(out.read_text()) == result()
    assert "Use 2 threads" in capsys.readouterr().out
    args = (ssh / "args").read_text()
    assert "--soak-s 300" in args and "--threads-each" in args, "five minutes where not told else"


def test_models_are_timed_on_the_board(ssh: Path) -> None:
    files = [Path(__file__).parent / name for name in ("tiny.tflite", "tiny-float.tflite")]
    took = bench.time_of(HOST, 2, sys.executable)(files)
    assert set(took) == {file.name for file in files} and min(took.values()) > 0
    assert list(ssh.iterdir()) == [], "what was sent is gone again"


def test_an_answer_without_the_times_is_refused(ssh: Path, tmp_path: Path) -> None:
    python = says(tmp_path / "python", '{"invokes": {}}')
    with pytest.raises(DeployError, match="expected times of 1 models"):
        bench.time_of(HOST, 2, python)([Path(__file__).parent / "tiny.tflite"])

"""``edgecnn doctor``: on this machine, and on machines where something is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy
import pytest

from devices import probe as probe_module
from devices.probe import RUN_TIMES, Finding, probe, works
from edgecnn import __version__
from edgecnn.cli import main
from edgecnn.runtime.interpreter import RUNTIMES


def doctor(*arguments: str) -> int:
    """The exit code of ``edgecnn doctor``."""
    try:
        main(["doctor", *arguments])
    except SystemExit as e:
        return int(e.code or 0)
    return 0


@pytest.fixture(scope="module")
def here() -> dict[str, Finding]:
    return {f.topic: f for f in probe()}


def test_says_what_is_installed(here: dict[str, Finding]) -> None:
    assert here["python"].found == sys.version.split()[0]
    assert here["edgecnn"].found == __version__
    assert here["numpy"].found == numpy.__version__
    assert "opencv" in here["opencv"].found
    assert any(package in here["run time"].found for package in RUN_TIMES.values())
    assert "FFMPEG" in here["camera back ends"].found
    assert "cores" in here["machine"].found and "MB free" in here["disk"].found


def test_each_problem_comes_with_what_to_do(here: dict[str, Finding]) -> None:
    assert [f for f in here.values() if f.state == "problem" and not f.cure] == []
    assert {f.state for f in here.values()} <= {"ok", "note", "problem"}


def test_recognition_works_here(here: dict[str, Finding]) -> None:
    assert works(list(here.values())), here
    assert "self-test passed" in here["run time"].found


def test_knows_the_run_times_that_the_app_knows() -> None:
    assert tuple(RUN_TIMES) == RUNTIMES


def test_loads_nothing_heavy_itself(root: Path) -> None:
    code = "import sys, devices.probe; print({'numpy', 'cv2', 'tensorflow'} & set(sys.modules))"
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


FINE = Finding("python", "ok", "3.11")
BROKEN = Finding("run time", "problem", "none", "pip install ai-edge-litert", needed=True)
UNWANTED = Finding("disk", "problem", "5 MB free", "df -h")


@pytest.mark.parametrize(
    ("findings", "code", "says"),
    [([FINE], 0, "works"), ([FINE, UNWANTED], 0, "works"), ([FINE, BROKEN], 1, "does not work")],
)
def test_the_exit_code_says_whether_recognition_works(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    findings: list[Finding],
    code: int,
    says: str,
) -> None:
    monkeypatch.setattr(probe_module, "probe", lambda: findings)
    assert doctor() == code
    out = capsys.readouterr().out
    assert f"Recognition {says} on this machine." in out
    for finding in findings:
        assert finding.found in out and finding.cure in out
    assert doctor("--json") == code
    report = json.loads(capsys.readouterr().out)
    assert report["works"] == (code == 0)
    assert [f["topic"] for f in report["findings"]] == [f.topic for f in findings]


def fake_package(folder: Path, name: str, code: str) -> Path:
    """A package ``name`` whose module ``interpreter`` runs some code when it is imported."""
    package = folder / name
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "interpreter.py").write_text(code)
    return folder


def finish(package: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a child finds out about a fake run time."""
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return probe_module._finish(probe_module._start("runtime", package))


FAULTS = {
    "a crash": ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crashed with SIGSEGV"),
    "numpy 2": ("raise SystemError('initialization of _pywrap failed')", "SystemError: initiali"),
    "no library": ("raise ImportError('libedgetpu.so.1: no such file')", "ImportError: libedgetpu"),
    "silence": ("import os; os._exit(3)", "exit code 3"),
}


@pytest.mark.parametrize(("code", "says"), FAULTS.values(), ids=FAULTS)
def test_a_run_time_that_fails_becomes_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, says: str
) -> None:
    facts = finish("fake_runtime", fake_package(tmp_path, "fake_runtime", code), monkeypatch)
    assert says in facts["error"]
    finding = probe_module._runtime("tflite_runtime", facts, "2.4.6", one_works=False)
    assert (finding.state, finding.needed) == ("problem", True)
    assert says in finding.found and "numpy<2" in finding.cure


def test_a_run_time_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_module, "TIMEOUT_S", 0.2)
    folder = fake_package(tmp_path, "fake_runtime", "import time; time.sleep(60)")
    assert "no answer" in finish("fake_runtime", folder, monkeypatch)["error"]


CRASHED = {"error": "it crashed with SIGSEGV", "crashed": True}
WORKS = {"imports": True, "self_test": {"detector": 0, "embedder": 1}}
UNREADABLE = {"imports": True, "error": "BundleError: changed"}


@pytest.mark.parametrize(
    ("facts", "works_here"),
    [
        ({}, False),
        ({"ai_edge_litert": WORKS}, True),
        ({"ai_edge_litert": WORKS, "tflite_runtime": {"error": "SystemError"}}, True),
        ({"ai_edge_litert": CRASHED, "tflite_runtime": WORKS}, False),
        ({"ai_edge_litert": UNREADABLE}, False),
    ],
)
def test_which_run_times_suffice(facts: dict[str, dict[str, Any]], works_here: bool) -> None:
    findings = probe_module._runtimes(facts, "2.4.6")
    assert works(findings) == works_here
    assert all(f.cure for f in findings if f.state == "problem")


@pytest.mark.parametrize(
    ("facts", "topic", "cure"),
    [
        ({"error": "ModuleNotFoundError: No module named 'numpy'"}, "numpy", "numpy"),
        ({"numpy": "2.4.6", "error": "ImportError: libGL.so.1"}, "opencv", "opencv-python-headl"),
    ],
)
def test_without_numpy_or_opencv_recognition_does_not_work(
    facts: dict[str, Any], topic: str, cure: str
) -> None:
    findings = probe_module._opencv(facts)
    assert not works(findings)
    assert (findings[-1].topic, cure in findings[-1].cure) == (topic, True)


def test_two_opencvs_in_one_place_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        probe_module, "_version", lambda name: "4.8" if "contrib" not in name else ""
    )
    (finding,) = probe_module._opencv({"numpy": "1.26", "opencv": "4.8.1"})[1:]
    assert finding.state == "problem" and "pip uninstall -y opencv-python-headless" in finding.cure


def test_a_camera_without_permission_names_the_group() -> None:
    camera = {"path": "/dev/video0", "name": "HD Webcam", "allowed": False}
    findings = probe_module._cameras({"backends": ["V4L2"], "cameras": [camera]})
    assert "usermod -aG video" in findings[1].cure and "HD Webcam" in findings[1].found
    assert works(findings), "files and network cameras still work"
    camera["allowed"] = True
    assert probe_module._cameras({"backends": ["V4L2"], "cameras": [camera]})[1].state == "ok"


def test_the_extras_are_read_from_the_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    required = [
        "numpy>=1.24",
        "tensorflow>=2.20; python_version < '3.14' and extra == 'train'",
        'rich>=13; extra == "train"',
        "edgecnn[train]; extra == 'demo'",
        "scikit-image>=0.22; extra == 'demo'",
    ]
    monkeypatch.setattr(metadata, "requires", lambda name: required)
    monkeypatch.setattr(probe_module, "_version", lambda name: "1.0" if name == "rich" else "")
    assert probe_module._extras() == [
        Finding("[train]", "note", "not installed: tensorflow", "pip install 'edgecnn[train]'"),
        Finding("[demo]", "note", "not installed: scikit-image", "pip install 'edgecnn[demo]'"),
    ]


@pytest.mark.parametrize("model", ["Raspberry Pi 5 Model B Rev 1.0\0", ""])
def test_the_board_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    (tmp_path / "model").write_text(model)
    (tmp_path / "compatible").write_text("raspberrypi,5-model-b\0brcm,bcm2712\0")
    monkeypatch.setattr(probe_module, "DEVICE_TREE", tmp_path)
    monkeypatch.setattr(probe_module.platform, "machine", lambda: "aarch64")
    (finding,) = probe_module._machine()
    assert finding.found.startswith(model.rstrip("\0") or "Raspberry Pi 5")
    assert f"aarch64, {os.cpu_count()} cores" in finding.found


def test_a_32_bit_system_is_told_the_other_run_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_module.platform, "machine", lambda: "armv7l")
    (finding,) = probe_module._machine()
    assert finding.state == "note" and "tflite-runtime" in finding.cure


def test_an_old_python_and_a_full_disk_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_module, "OLDEST_PYTHON", (99, 0))
    assert not works(probe_module._python())
    monkeypatch.setattr(probe_module, "LITTLE_DISK_MB", 10**9)
    assert probe_module._disk()[0].state == "problem"

"""``edgecnn doctor``: on this machine, and on machines where something is wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy
import pytest

from devices import doctor, doctor_packages
from devices.doctor_packages import RUN_TIMES
from devices.finding import RECOGNITION, Finding, works
from edgecnn import __version__
from edgecnn.errors import DeployError
from edgecnn.runtime.interpreter import RUNTIMES

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def here() -> dict[str, Finding]:
    return {f.topic: f for f in doctor.judge(doctor.here())}


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
    assert works(here.values()), here
    assert "self-test passed" in here["run time"].found


def test_knows_the_run_times_that_the_app_knows() -> None:
    assert tuple(RUN_TIMES) == RUNTIMES


FINE = Finding("python", "ok", "3.11")
BROKEN = Finding("run time", "problem", "none", "pip install ai-edge-litert", (RECOGNITION,))
UNWANTED = Finding("disk", "problem", "5 MB free", "df -h", ("deploy",))


@pytest.mark.parametrize(
    ("findings", "code", "says"),
    [([FINE], 0, "works"), ([FINE, UNWANTED], 0, "works"), ([FINE, BROKEN], 1, "does not work")],
)
def test_the_exit_code_says_whether_recognition_works(
    monkeypatch: pytest.MonkeyPatch, edgecnn: Run, findings: list[Finding], code: int, says: str
) -> None:
    monkeypatch.setattr(doctor, "here", dict)
    monkeypatch.setattr(doctor, "judge", lambda facts: findings)
    ended, out, _ = edgecnn("doctor")
    assert ended == code
    assert f"Recognition {says} on this machine." in out
    for finding in findings:
        assert finding.found in out and finding.cure in out
    ended, out, _ = edgecnn("doctor", "--json")
    report = json.loads(out)
    assert ended == code and report["works"] == (code == 0) and report["host"] is None
    assert report["deploys"] is None
    assert [f["topic"] for f in report["findings"]] == [f.topic for f in findings]


@pytest.mark.parametrize(
    ("findings", "code", "says"),
    [
        ([FINE], 0, "would work"),
        ([FINE, BROKEN], 0, "would work"),
        ([FINE, UNWANTED], 1, "would not work"),
    ],
)
def test_of_another_machine_it_says_whether_a_deploy_would_work(
    monkeypatch: pytest.MonkeyPatch, edgecnn: Run, findings: list[Finding], code: int, says: str
) -> None:
    monkeypatch.setattr("devices.ssh.facts_of", lambda host, accept_new: ({}, 0.0))
    monkeypatch.setattr(doctor, "judge", lambda facts, remote, now_s: findings)
    ended, out, _ = edgecnn("doctor", "pi@hall")
    assert ended == code and f"A deploy to pi@hall {says}." in out
    ended, out, _ = edgecnn("doctor", "pi@hall", "--json")
    assert ended == code and json.loads(out)["deploys"] == (code == 0)


def test_a_machine_whose_facts_cannot_be_gathered_is_one_line(
    monkeypatch: pytest.MonkeyPatch, edgecnn: Run
) -> None:
    monkeypatch.setattr(doctor.sys, "executable", "/bin/false")
    code, out, err = edgecnn("doctor")
    assert (code, out, err.count("\n")) == (2, "", 1) and "this machine's facts" in err
    with pytest.raises(DeployError):
        doctor.here()


def facts_with(**sections: Any) -> dict[str, Any]:
    packages = {"ai-edge-litert": "2.3.0", "tflite-runtime": "2.14.0", "numpy": "2.4.6"}
    opencv = {"numpy": "2.4.6", "opencv": "5.0"}
    python = {"version": "3.11.2"}
    return {"packages": packages, "opencv": opencv, "python": python, **sections}


CRASHED = {"error": "it crashed with SIGSEGV", "crashed": True}
WORKS = {"imports": True, "self_test": {"detector": 0, "embedder": 1}}
UNREADABLE = {"imports": True, "error": "BundleError: changed"}


@pytest.mark.parametrize(
    ("told", "works_here"),
    [
        ({}, False),
        ({"ai_edge_litert": WORKS}, True),
        ({"ai_edge_litert": WORKS, "tflite_runtime": {"error": "SystemError"}}, True),
        ({"ai_edge_litert": CRASHED, "tflite_runtime": WORKS}, False),
        ({"ai_edge_litert": UNREADABLE}, False),
    ],
)
def test_which_run_times_suffice(told: dict[str, dict[str, Any]], works_here: bool) -> None:
    findings = list(doctor_packages.runtimes(facts_with(runtimes=told)))
    assert works(findings) == works_here
    assert all(f.cure for f in findings if f.state == "problem")


def test_a_run_time_with_the_wrong_numpy_is_told_by_the_table() -> None:
    told = {"tflite_runtime": {"error": "SystemError: initialization failed"}}
    (finding,) = doctor_packages.runtimes(facts_with(runtimes=told))
    assert "SystemError" in finding.found and "numpy 1" in finding.found
    assert "numpy<2" in finding.cure and "ai-edge-litert" in finding.cure


@pytest.mark.parametrize(
    ("told", "topic", "cure"),
    [
        ({"error": "ModuleNotFoundError: No module named 'numpy'"}, "numpy", "numpy"),
        ({"numpy": "2.4.6", "error": "ImportError: libGL.so.1"}, "opencv", "opencv-python-headl"),
    ],
)
def test_without_numpy_or_opencv_recognition_does_not_work(
    told: dict[str, Any], topic: str, cure: str
) -> None:
    findings = list(doctor_packages.opencv(facts_with(opencv=told)))
    assert not works(findings)
    assert (findings[-1].topic, cure in findings[-1].cure) == (topic, True)


def test_two_opencvs_in_one_place_are_a_problem() -> None:
    packages = {"opencv-python-headless": "4.8", "opencv-python": "4.8"}
    findings = list(doctor_packages.opencv(facts_with(packages=packages)))
    assert findings[-1].state == "problem"
    assert "pip uninstall -y opencv-python-headless opencv-python;" in findings[-1].cure


def test_the_extras_are_read_from_the_metadata() -> None:
    required = [
        "numpy>=1.24",
        "tensorflow>=2.20; python_version < '3.14' and extra == 'train'",
        'rich>=13; extra == "train"',
        "edgecnn[train]; extra == 'demo'",
        "scikit-image>=0.22; extra == 'demo'",
    ]
    facts = facts_with(requires=required, packages={"rich": "1.0"})
    assert list(doctor_packages.extras(facts)) == [
        Finding("[train]", "note", "not installed: tensorflow", "pip install 'edgecnn[train]'"),
        Finding("[demo]", "note", "not installed: scikit-image", "pip install 'edgecnn[demo]'"),
    ]
    (finding,) = doctor_packages.extras(facts_with(requires=[]))
    assert "run as a folder" in finding.found

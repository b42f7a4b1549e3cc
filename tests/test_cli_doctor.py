"""``edgecnn doctor``: on this machine, and what its exit code says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest

from devices import diagnosis
from devices.diagnosis import Diagnosis, diagnose
from devices.finding import DEPLOY, RECOGNITION, Finding
from devices.pairings import RUN_TIMES
from edgecnn import __version__

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def visit() -> Diagnosis:
    return diagnose()


@pytest.fixture
def here(visit: Diagnosis) -> dict[str, Finding]:
    return {f.topic: f for f in visit.findings}


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


def test_recognition_works_here(visit: Diagnosis, here: dict[str, Finding]) -> None:
    assert visit.works and visit.well, here
    assert "self-test passed" in here["run time"].found


def test_loads_nothing_heavy_itself(root: Path) -> None:
    code = "import sys, devices.diagnosis; print({'numpy', 'cv2', 'tensorflow'} & set(sys.modules))"
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


FINE = Finding("python", "ok", "3.11")
BROKEN = Finding("run time", "problem", "none", "pip install ai-edge-litert", (RECOGNITION,))
UNWANTED = Finding("temperature", "problem", "85 °C", "a fan")
FULL = Finding("disk for a deploy", "problem", "5 MB free", "df -h", (DEPLOY,))


@pytest.mark.parametrize(
    ("host", "findings", "code", "says"),
    [
        ("", [FINE], 0, "Recognition works on this machine."),
        ("", [FINE, UNWANTED, FULL], 0, "Recognition works on this machine."),
        ("", [FINE, BROKEN], 1, "Recognition does not work on this machine."),
        ("pi@hall", [FINE, UNWANTED, BROKEN], 0, "A deploy to pi@hall would work."),
        ("pi@hall", [FINE, FULL], 1, "A deploy to pi@hall would not work."),
    ],
)
def test_the_exit_code_says_whether_it_works(
    monkeypatch: pytest.MonkeyPatch,
    edgecnn: Run,
    host: str,
    findings: list[Finding],
    code: int,
    says: str,
) -> None:
    found = Diagnosis(host, "raspberry-pi-5", findings)
    monkeypatch.setattr(diagnosis, "diagnose", lambda *_: found)
    arguments = [host] if host else []
    told, out, _ = edgecnn("doctor", *arguments)
    assert told == code
    assert out.rstrip().splitlines()[-1] == says
    for finding in findings:
        assert finding.found in out and finding.cure in out
    told, out, _ = edgecnn("doctor", *arguments, "--json")
    report = json.loads(out)
    assert told == code and report["board"] == "raspberry-pi-5"
    assert report["works"] == (BROKEN not in findings)
    assert report["deploys"] == (FULL not in findings)
    assert [f["topic"] for f in report["findings"]] == [f.topic for f in findings]


def test_what_only_a_deploy_needs_is_no_problem_here(visit: Diagnosis) -> None:
    assert not any(f.state == "problem" and f.stops == (DEPLOY,) for f in visit.findings)


@pytest.mark.parametrize("host", ["", "pi@", "pi@hall:0", "a b", "-oProxyCommand=x"])
def test_what_is_no_host_is_refused(edgecnn: Run, host: str) -> None:
    code, out, err = edgecnn("doctor", "--", host)
    assert (code, out) == (2, "")
    assert "expected a board as [user@]host[:port]" in err and len(err.splitlines()) == 1

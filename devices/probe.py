"""What is installed on this machine, whether recognition works, and what to do where not.

Nothing here imports more than the standard library: whatever could be missing or crash is looked
at in child processes, see :mod:`devices.child`.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Any

import devices
from edgecnn import __version__
from edgecnn.runtime.child import environment

RUN_TIMES = {"ai_edge_litert": "ai-edge-litert", "tflite_runtime": "tflite-runtime"}
"""Import name to distribution, in the order of ``edgecnn.runtime.interpreter.RUNTIMES``."""

OPENCVS = (
    "opencv-python-headless",
    "opencv-python",
    "opencv-contrib-python-headless",
    "opencv-contrib-python",
)
"""Distributions that all install into the same folder ``cv2``."""

TRAINING = ("tensorflow", "keras", "jax")
"""Told by their metadata: importing TensorFlow takes seconds."""

OLDEST_PYTHON = (3, 10)
LITTLE_DISK_MB = 500
TIMEOUT_S = 60
DEVICE_TREE = Path("/proc/device-tree")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        topic: what.
        state: ``"ok"``, ``"note"`` (works without it) or ``"problem"``.
        found: what was found, in words.
        cure: what to do, '' where there is nothing to do.
        needed: recognition does not work here while this is a problem.
    """

    topic: str
    state: str
    found: str
    cure: str = ""
    needed: bool = False


def probe() -> list[Finding]:
    """Look at everything; takes about as long as importing OpenCV and a run time."""
    children = {name: _start("runtime", name) for name in RUN_TIMES if util.find_spec(name)}
    opencv = _finish(_start("opencv"))
    runtimes = {name: _finish(child) for name, child in children.items()}
    return [
        *_machine(),
        *_disk(),
        *_python(),
        *_opencv(opencv),
        *_runtimes(runtimes, opencv.get("numpy", "?")),
        *_training(),
        *_extras(),
        *_cameras(opencv),
    ]


def works(findings: list[Finding]) -> bool:
    """Whether recognition works here."""
    return not any(f.needed and f.state == "problem" for f in findings)


def _start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "devices.child", *arguments],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _finish(child: subprocess.Popen[str]) -> dict[str, Any]:
    """All that a child told, in one; ``error`` where it failed, crashed or hung."""
    facts: dict[str, Any] = {}
    try:
        output, _ = child.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        output, _ = child.communicate()
        facts["error"] = f"it gave no answer in {TIMEOUT_S} s"
    for line in output.splitlines():
        if line.startswith("{"):
            facts.update(json.loads(line))
    if child.returncode < 0 and "error" not in facts:
        name = signal.Signals(-child.returncode).name
        facts["error"], facts["crashed"] = f"it crashed with {name}", True
    elif child.returncode and "error" not in facts:
        facts["error"] = f"it ended with exit code {child.returncode}"
    return facts


def _machine() -> list[Finding]:
    architecture = platform.machine()
    model, compatible = (_device_tree(name) for name in ("model", "compatible"))
    board = devices.recognise(compatible, architecture)
    title = model.rstrip("\0") or (board.title if board else "unknown board")
    memory = re.search(r"MemTotal:\s+(\d+)", _read(Path("/proc/meminfo")))
    found = f"{title}, {architecture}, {os.cpu_count()} cores"
    found += f", {int(memory.group(1)) // 1024} MB of memory" if memory else ""
    if architecture in ("armv7l", "armv6l"):
        from devices.board import THIRTY_TWO_BIT

        return [Finding("machine", "note", found, THIRTY_TWO_BIT)]
    return [Finding("machine", "ok", found)]


def _device_tree(name: str) -> str:
    return _read(DEVICE_TREE / name)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _disk() -> list[Finding]:
    free = shutil.disk_usage(Path.cwd()).free >> 20
    if free < LITTLE_DISK_MB:
        return [Finding("disk", "problem", f"{free} MB free here", "sudo apt clean; df -h /")]
    return [Finding("disk", "ok", f"{free} MB free here")]


def _python() -> list[Finding]:
    version = platform.python_version()
    if sys.version_info < OLDEST_PYTHON:
        cure = "use a system with Python 3.10 or newer, such as Raspberry Pi OS bookworm"
        return [Finding("python", "problem", version, cure, needed=True)]
    return [Finding("python", "ok", version), Finding("edgecnn", "ok", __version__)]


def _opencv(facts: dict[str, Any]) -> list[Finding]:
    findings = []
    if "numpy" in facts:
        findings.append(Finding("numpy", "ok", facts["numpy"]))
    installed = [name for name in OPENCVS if _version(name)]
    reinstall = "pip install --force-reinstall opencv-python-headless"
    if "opencv" not in facts:
        topic = "opencv" if "numpy" in facts else "numpy"
        cure = reinstall if topic == "opencv" else "pip install --force-reinstall numpy"
        error = facts.get("error", "it does not import")
        return [*findings, Finding(topic, "problem", error, cure, needed=True)]
    found = f"{facts['opencv']} ({', '.join(installed) or 'from the system'})"
    if len(installed) > 1:
        cure = f"they overwrite each other: pip uninstall -y {' '.join(installed)}; {reinstall}"
        return [*findings, Finding("opencv", "problem", found, cure)]
    findings.append(Finding("opencv", "ok", found))
    gui = facts.get("gui", "")
    cure = (
        "only --window needs it: pip uninstall -y opencv-python-headless; pip install opencv-python"
    )
    findings.append(Finding("window", "ok" if gui else "note", gui or "none", "" if gui else cure))
    return findings


def _runtimes(runtimes: dict[str, dict[str, Any]], numpy: str) -> list[Finding]:
    if not runtimes:
        cure = "pip install ai-edge-litert (on 32-bit ARM: pip install 'numpy<2' tflite-runtime)"
        return [Finding("run time", "problem", "none is installed", cure, needed=True)]
    one_works = any("self_test" in facts for facts in runtimes.values())
    return [_runtime(name, facts, numpy, one_works) for name, facts in runtimes.items()]


def _runtime(name: str, facts: dict[str, Any], numpy: str, one_works: bool) -> Finding:
    package = RUN_TIMES[name]
    found = f"{package} {_version(package)}"
    if "self_test" in facts:
        steps = ", ".join(f"{model} {off}" for model, off in facts["self_test"].items())
        return Finding("run time", "ok", f"{found}, self-test passed (steps off: {steps})")
    # A crash cannot be caught: the camera app would die of it even where another run time works.
    needed = bool(facts.get("crashed")) or not one_works
    error = facts.get("error", "it told nothing")
    found += f", self-test: {error}" if "imports" in facts else f" does not import: {error}"
    cure = f"pip install --force-reinstall {'edgecnn' if 'imports' in facts else package}"
    if name == "tflite_runtime" and not numpy.startswith("1."):
        cure = "it was built for numpy 1: pip install 'numpy<2', or pip install ai-edge-litert"
    return Finding("run time", "problem", found, cure, needed)


def _training() -> list[Finding]:
    found = [f"{package} {_version(package)}" for package in TRAINING if _version(package)]
    if found:
        return [Finding("training", "ok", ", ".join(found))]
    cure = "a board needs none; on a workstation pip install 'edgecnn[train]'"
    return [Finding("training", "note", "no tensorflow", cure)]


def _name_in(requirement: str) -> str:
    """The distribution that a requirement is about: ``rich`` of ``rich>=13; extra == 'train'``."""
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0]


def _extras() -> list[Finding]:
    """What the extras of edgecnn need."""
    try:
        required = metadata.requires("edgecnn") or []
    except metadata.PackageNotFoundError:
        cure = "pip install -e . in its folder, for the command edgecnn and the extras"
        return [Finding("extras", "note", "edgecnn is not installed, but run as a folder", cure)]
    extras: dict[str, list[str]] = {}
    for requirement in required:
        marker = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", requirement)
        package = _name_in(requirement)
        if marker and package != "edgecnn":
            extras.setdefault(marker.group(1), []).append(package)
    findings = []
    for extra, packages in extras.items():
        versions = {package: _version(package) for package in packages}
        missing = [package for package, version in versions.items() if not version]
        if missing:
            cure = f"pip install 'edgecnn[{extra}]'"
            found = f"not installed: {', '.join(missing)}"
            findings.append(Finding(f"[{extra}]", "note", found, cure))
        else:
            found = ", ".join(f"{p} {v}" for p, v in versions.items())
            findings.append(Finding(f"[{extra}]", "ok", found))
    return findings


def _cameras(facts: dict[str, Any]) -> list[Finding]:
    if "backends" not in facts:
        return []
    findings = [Finding("camera back ends", "ok", ", ".join(facts["backends"]))]
    for camera in facts.get("cameras", []):
        found = f"{camera['path']} {camera['name']}".strip()
        if camera["allowed"]:
            findings.append(Finding("camera", "ok", found))
        else:
            cure = "sudo usermod -aG video $USER, then log out and in again"
            findings.append(Finding("camera", "problem", f"{found}: no permission", cure))
    if not facts.get("cameras"):
        cure = "plug in a USB camera; files and network cameras need none"
        findings.append(Finding("camera", "note", "no /dev/video*", cure))
    there = bool(util.find_spec("picamera2"))
    if there or _device_tree("model").startswith("Raspberry Pi"):
        from devices.board import CSI

        findings.append(Finding("picamera2", "note", "there" if there else "not there", str(CSI)))
    return findings


def _version(distribution: str) -> str:
    """The installed version of a distribution, or ''."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""

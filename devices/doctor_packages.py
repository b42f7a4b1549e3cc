"""What the doctor says of the installed packages: OpenCV, run times and the extras."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from devices import pairings
from devices.finding import RECOGNITION, Finding, note, ok, problem

Facts = dict[str, Any]

OPENCVS = (
    "opencv-python-headless",
    "opencv-python",
    "opencv-contrib-python-headless",
    "opencv-contrib-python",
)
"""Distributions that all install into the same folder ``cv2``."""

TRAINING = ("tensorflow", "keras", "jax")
"""Told by their metadata: importing TensorFlow takes seconds."""


def judge(facts: Facts) -> Iterator[Finding]:
    """All of what a Python has that edgecnn is installed in."""
    installed = facts["installed"]
    if installed is None:
        yield note("edgecnn", "not installed yet", "edgecnn deploy installs it")
        return
    packages = installed["packages"]
    versions = packages.get("versions", {})
    if "edgecnn" in packages:
        yield ok("edgecnn", packages["edgecnn"])
    else:
        error = packages.get("error", "it does not import")
        yield problem("edgecnn", error, "pip install --force-reinstall edgecnn", RECOGNITION)
    yield from opencv(installed["opencv"], versions)
    numpy = installed["opencv"].get("numpy", "")
    yield from runtimes(installed["runtimes"], versions, numpy, facts)
    yield from training(versions)
    yield from extras(packages.get("requires"), versions)


def opencv(facts: Facts, versions: dict[str, str]) -> Iterator[Finding]:
    """NumPy and OpenCV, which stand or fall together."""
    if "numpy" in facts:
        yield ok("numpy", facts["numpy"])
    installed = [name for name in OPENCVS if name in versions]
    reinstall = "pip install --force-reinstall opencv-python-headless"
    if "opencv" not in facts:
        topic = "opencv" if "numpy" in facts else "numpy"
        cure = reinstall if topic == "opencv" else "pip install --force-reinstall numpy"
        yield problem(topic, facts.get("error", "it does not import"), cure, RECOGNITION)
        return
    found = f"{facts['opencv']} ({', '.join(installed) or 'from the system'})"
    if len(installed) > 1:
        cure = f"they overwrite each other: pip uninstall -y {' '.join(installed)}; {reinstall}"
        yield problem("opencv", found, cure)
        return
    yield ok("opencv", found)
    gui = facts.get("gui", "")
    cure = (
        "only --window needs it: pip uninstall -y opencv-python-headless; pip install opencv-python"
    )
    yield ok("window", gui) if gui else note("window", "none", cure)


def runtimes(
    told: dict[str, Facts], versions: dict[str, str], numpy: str, facts: Facts
) -> Iterator[Finding]:
    """The run times that are installed, by what became of the self-test in each."""
    if not told:
        cure = "pip install ai-edge-litert (on 32-bit ARM: pip install 'numpy<2' tflite-runtime)"
        yield problem("run time", "none is installed", cure, RECOGNITION)
    one_works = any("self_test" in found for found in told.values())
    for name, found in told.items():
        package = pairings.RUN_TIMES[name]
        runtime = f"{package} {versions.get(package, '')}".strip()
        if "self_test" in found:
            steps = ", ".join(f"{model} {off}" for model, off in found["self_test"].items())
            yield ok("run time", f"{runtime}, self-test passed (steps off: {steps})")
            continue
        error = found.get("error", "it told nothing")
        imports = "imports" in found
        # A crash cannot be caught: the app would die of it even where another run time works.
        stops = (RECOGNITION,) if found.get("crashed") or not one_works else ()
        says = f"{runtime}{', self-test' if imports else ' does not import'}: {error}"
        yield problem("run time", says, _cure(package, runtime, numpy, imports, facts), *stops)


def _cure(package: str, runtime: str, numpy: str, imports: bool, facts: Facts) -> str:
    known = pairings.judge(facts["system"]["machine"], facts["python"]["version"], numpy, runtime)
    if known.works is False and known.cure:
        return f"{known.why}: {known.cure}"
    return f"pip install --force-reinstall {'edgecnn' if imports else package}"


def training(versions: dict[str, str]) -> Iterator[Finding]:
    """What only a workstation needs."""
    found = [f"{package} {versions[package]}" for package in TRAINING if package in versions]
    cure = "a board needs none; on a workstation pip install 'edgecnn[train]'"
    yield ok("training", ", ".join(found)) if found else note("training", "no tensorflow", cure)


def extras(required: list[str] | None, versions: dict[str, str]) -> Iterator[Finding]:
    """What the extras of edgecnn need.

    Args:
        required: its requirements, as its metadata has them; None where it is run as a folder.
    """
    if required is None:
        cure = "pip install -e . in its folder, for the command edgecnn and the extras"
        yield note("extras", "edgecnn is not installed, but run as a folder", cure)
        return
    wanted: dict[str, list[str]] = {}
    for requirement in required:
        marker = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", requirement)
        package = re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()
        if marker and package != "edgecnn":
            wanted.setdefault(marker.group(1), []).append(package)
    for extra, packages in wanted.items():
        if missing := [package for package in packages if package not in versions]:
            found = f"not installed: {', '.join(missing)}"
            yield note(f"[{extra}]", found, f"pip install 'edgecnn[{extra}]'")
        else:
            yield ok(f"[{extra}]", ", ".join(f"{p} {versions[p]}" for p in packages))

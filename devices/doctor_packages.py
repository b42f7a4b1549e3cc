"""Findings about what is installed: OpenCV, the run time and what it is paired with, the extras."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from devices.finding import RECOGNITION, Finding
from devices.pairings import judge

Facts = dict[str, Any]

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


def packages(facts: Facts, remote: bool = False) -> Iterator[Finding]:
    """All of them; of a board without edgecnn, only that it is not there yet."""
    if not facts["edgecnn"]:
        cure = "edgecnn deploy brings it, and all that it needs"
        yield Finding("edgecnn", "note", "not there", cure)
        return
    where = " (the deployed release)" if facts["edgecnn"]["python"].startswith("/opt/") else ""
    yield Finding("edgecnn", "ok", facts["edgecnn"]["version"] + where)
    yield from opencv(facts)
    yield from runtimes(facts)
    if not remote:
        yield from training(facts)
        yield from extras(facts)


def opencv(facts: Facts) -> Iterator[Finding]:
    """numpy and OpenCV: whether they import, and whether one OpenCV overwrote another."""
    told, versions = facts["opencv"], facts["packages"]
    if "numpy" in told:
        yield Finding("numpy", "ok", told["numpy"])
    installed = [name for name in OPENCVS if name in versions]
    reinstall = "pip install --force-reinstall opencv-python-headless"
    if "opencv" not in told:
        topic = "opencv" if "numpy" in told else "numpy"
        cure = reinstall if topic == "opencv" else "pip install --force-reinstall numpy"
        error = told.get("error", "it does not import")
        yield Finding(topic, "problem", error, cure, (RECOGNITION,))
        return
    found = f"{told['opencv']} ({', '.join(installed) or 'from the system'})"
    if len(installed) > 1:
        cure = f"they overwrite each other: pip uninstall -y {' '.join(installed)}; {reinstall}"
        yield Finding("opencv", "problem", found, cure)
        return
    yield Finding("opencv", "ok", found)
    gui = told.get("gui", "")
    cure = (
        "only --window needs it: pip uninstall -y opencv-python-headless; pip install opencv-python"
    )
    yield Finding("window", "ok" if gui else "note", gui or "none", "" if gui else cure)


def runtimes(facts: Facts) -> Iterator[Finding]:
    """Each run time that is installed: what it computed, else what is known of the combination."""
    if not facts["runtimes"]:
        cure = "pip install ai-edge-litert (on 32-bit ARM: pip install 'numpy<2' tflite-runtime)"
        yield Finding("run time", "problem", "none is installed", cure, (RECOGNITION,))
        return
    one_works = any("self_test" in told for told in facts["runtimes"].values())
    for name, told in facts["runtimes"].items():
        yield runtime(name, told, facts, one_works)


def runtime(name: str, told: Facts, facts: Facts, one_works: bool) -> Finding:
    """One run time."""
    package = RUN_TIMES[name]
    version = facts["packages"].get(package, "")
    found = f"{package} {version}".rstrip()
    if "self_test" in told:
        steps = ", ".join(f"{model} {off}" for model, off in told["self_test"].items())
        return Finding("run time", "ok", f"{found}, self-test passed (steps off: {steps})")
    # A crash cannot be caught: the camera app would die of it even where another run time works.
    blocks = (RECOGNITION,) if told.get("crashed") or not one_works else ()
    error = told.get("error", "it told nothing")
    found += f", self-test: {error}" if "imports" in told else f" does not import: {error}"
    numpy = facts["opencv"].get("numpy") or facts["packages"].get("numpy", "")
    known = judge(facts["python"]["version"], numpy, package, version)
    if known.works is False:
        return Finding("run time", "problem", f"{found}; {known.why}", known.cure, blocks)
    cure = f"pip install --force-reinstall {'edgecnn' if 'imports' in told else package}"
    return Finding("run time", "problem", found, cure, blocks)


def training(facts: Facts) -> Iterator[Finding]:
    """Told by metadata: importing TensorFlow takes seconds."""
    versions = facts["packages"]
    found = [f"{package} {versions[package]}" for package in TRAINING if package in versions]
    if found:
        yield Finding("training", "ok", ", ".join(found))
    else:
        cure = "a board needs none; on a workstation pip install 'edgecnn[train]'"
        yield Finding("training", "note", "no tensorflow", cure)


def extras(facts: Facts) -> Iterator[Finding]:
    """What the extras of edgecnn need, and whether it is installed."""
    if not facts["requires"]:
        cure = "pip install -e . in its folder, for the command edgecnn and the extras"
        yield Finding("extras", "note", "edgecnn is not installed, but run as a folder", cure)
        return
    needed: dict[str, list[str]] = {}
    for requirement in facts["requires"]:
        marker = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", requirement)
        package = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        if marker and package != "edgecnn":
            needed.setdefault(marker.group(1), []).append(package)
    versions = facts["packages"]
    for extra, names in needed.items():
        missing = [name for name in names if name not in versions]
        if missing:
            cure = f"pip install 'edgecnn[{extra}]'"
            yield Finding(f"[{extra}]", "note", f"not installed: {', '.join(missing)}", cure)
        else:
            yield Finding(f"[{extra}]", "ok", ", ".join(f"{n} {versions[n]}" for n in names))

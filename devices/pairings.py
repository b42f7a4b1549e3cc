"""Which Python, numpy, run time and libedgetpu go together, and which crash.

Wheels say what pip can install; pairs, what of it works with which Edge TPU library. A run time and
libedgetpu hand each other C structs of TensorFlow that carry no version, so a pair that does not
fit does not complain: it crashes when a model is loaded or first run
(https://github.com/google-coral/edgetpu/issues/812). What nobody has told of is judged as unknown,
and the doctor's first run in a process of its own has the last word.
"""

from __future__ import annotations

import re
from typing import NamedTuple

RUN_TIMES = {"ai_edge_litert": "ai-edge-litert", "tflite_runtime": "tflite-runtime"}
"""Import name to distribution, in the order of ``edgecnn.runtime.interpreter.RUNTIMES``."""

LIBRARIES = {
    "16.0": "Google's, of 2021, built from TensorFlow 2.5 (https://coral.ai/software)",
    "16.0tf2.13.1": "feranick's, built from TensorFlow 2.13.1",
    "16.0tf2.17.1": "feranick's, built from TensorFlow 2.17.1, for bookworm and trixie",
    "16.0tf2.19.1": "feranick's, built from TensorFlow 2.19.1, for trixie too",
}
"""Versions of libedgetpu1-std and -max, as dpkg has them, up to the Debian revision."""

RELEASES = "https://github.com/feranick/libedgetpu/releases"
TFLITE_2_14 = "https://pypi.org/project/tflite-runtime/2.14.0/#files"
MENDEL = "https://coral.ai/software/#mendel-dev-board"
LITERT = "https://pypi.org/project/ai-edge-litert/2.3.0/#files"


class Wheel(NamedTuple):
    """A run time that can be installed.

    Attributes:
        name: distribution.
        versions, pythons: first and last, both within; ``"2.3"`` holds for 2.3.1 too.
        architectures: as ``platform.machine()`` names them.
        numpy: the first major version that it does not work with.
        source: where this stands.
    """

    name: str
    versions: tuple[str, str]
    pythons: tuple[str, str]
    architectures: tuple[str, ...]
    numpy: int
    source: str


WIDE = ("aarch64", "x86_64")
WHEELS = (
    Wheel("ai-edge-litert", ("2.0", "2.3"), ("3.10", "3.14"), WIDE, 3, LITERT),
    Wheel("ai-edge-litert", ("1.0", "1.4"), ("3.9", "3.12"), WIDE, 3, LITERT),
    # Frigate's image has this one, and numpy 1.
    Wheel("tflite-runtime", ("2.17", "2.17"), ("3.10", "3.12"), WIDE, 2, RELEASES),
    Wheel("tflite-runtime", ("2.14", "2.14"), ("3.9", "3.11"), (*WIDE, "armv7l"), 2, TFLITE_2_14),
    Wheel("tflite-runtime", ("2.12", "2.13"), ("3.8", "3.11"), (*WIDE, "armv7l"), 2, TFLITE_2_14),
    Wheel("tflite-runtime", ("2.11", "2.11"), ("3.7", "3.10"), (*WIDE, "armv7l"), 2, TFLITE_2_14),
    # Mendel Linux 5 comes with 2.5.
    Wheel("tflite-runtime", ("2.5", "2.10"), ("3.7", "3.9"), (*WIDE, "armv7l"), 2, MENDEL),
)
"""The newest first."""


class Pair(NamedTuple):
    """A run time beside a library.

    Attributes:
        runtime, versions: see :class:`Wheel`.
        library: of :data:`LIBRARIES`.
        works: that it was seen to, or was seen to crash.
        source: who saw it.
    """

    runtime: str
    versions: tuple[str, str]
    library: str
    works: bool
    source: str


OLD_CRASHES = "https://github.com/google-coral/edgetpu/issues/812"
PAIRS = (
    Pair("tflite-runtime", ("2.5", "2.11"), "16.0", True, OLD_CRASHES),
    Pair("tflite-runtime", ("2.12", "2.99"), "16.0", False, OLD_CRASHES),
    # Its first version is of 2024, TensorFlow 2.17.
    Pair("ai-edge-litert", ("1.0", "2.99"), "16.0", False, OLD_CRASHES),
    Pair("tflite-runtime", ("2.13", "2.15"), "16.0tf2.13.1", True, OLD_CRASHES),
    Pair(
        "tflite-runtime",
        ("2.17", "2.17"),
        "16.0tf2.17.1",
        True,
        "https://github.com/blakeblackshear/frigate/blob/dev/docker/main/install_deps.sh",
    ),
    Pair("ai-edge-litert", ("2.0", "2.3"), "16.0tf2.19.1", True, RELEASES + " (its users)"),
)


NEWEST = f"pip install ai-edge-litert, and libedgetpu1-std 16.0tf2.19.1 of {RELEASES}"


class Judgement(NamedTuple):
    """What is known of a triple.

    Attributes:
        works: None where nothing is known.
        why: in words.
        cure: what to do, '' where there is nothing to do.
        source: where that stands.
    """

    works: bool | None
    why: str
    cure: str = ""
    source: str = ""


def judge(architecture: str, python: str, numpy: str, runtime: str, library: str = "") -> Judgement:
    """Whether a run time works there, with that numpy and that Edge TPU library.

    Args:
        architecture: of the programs: ``armv7l`` for a 32-bit system on a 64-bit kernel.
        python: ``"3.11"`` or ``"3.11.2"``.
        numpy: its version, '' where it is not installed yet.
        runtime: name and version, ``"ai-edge-litert 2.3.0"``.
        library: dpkg's version of libedgetpu, ``"16.0tf2.17.1-1.bookworm"``; '' for none.

    >>> judge("aarch64", "3.11", "2.4.6", "tflite-runtime 2.14.0").cure
    "pip install 'numpy<2', or pip install ai-edge-litert"
    """
    name, _, version = runtime.partition(" ")
    wheels = [w for w in WHEELS if w.name == name and _within(version, w.versions)]
    fits = [w for w in wheels if architecture in w.architectures and _within(python, w.pythons)]
    if not wheels:
        return Judgement(None, f"{runtime} is not known to us", "pip install ai-edge-litert")
    if not fits:
        where = f"Python {python} on {architecture}"
        return Judgement(
            False, f"{runtime} has no wheel for {where}", _instead(architecture), wheels[0].source
        )
    if numpy and _numbers(numpy)[0] >= fits[0].numpy:
        why = f"{runtime} was built for numpy {fits[0].numpy - 1}, and {numpy} is installed"
        cure = f"pip install 'numpy<{fits[0].numpy}'"
        if architecture in WIDE:
            cure += ", or pip install ai-edge-litert"
        return Judgement(False, why, cure, fits[0].source)
    return _beside(name, version, library) if library else Judgement(True, "", "", fits[0].source)


def _beside(name: str, version: str, library: str) -> Judgement:
    known = normalise(library)
    both = f"{name} {version} with libedgetpu {known}"
    cures = [
        f"libedgetpu1-std {p.library} with {name} {version} ({RELEASES})"
        for p in PAIRS
        if p.works and p.runtime == name and _within(version, p.versions)
    ]
    for pair in PAIRS:
        if (pair.runtime, pair.library) == (name, known) and _within(version, pair.versions):
            if pair.works:
                return Judgement(True, f"{both} is known to work", "", pair.source)
            cure = f"install {cures[0]}" if cures else NEWEST
            return Judgement(False, f"{both} is known to crash", cure, pair.source)
    cure = f"known to work: {cures[0]}" if cures else ""
    return Judgement(None, f"nothing is known of {both}", cure)


def normalise(library: str) -> str:
    """A library's version as :data:`LIBRARIES` has it: without epoch, case and Debian revision.

    >>> normalise("16.0TF2.17.1-1.bookworm")
    '16.0tf2.17.1'
    """
    text = library.lower().rpartition(":")[2]
    found = re.match(r"\d+\.\d+(?:tf\d+(?:\.\d+)+)?", text)
    return found.group() if found else text


def installs(name: str, architecture: str, python: str) -> str:
    """Name and version of the newest run time that there is a wheel for; the name where none is."""
    for wheel in WHEELS:
        fits = architecture in wheel.architectures and _within(python, wheel.pythons)
        if wheel.name == name and fits:
            return f"{name} {wheel.versions[1]}"
    return name


def _instead(architecture: str) -> str:
    if architecture in WIDE:
        return "pip install ai-edge-litert, on a system with Python 3.10 to 3.14"
    return "install a 64-bit system, or one with Python 3.9 to 3.11 and tflite-runtime 2.14"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version))) or (0,)


def _within(version: str, limits: tuple[str, str]) -> bool:
    numbers, (low, high) = _numbers(version), map(_numbers, limits)
    return low <= numbers and numbers[: len(high)] <= high

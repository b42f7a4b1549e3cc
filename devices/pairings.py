"""Which Python, numpy, run time and libedgetpu work together: what is known, as rows with sources.

libedgetpu hands the run time C structs without a version, so a library and a run time that were
built from TensorFlows too far apart crash, and no exception is raised. What stands here is what
somebody saw; no combination with an Edge TPU was run by this project, which has none.
"""

from __future__ import annotations

from dataclasses import dataclass

LITERT, TFLITE = "ai-edge-litert", "tflite-runtime"

Version = tuple[int, ...]

LITERT_OR_2 = "pip install ai-edge-litert, or pip install 'numpy<2'"
FERANICK = (
    "install libedgetpu1-std 16.0tf2.19.1 of github.com/feranick/libedgetpu beside ai-edge-litert 2"
)
UNKNOWN_CURE = (
    "edgecnn doctor tries it in a process of its own; known to work are ai-edge-litert 2 with "
    "libedgetpu 16.0tf2.19.1, and tflite-runtime 2.17.1 with 16.0tf2.17.1 on Python 3.11"
)
OLD_LIBRARY = (
    "Google's libedgetpu 16.0 is built from TensorFlow 2.5, and crashes with 2.12 and newer"
)
ABI = "https://github.com/google-coral/edgetpu/issues/812"


@dataclass(frozen=True)
class Pairing:
    """One row: what holds for every combination that lies in all of its ranges.

    Attributes:
        runtime: distribution.
        versions, pythons: from the first to the second, both included, compared by as many numbers
            as the bound has.
        numpys: major versions.
        libedgetpu: versions as dpkg names them, the part before any ``-``; ``("",)`` is none, and
            an empty tuple any or none.
        works: None where reports contradict each other.
        why: what was seen.
        cure: what to do where it does not work.
        source: who saw it.
    """

    runtime: str
    versions: tuple[Version, Version]
    pythons: tuple[Version, Version]
    numpys: tuple[int, ...]
    libedgetpu: tuple[str, ...]
    works: bool | None
    why: str
    cure: str
    source: str


ANY = (0,), (99,)
BOTH = (1, 2)
GOOGLE = ("16.0",)

PAIRINGS = (
    Pairing(TFLITE, ((0,), (2, 14)), ((3, 12), (99,)), BOTH, (), False,
            "tflite-runtime has no wheels for Python 3.12 and newer",
            "pip install ai-edge-litert", "https://pypi.org/project/tflite-runtime/#files"),
    Pairing(TFLITE, ANY, ANY, (2,), (), False,
            "tflite-runtime is built for numpy 1 and fails with numpy 2 in a SystemError",
            LITERT_OR_2, "tests/test_converters_runtimes.py; tensorflow#62377"),
    Pairing(LITERT, ANY, ((0,), (3, 9)), BOTH, (), False,
            "ai-edge-litert has wheels for Python 3.10 to 3.14",
            "use a system with Python 3.10 or newer, such as Raspberry Pi OS bookworm",
            "https://pypi.org/project/ai-edge-litert/#files"),
    Pairing(TFLITE, ((2, 12), (99,)), ANY, BOTH, GOOGLE, False,
            OLD_LIBRARY,
            FERANICK, ABI),
    Pairing(LITERT, ANY, ANY, BOTH, GOOGLE, False,
            OLD_LIBRARY,
            FERANICK, ABI + " (of TensorFlow's own run time, from which this one comes)"),
    Pairing(TFLITE, ((2, 5), (2, 11)), ((3, 7), (3, 9)), (1,), GOOGLE, True,
            "as Mendel Linux 5 ships it", "", "https://coral.ai/software/; " + ABI),
    Pairing(TFLITE, ((2, 13), (2, 15)), ((3, 8), (3, 11)), (1,), ("16.0tf2.13.1",), True,
            "seen with 2.13.1, 2.14.1 and 2.15.0", "", ABI),
    Pairing(TFLITE, ((2, 17, 1), (2, 17, 1)), ((3, 11), (3, 11)), (1,), ("16.0tf2.17.1",), True,
            "what Frigate ships", "", "Frigate 0.18, docker/main"),
    Pairing(LITERT, ((2,), (2,)), ((3, 10), (3, 14)), BOTH, ("16.0tf2.19.1",), None,
            "measured by one project on x86-64 over USB 3; others saw crashes with models that end "
            "in TFLite_Detection_PostProcess, which edgecnn's do not",
            "where it crashes, a venv of Python 3.11 with tflite-runtime 2.17.1, numpy<2 and "
            "libedgetpu 16.0tf2.17.1", "onnxsim's benchmark, 2026; EdgeTPUOnModernRPIs, 2026"),
    Pairing(LITERT, ((2,), (2,)), ((3, 10), (3, 14)), BOTH, ("",), True,
            "every test of edgecnn runs on it", "", ".ci/run: make test, make test-matrix"),
    Pairing(TFLITE, ((2, 14), (2, 14)), ((3, 9), (3, 11)), (1,), ("",), True,
            "edgecnn's models give the same answers", "", "tests/test_converters_runtimes.py"),
    Pairing(TFLITE, ((2, 5), (2, 9)), ((3, 7), (3, 9)), (1,), ("",), True,
            "edgecnn's models give the same answers with 2.9.1; edgecnn itself needs Python 3.10",
            "", "tests/test_converters_runtimes.py"),
)  # fmt: skip
"""The first row that fits holds: what never works, what was seen with an Edge TPU, then without."""


@dataclass(frozen=True)
class Verdict:
    """What is known of a combination; ``works`` is None where nothing, or not enough, is."""

    works: bool | None
    why: str
    cure: str
    source: str


NOTHING_KNOWN = Verdict(None, "nobody told whether this combination works", UNKNOWN_CURE, "")


def judge(python: str, numpy: str, runtime: str, version: str, libedgetpu: str = "") -> Verdict:
    """What is known of a combination.

    Args:
        python, numpy, version: as they name themselves, ``"3.11.2"``.
        runtime: distribution.
        libedgetpu: its package's version, ``"16.0tf2.17.1-1.bookworm"``; '' where there is none.

    >>> judge("3.11.2", "2.4.6", "tflite-runtime", "2.14.0").works
    False
    """
    library = libedgetpu.lower().partition("-")[0]
    major = (_numbers(numpy) or (2,))[0]
    for row in PAIRINGS:
        if (
            row.runtime == runtime
            and _within(version, row.versions)
            and _within(python, row.pythons)
            and major in row.numpys
            and (not row.libedgetpu or library in row.libedgetpu)
        ):
            return Verdict(row.works, row.why, row.cure, row.source)
    return NOTHING_KNOWN


def _within(version: str, bounds: tuple[Version, Version]) -> bool:
    numbers = _numbers(version)
    low, high = bounds
    return numbers >= low and numbers[: len(high)] <= high


def _numbers(version: str) -> Version:
    """``"2.5.0.post1"`` to ``(2, 5, 0)``; empty where it begins with no number."""
    numbers = []
    for part in version.split("."):
        if not part.isdecimal():
            break
        numbers.append(int(part))
    return tuple(numbers)

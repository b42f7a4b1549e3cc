"""Which Python, numpy, run time and libedgetpu go together: the table, and what it says."""

from __future__ import annotations

import pytest

from devices.pairings import LIBRARIES, PAIRS, RUN_TIMES, WHEELS, installs, judge, normalise
from edgecnn.runtime.interpreter import RUNTIMES


def test_it_knows_the_run_times_that_the_app_knows() -> None:
    assert tuple(RUN_TIMES) == RUNTIMES
    assert {w.name for w in WHEELS} == {p.runtime for p in PAIRS} == set(RUN_TIMES.values())


def test_each_row_is_sourced_and_of_known_things() -> None:
    assert all(row.source for row in (*WHEELS, *PAIRS))
    assert {p.library for p in PAIRS} == set(LIBRARIES)
    assert len({(p.runtime, p.versions, p.library) for p in PAIRS}) == len(PAIRS)


LITERT, TFLITE = "ai-edge-litert 2.3.0", "tflite-runtime 2.14.0"


@pytest.mark.parametrize(
    ("architecture", "python", "numpy", "runtime", "library", "works", "cure"),
    [
        ("aarch64", "3.11.2", "2.4.6", LITERT, "", True, ""),
        ("aarch64", "3.13", "", LITERT, "", True, ""),
        ("x86_64", "3.14", "2.4.6", "ai-edge-litert 2.0.2", "", True, ""),
        ("aarch64", "3.9", "1.26.4", LITERT, "", False, "Python 3.10 to 3.14"),
        ("armv7l", "3.11", "1.26.4", LITERT, "", False, "64-bit"),
        ("armv7l", "3.11", "1.26.4", TFLITE, "", True, ""),
        ("armv7l", "3.13", "1.26.4", TFLITE, "", False, "Python 3.9 to 3.11"),
        ("aarch64", "3.12", "1.26.4", TFLITE, "", False, "ai-edge-litert"),
        ("aarch64", "3.11", "2.0.0", TFLITE, "", False, "numpy<2"),
        ("armv7l", "3.11", "2.0.0", TFLITE, "", False, "numpy<2"),
        ("aarch64", "3.11", "1.26.4", TFLITE, "16.0", False, "16.0tf2.13.1"),
        ("aarch64", "3.11", "2.4.6", LITERT, "16.0", False, "16.0tf2.19.1"),
        ("aarch64", "3.7", "1.16.2", "tflite-runtime 2.5.0.post1", "16.0", True, ""),
        ("aarch64", "3.9", "1.26.4", "tflite-runtime 2.11.0", "16.0", True, ""),
        ("aarch64", "3.11", "1.26.4", "tflite-runtime 2.12.0", "16.0", False, "libedgetpu1"),
        ("aarch64", "3.11", "1.26", "tflite-runtime 2.17.1", "16.0TF2.17.1-1.bookworm", True, ""),
        ("aarch64", "3.13", "2.4.6", LITERT, "16.0tf2.19.1-1.trixie", True, ""),
        ("aarch64", "3.11", "2.4.6", LITERT, "16.0tf2.17.1-1.bookworm", None, "16.0tf2.19.1"),
        ("aarch64", "3.11", "2.4.6", "ai-edge-litert 9.0", "", None, "ai-edge-litert"),
        ("aarch64", "3.11", "2.4.6", "another 1.0", "", None, "ai-edge-litert"),
        ("", "", "", "", "", None, "ai-edge-litert"),
    ],
)
def test_a_triple_is_judged(
    architecture: str,
    python: str,
    numpy: str,
    runtime: str,
    library: str,
    works: bool | None,
    cure: str,
) -> None:
    found = judge(architecture, python, numpy, runtime, library)
    assert found.works is works, found
    assert (cure in found.cure) if cure else found.cure == ""
    assert found.source or found.works is None


@pytest.mark.parametrize(
    ("version", "normal"),
    [
        ("16.0", "16.0"),
        ("16.0-1", "16.0"),
        ("16.0TF2.17.1-1.bookworm", "16.0tf2.17.1"),
        ("1:16.0tf2.19.1-1", "16.0tf2.19.1"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_a_library_is_told_by_its_version(version: str, normal: str) -> None:
    assert normalise(version) == normal


@pytest.mark.parametrize(
    ("name", "architecture", "python", "newest"),
    [
        ("ai-edge-litert", "aarch64", "3.13", "ai-edge-litert 2.3"),
        ("ai-edge-litert", "armv7l", "3.11", "ai-edge-litert"),
        ("tflite-runtime", "armv7l", "3.11", "tflite-runtime 2.14"),
        ("tflite-runtime", "aarch64", "3.7", "tflite-runtime 2.11"),
    ],
)
def test_what_pip_would_install(name: str, architecture: str, python: str, newest: str) -> None:
    assert installs(name, architecture, python) == newest

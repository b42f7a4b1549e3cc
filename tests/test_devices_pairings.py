"""The table of pairings, and what it says of combinations whose outcome is known."""

from __future__ import annotations

import pytest

from devices.pairings import LITERT, NOTHING_KNOWN, PAIRINGS, TFLITE, Pairing, judge

GOOGLE = "16.0-1"

KNOWN = [
    # python, numpy, run time, version, libedgetpu, works
    ("3.11.2", "2.4.6", LITERT, "2.3.0", "", True),
    ("3.13.5", "2.4.6", LITERT, "2.3.0", "", True),
    ("3.14.0", "1.26.4", LITERT, "2.1.1", "", True),
    ("3.9.2", "1.26.4", LITERT, "2.3.0", "", False),
    ("3.11.2", "1.26.4", TFLITE, "2.14.0", "", True),
    ("3.11.2", "2.4.6", TFLITE, "2.14.0", "", False),
    ("3.12.3", "1.26.4", TFLITE, "2.14.0", "", False),
    ("3.9.2", "1.21.6", TFLITE, "2.9.1", "", True),
    ("3.7.3", "1.16.2", TFLITE, "2.5.0.post1", "16.0", True),
    ("3.7.3", "1.16.2", TFLITE, "2.11.0", GOOGLE, True),
    ("3.9.2", "1.26.4", TFLITE, "2.12.0", GOOGLE, False),
    ("3.11.2", "1.26.4", TFLITE, "2.14.0", GOOGLE, False),
    ("3.11.2", "2.4.6", LITERT, "2.3.0", GOOGLE, False),
    ("3.11.2", "1.26.4", TFLITE, "2.14.1", "16.0tf2.13.1-1", True),
    ("3.11.2", "1.26.4", TFLITE, "2.17.1", "16.0tf2.17.1-1.bookworm", True),
    ("3.11.2", "2.1.0", TFLITE, "2.17.1", "16.0TF2.17.1-1.bookworm", False),
    ("3.13.5", "2.4.6", LITERT, "2.3.0", "16.0tf2.19.1-1.trixie", None),
    ("3.11.2", "1.26.4", TFLITE, "2.16.1", "16.0tf2.19.1-1", None),
    ("3.11.2", "2.4.6", LITERT, "2.3.0", "17.0", None),
    ("3.11.2", "2.4.6", "pycoral", "2.0", "", None),
    ("", "", LITERT, "", "", None),
]


@pytest.mark.parametrize(("python", "numpy", "runtime", "version", "library", "works"), KNOWN)
def test_what_is_known_of_a_combination(
    python: str, numpy: str, runtime: str, version: str, library: str, works: bool | None
) -> None:
    verdict = judge(python, numpy, runtime, version, library)
    if python:
        assert verdict.works is works, verdict
    assert verdict.why and (verdict.works is True or verdict.cure)


def test_what_nobody_told_is_not_made_up() -> None:
    assert judge("3.11.2", "2.4.6", LITERT, "2.3.0", "17.0") == NOTHING_KNOWN
    assert judge("3.11.2", "2.4.6", LITERT, "9.0", "") == NOTHING_KNOWN


@pytest.mark.parametrize("row", PAIRINGS, ids=lambda row: f"{row.runtime}-{row.why[:30]}")
def test_each_row_is_whole_and_reached(row: Pairing) -> None:
    assert row.source and row.why and bool(row.cure) == (row.works is not True)
    assert row.versions[0] <= row.versions[1] and row.pythons[0] <= row.pythons[1]
    assert set(row.numpys) <= {1, 2}
    assert any(judge(*case[:5]).why == row.why and judge(*case[:5]).source == row.source
               for case in KNOWN)  # fmt: skip


def test_each_outcome_is_known_of_some() -> None:
    assert {row.works for row in PAIRINGS} == {True, False, None}

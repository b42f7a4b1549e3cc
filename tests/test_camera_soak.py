"""A short soak, and whether the soak would notice a leak. ``make soak`` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest
import soak
from soak import Reading, growth, leaks

pytest.importorskip("skimage")  # the portraits before the synthetic camera


def readings(rss: list[int], threads: int = 9, descriptors: int = 8) -> list[Reading]:
    made = [Reading(i, kb, 9, 8) for i, kb in enumerate(rss)]
    return [*made[:-1], Reading(len(rss), rss[-1], threads, descriptors)]


WARM = [1000, 1500, 2000, *[2000] * 27]
"""Thirty readings that warm up within the first tenth."""


def test_growth_counts_from_the_second_tenth() -> None:
    assert growth(readings(WARM)) == 0
    assert growth(readings([*WARM[:-1], 2050])) == pytest.approx(0.025)


@pytest.mark.parametrize(
    ("taken", "found"),
    [
        (readings(WARM), []),
        (readings([*WARM[:-1], 2039]), []),
        (readings([*WARM[:-1], 2041]), ["memory grew by 2.0%"]),
        (readings(WARM, threads=10), ["threads: 9 became 10"]),
        (readings(WARM, descriptors=11), ["descriptors: 8 became 11"]),
    ],
)
def test_what_a_soak_finds(taken: list[Reading], found: list[str]) -> None:
    assert leaks(taken) == found


@pytest.mark.slow
def test_the_whole_app_keeps_its_memory_threads_and_descriptors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soak, "TOUR", 60)
    stats, taken = soak.soak(2000, tmp_path, every=50)
    assert stats.frames == 2000 and len(taken) >= 40
    assert leaks(taken) == []
    lines = (tmp_path / "events.jsonl").read_text().count("\n")
    assert lines > 200 and (tmp_path / "out.avi").stat().st_size > 100_000

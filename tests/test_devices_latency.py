"""Latencies of boards: by a table where there is one, else by published facts, marked as such."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices import BOARDS, HOSTS
from devices.latency import PUBLISHED, latencies, rates
from edgecnn.errors import DataError
from edgecnn.report.latency import Measured, Operation, write_table

CONVOLUTION = Operation("dense", 10_000_000, 100_000)
DEPTHWISE = Operation("depthwise", 1_000_000, 100_000)


@pytest.mark.parametrize("board", [b for b in BOARDS.values() if b.speed], ids=lambda b: b.name)
def test_facts_of_speed_are_within_reason_and_sourced(board: object) -> None:
    speed = board.speed  # type: ignore[attr-defined]
    assert 0.5 <= speed.clock_ghz <= 4 and speed.macs_a_cycle in (8, 32)
    assert 0 < speed.share < 1 and 0.5 < speed.copy_gb_s < 50
    assert len(speed.sources) >= 2 and all(len(source) > 10 for source in speed.sources)
    assert (speed.macs_a_cycle == 32) is board.dot_products  # type: ignore[attr-defined]


def test_a_board_without_a_table_is_predicted_and_says_so() -> None:
    known = latencies("raspberry-pi-4+coral-usb")
    assert (known.board, known.how) == ("raspberry-pi-4+coral-usb", "predicted")
    assert known.measured == {}


def test_faster_boards_are_faster() -> None:
    names = ("raspberry-pi-zero-2-w", "raspberry-pi-3b-plus", "raspberry-pi-4", "raspberry-pi-5")
    for operation in (CONVOLUTION, DEPTHWISE):
        took = [latencies(name).rates.ms([operation]) for name in names]
        assert took == sorted(took, reverse=True)


def test_a_table_goes_before_the_facts_and_counts_for_the_host(tmp_path: Path) -> None:
    rows = [Measured(f"n{i}", (Operation("dense", 10**i, 10**i),), 0.1 * i) for i in range(3, 9)]
    write_table(tmp_path / "mine.json", "raspberry-pi-4", {}, rows)
    for name in ("raspberry-pi-4", "raspberry-pi-4+coral-usb"):
        known = latencies(name, tmp_path)
        assert (known.board, known.how, len(known.measured)) == (name, "fitted", 6)
    assert latencies("raspberry-pi-5", tmp_path).how == "predicted"


@pytest.mark.parametrize("name", [n for n, b in HOSTS.items() if not b.speed])
def test_what_nothing_is_published_of_has_to_be_measured(name: str) -> None:
    with pytest.raises(DataError, match=f"edgecnn bench --table {name} --out"):
        latencies(name)


def test_what_others_published_is_met() -> None:
    keras = pytest.importorskip("keras")
    from edgecnn.report.latency import operations

    built = {n: operations(getattr(keras.applications, n)(weights=None))
             for n in ("MobileNet", "MobileNetV2")}  # fmt: skip
    for board, network, threads, ms in PUBLISHED:
        speed = HOSTS[board].speed
        assert speed is not None
        predicted = rates(speed, threads).ms(built[network])
        assert 6 / 7 < predicted / ms < 7 / 6, f"{network} on {board}: {predicted:.1f} for {ms} ms"

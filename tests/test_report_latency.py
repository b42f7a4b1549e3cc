"""How long networks take: the roofline by hand, rates fitted back, tables that are read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgecnn.errors import DataError
from edgecnn.report.latency import (
    Latencies,
    Latency,
    Measured,
    Operation,
    Rates,
    agreement,
    fit,
    left_out,
    of_table,
    read_table,
    tables,
    write_table,
)

RATES = Rates(dense=10.0, depthwise=2.0, memory=5.0, overhead_us=3.0)


@pytest.mark.parametrize(
    ("operation", "ms"),
    [
        (Operation("dense", 20_000_000, 1_000), 2.0 + 0.003),  # 20 M at 10 G a second
        (Operation("depthwise", 20_000_000, 1_000), 10.0 + 0.003),
        (Operation("dense", 1_000, 5_000_000), 1.0 + 0.003),  # 5 MB at 5 GB a second
        (Operation("memory", 0, 10_000_000), 2.0 + 0.003),
        (Operation("memory", 0, 0), 0.003),
    ],
)
def test_an_operation_takes_the_longer_of_both_and_its_overhead(
    operation: Operation, ms: float
) -> None:
    assert RATES.ms([operation]) == pytest.approx(ms)
    assert RATES.ms([operation, operation]) == pytest.approx(2 * ms)


def test_no_operations_take_no_time() -> None:
    assert RATES.ms([]) == 0.0


def table_by(rates: Rates, count: int = 20) -> list[Measured]:
    """Networks that take what these rates say."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(count):
        scale = int(10 ** rng.uniform(3, 7))
        operations = (
            Operation("dense", scale * 10, scale),
            Operation("depthwise", scale, scale // int(rng.integers(2, 9))),
            *[Operation("memory", 0, scale * 3)] * int(rng.integers(1, 5)),
        )
        rows.append(Measured(f"n{i}", operations, rates.ms(operations)))
    return rows


def test_rates_are_found_again_in_what_they_made() -> None:
    found = fit(table_by(RATES))
    assert found.dense == pytest.approx(RATES.dense, rel=0.05)
    assert found.depthwise == pytest.approx(RATES.depthwise, rel=0.05)
    assert found.memory == pytest.approx(RATES.memory, rel=0.05)
    assert found.overhead_us == pytest.approx(RATES.overhead_us, rel=0.05)


def test_one_bad_measurement_does_not_turn_the_rates() -> None:
    rows = table_by(RATES)
    rows[3] = Measured("stalled", rows[3].operations, 50 * rows[3].ms)
    assert fit(rows).dense == pytest.approx(RATES.dense, rel=0.2)


def test_each_is_predicted_by_the_others() -> None:
    rows = table_by(RATES, 8)
    rows[0] = Measured("odd", rows[0].operations, 3 * rows[0].ms)
    name, measured, predicted = left_out(rows)[0]
    assert (name, measured) == ("odd", rows[0].ms)
    assert predicted == pytest.approx(measured / 3, rel=0.1), "its own time had no say"


def test_few_networks_are_not_enough() -> None:
    with pytest.raises(DataError, match="five networks"):
        fit(table_by(RATES, 4))


def test_agreement_is_told_by_ranks_and_ratios() -> None:
    found = agreement([1.0, 2.0, 4.0], [2.0, 3.0, 2.5])
    assert found["median_ratio"] == 1.5
    assert found["rank_correlation"] == pytest.approx(0.5)  # ranks 1 2 3 and 1 3 2
    assert found["worst"] == pytest.approx(2.0)


def test_a_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    rows = [Measured("a", (Operation("dense", 7, 8), Operation("memory", 0, 9)), 0.125)]
    write_table(tmp_path / "pi.json", "raspberry-pi-4", {"threads": 1}, rows)
    assert read_table(tmp_path / "pi.json") == ("raspberry-pi-4", rows)
    assert json.loads((tmp_path / "pi.json").read_text())["threads"] == 1


def test_tables_of_one_board_are_one(tmp_path: Path) -> None:
    rows = table_by(RATES, 6)
    write_table(tmp_path / "a.json", "raspberry-pi-4", {}, rows[:3])
    write_table(tmp_path / "b.json", "raspberry-pi-4", {}, rows[3:])
    assert [m.name for m in tables(tmp_path)["raspberry-pi-4"]] == [m.name for m in rows]


FOREIGN = {
    "no JSON": "{",
    "a list": "[]",
    "a result of another kind": '{"schema": 1, "machine": {}}',
    "a later schema": '{"schema": 2, "board": "x", "networks": []}',
    "no networks": '{"schema": 1, "board": "x", "networks": []}',
    "no time": '{"schema": 1, "board": "x", "networks": [{"name": "a", "ms": 0, '
    '"operations": []}]}',
    "no number": '{"schema": 1, "board": "x", "networks": [{"name": "a", "ms": NaN, '
    '"operations": [["dense", 1, 1]]}]}',
    "a foreign kind": '{"schema": 1, "board": "x", "networks": [{"name": "a", "ms": 1, '
    '"operations": [["sparse", 1, 1]]}]}',
}


@pytest.mark.parametrize("text", FOREIGN.values(), ids=FOREIGN)
def test_what_is_no_table_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "foreign.json").write_text(text)
    with pytest.raises(DataError, match=r"made by edgecnn bench --table\. .*foreign\.json is none"):
        tables(tmp_path)


def test_an_empty_folder_is_told_how_to_fill(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There are none: edgecnn bench --table"):
        tables(tmp_path)


def test_a_network_of_the_table_is_measured_and_another_fitted() -> None:
    keras = pytest.importorskip("keras")
    from edgecnn import networks
    from edgecnn.report.latency import operations

    small = networks.build("compact", input_shape=(16, 16, 3), classes=2)
    first = operations(small)[0]
    # 3×3 from 3 channels to 16 at every pixel; a byte for each input, output and weight.
    assert first == ("dense", 256 * 27 * 16, 256 * 3 + 256 * 16 + 27 * 16)
    rows = [*table_by(RATES), Measured("small", operations(small), 0.5)]
    known = of_table("raspberry-pi-4", rows)
    assert known.of(small) == Latency(0.5, "measured")
    other = networks.build("separable", input_shape=(16, 16, 3), classes=2, depth=8)
    assert known.of(other).how == "fitted"
    assert {o.kind for o in operations(other)} == {"dense", "depthwise", "memory"}
    assert Latencies("x", RATES, "predicted").of(small).how == "predicted"
    keras.utils.clear_session()


def test_what_was_not_measured_is_marked() -> None:
    assert str(Latency(1.5, "measured")) == "1.5 ms (measured)"
    assert str(Latency(1.5, "predicted")) == "~1.5 ms (predicted)"

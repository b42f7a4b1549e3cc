"""How long networks take on a board: a table that was measured there, or its published facts.

The facts give a peak, and kernels do not reach it. What share they reach is taken from the only
int8 figures that were found published for these cores, XNNPACK's own (:data:`PUBLISHED`): with 0.48
on a Cortex-A72 and 0.28 on a Cortex-A53 each of the four is met within a seventh. No figure of a
Cortex-A76 was found; there the share is the A72's.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import devices
from devices.board import Speed
from edgecnn.errors import DataError
from edgecnn.report.latency import Latencies, Rates, of_table, tables

SMLAL = 8
"""Multiply-accumulates a cycle in a depthwise convolution, which has no use for dot products."""

OVERHEAD_CYCLES = 5400
"""For an operation of any size: 2.1 µs at 2.6 GHz, as fitted on an x86-64 (docs/search.md)."""

PUBLISHED = (
    ("raspberry-pi-3b-plus", "MobileNet", 4, 46.0),
    ("raspberry-pi-3b-plus", "MobileNetV2", 4, 30.0),
    ("raspberry-pi-4", "MobileNet", 4, 24.0),
    ("raspberry-pi-4", "MobileNetV2", 4, 17.0),
)
"""Board, network (1.0, 224×224) in ``keras.applications``, threads, milliseconds: XNNPACK's
README.md of February 2022. The 3 B+ ran 32-bit code, the 4 64-bit."""


def rates(speed: Speed, threads: int = 1) -> Rates:
    """What a board's facts come to; several threads share its memory."""
    cycles = speed.clock_ghz * threads * speed.share
    return Rates(
        dense=cycles * speed.macs_a_cycle,
        depthwise=cycles * SMLAL,
        memory=2 * speed.copy_gb_s,
        overhead_us=OVERHEAD_CYCLES / speed.clock_ghz / 1e3,
    )


def latencies(board: str, folder: Path | None = None) -> Latencies:
    """What is known of a board: by a table in ``folder`` where there is one, else by its facts.

    An accelerator does not count: models run on the CPU.

    Args:
        board: a key of :data:`devices.BOARDS`.

    Raises:
        DataError: neither is there, or the folder has something else in it.
    """
    host = board.partition("+")[0]
    found = tables(folder) if folder else {}
    if host in found:
        return replace(of_table(host, found[host]), board=board)
    speed = devices.get(board).speed
    if speed is None:
        raise DataError(
            f"expected latencies of {board}. There is no table of it, and no published fact to "
            f"predict from: measure it by edgecnn bench --table {host} --out tables/{host}.json, "
            "then --results tables"
        )
    return Latencies(board, rates(speed), "predicted")

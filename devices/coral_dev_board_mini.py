"""Coral Dev Board Mini."""

from devices import board as b
from devices.coral_dev_board import CONTAINER, CPU_ONLY, FROZEN, MENDEL, MENDEL_PYTHONS

BOARD = b.Board(
    name="coral-dev-board-mini",
    title="Coral Dev Board Mini",
    architectures=("aarch64",),
    cpu="Arm Cortex-A35, 1.5 GHz (MediaTek 8167s)",
    cores=4,
    level=b.ARMV8_0[0],
    instructions=b.ARMV8_0[1],
    memory_mb=(2048,),
    threads=4,
    systems=MENDEL,
    pythons=MENDEL_PYTHONS,
    runtime="tflite-runtime",
    # Its device tree names no board of its own, only a model: "Google Coral MT8167".
    compatible="",
    accelerators=("edgetpu",),
    library="16.0",
    ids=("1a6e:089a", "18d1:9302"),
    traps=(
        CONTAINER,
        CPU_ONLY,
        FROZEN,
        b.Trap("its Edge TPU is on USB 2, inside", "expect the times of USB 2"),
    ),
    sources=(
        "https://coral.ai/docs/dev-board-mini/datasheet/",
        "https://coral.ai/software/#mendel-dev-board-mini",
    ),
)

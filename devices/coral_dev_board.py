"""Coral Dev Board."""

from devices import board as b

BOARD = b.Board(
    name="coral-dev-board",
    title="Coral Dev Board",
    architectures=("aarch64",),
    cpu="Arm Cortex-A53, 1.5 GHz (NXP i.MX 8M)",
    cores=4,
    memory_mb=(1024, 4096),
    threads=4,
    accelerators=("edgetpu",),
    systems=("Mendel Linux 5 (Debian 10)",),
    pythons=("3.7",),
    compatible="google,imx8mq-phanbell",
    traps=(
        "Mendel's Python 3.7 is older than edgecnn takes (3.10): run it in a Debian container",
        "this version's camera runs models on the CPU, compiled ones not yet",
    ),
    sources=(
        "https://coral.ai/docs/dev-board/datasheet/",
        "https://coral.ai/software/#mendel-dev-board",
        "Linux, arch/arm64/boot/dts/freescale/imx8mq-phanbell.dts",
    ),
)

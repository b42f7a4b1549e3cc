"""Coral Dev Board, and what it shares with the Dev Board Mini.

Mendel Linux ended with Debian 10 and its Python 3.7, on which neither edgecnn nor ai-edge-litert
runs: both begin at 3.10. A frozen tflite-runtime there would need a second edgecnn, in the syntax
and with the numpy of 2019. So a deploy to Mendel is refused, and what works is said: a Debian
container on it.
"""

from devices import board as b

MENDEL = ("Mendel Linux 5 (Debian 10)",)
MENDEL_PYTHONS = ("3.7",)

CONTAINER = b.Trap(
    "Mendel's Python 3.7 is older than edgecnn takes (3.10), so nothing can be deployed to it",
    "run edgecnn in a Debian bookworm container: docker run --device /dev/video0 debian:bookworm",
)
CPU_ONLY = b.Trap(
    "this version's camera runs models on the CPU, compiled ones not yet",
    "convert for another board with the same cores to have no compiled model",
)
FROZEN = b.Trap(
    "Mendel's own tflite-runtime 2.5 answers zeros for Dense layers quantised by channel, without "
    "an error",
    "convert with edgecnn, which quantises them by tensor",
)

BOARD = b.Board(
    name="coral-dev-board",
    title="Coral Dev Board",
    architectures=("aarch64",),
    cpu="Arm Cortex-A53, 1.5 GHz (NXP i.MX 8M)",
    cores=4,
    level=b.ARMV8_0[0],
    instructions=b.ARMV8_0[1],
    memory_mb=(1024, 4096),
    threads=4,
    systems=MENDEL,
    pythons=MENDEL_PYTHONS,
    runtime="tflite-runtime",
    compatible="google,imx8mq-phanbell",
    accelerators=("edgetpu",),
    library="16.0",
    ids=("1ac1:089a",),
    traps=(CONTAINER, CPU_ONLY, FROZEN),
    sources=(
        "https://coral.ai/docs/dev-board/datasheet/",
        "https://coral.ai/software/#mendel-dev-board",
        "Linux, arch/arm64/boot/dts/freescale/imx8mq-phanbell.dts",
    ),
)

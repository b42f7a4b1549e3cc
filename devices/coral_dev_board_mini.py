"""Coral Dev Board Mini."""

from devices import board as b

BOARD = b.Board(
    name="coral-dev-board-mini",
    title="Coral Dev Board Mini",
    architectures=("aarch64",),
    cpu="Arm Cortex-A35 (MediaTek 8167s)",
    instructions=b.ARMV8_0,
    dot_products=False,
    cores=4,
    memory_mb=(2048,),
    threads=4,
    buses=(),
    accelerators=("edgetpu",),
    libedgetpu="16.0",
    systems=("Mendel Linux 5 (Debian 10), with a Debian 12 container",),
    pythons=("3.7",),
    runtime="tflite-runtime 2.5 (Mendel's own); in the container " + b.LITERT,
    cameras=("v4l2",),
    compatible="mediatek,mt8167",
    traps=(b.MENDEL, b.COMPILED),
    sources=(
        "https://coral.ai/docs/dev-board-mini/datasheet/",
        "https://coral.ai/software/#mendel-mini",
        "https://github.com/adafruit/Adafruit_Python_PlatformDetect (chip MT8167: this board)",
        b.CORE_MANUALS,
    ),
)

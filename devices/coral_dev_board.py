"""Coral Dev Board."""

from devices import board as b

BOARD = b.Board(
    name="coral-dev-board",
    title="Coral Dev Board",
    architectures=("aarch64",),
    cpu="Arm Cortex-A53, 1.5 GHz (NXP i.MX 8M)",
    instructions=b.ARMV8_0,
    dot_products=False,
    cores=4,
    memory_mb=(1024, 4096),
    threads=4,
    buses=(),
    accelerators=("edgetpu",),
    libedgetpu="16.0",
    systems=("Mendel Linux 5 (Debian 10), with a Debian 12 container",),
    pythons=("3.7",),
    runtime="tflite-runtime 2.5 (Mendel's own); in the container " + b.LITERT,
    cameras=("v4l2",),
    compatible="google,imx8mq-phanbell",
    traps=(b.MENDEL, b.COMPILED),
    sources=(
        "https://coral.ai/docs/dev-board/datasheet/",
        "https://coral.ai/software/#mendel-dev-board",
        "Linux, arch/arm64/boot/dts/freescale/imx8mq-phanbell.dts",
        b.CORE_MANUALS,
    ),
    speed=b.Speed(
        clock_ghz=1.5,
        macs_a_cycle=8,
        share=0.28,
        copy_gb_s=2.23,
        sources=(b.SMLAL_A53, b.XNNPACK, b.SBC_BENCH + " (memcpy: HummingBoard Pulse i.MX8M Quad)"),
    ),
)

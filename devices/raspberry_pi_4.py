"""Raspberry Pi 4 Model B."""

from devices import board as b

BOARD = b.Board(
    name="raspberry-pi-4",
    title="Raspberry Pi 4 Model B",
    architectures=("aarch64", "armv7l"),
    cpu="Arm Cortex-A72, 1.5 GHz (1.8 GHz from the 2021 boards on)",
    instructions=b.ARMV8_0,
    dot_products=False,
    cores=4,
    memory_mb=(1024, 2048, 4096, 8192),
    threads=4,
    buses=("usb3",),
    accelerators=(),
    libedgetpu="",
    systems=b.RASPBERRY_PI_OS,
    pythons=b.RASPBERRY_PI_PYTHONS,
    runtime=b.LITERT,
    cameras=("v4l2", "csi"),
    compatible="raspberrypi,4-model-b",
    traps=(b.NARROW, b.CSI),
    sources=(
        "https://www.raspberrypi.com/products/raspberry-pi-4-model-b/specifications/",
        b.PROCESSORS + "#bcm2711",
        b.DEVICE_TREE,
        b.CORE_MANUALS,
        b.LITERT_WHEELS,
    ),
    speed=b.Speed(
        clock_ghz=1.5,
        macs_a_cycle=8,
        share=0.48,
        copy_gb_s=2.55,
        sources=(
            b.SMLAL_A72,
            b.XNNPACK,
            b.SBC_BENCH + " (memcpy: Raspberry Pi 4 B, 1500 MHz, 5.10)",
        ),
    ),
)

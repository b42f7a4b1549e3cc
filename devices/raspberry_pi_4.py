"""Raspberry Pi 4 Model B."""

from devices import board as b

BOARD = b.Board(
    name="raspberry-pi-4",
    title="Raspberry Pi 4 Model B",
    architectures=("aarch64", "armv7l"),
    cpu="Arm Cortex-A72, 1.5 GHz (1.8 GHz from the 2021 boards on)",
    cores=4,
    level=b.ARMV8_0[0],
    instructions=b.ARMV8_0[1],
    memory_mb=(1024, 2048, 4096, 8192),
    threads=4,
    systems=b.RASPBERRY_PI_OS,
    pythons=b.RASPBERRY_PI_PYTHONS,
    cameras=b.RASPBERRY_PI_CAMERAS,
    compatible="raspberrypi,4-model-b",
    traps=(b.NARROW, b.CSI, b.NO_DOTPROD),
    sources=(
        "https://www.raspberrypi.com/products/raspberry-pi-4-model-b/specifications/",
        b.PROCESSORS + "#bcm2711",
        b.DEVICE_TREE,
        b.LITERT_WHEELS,
    ),
)

"""Raspberry Pi 5."""

from devices import board as b

BOARD = b.Board(
    name="raspberry-pi-5",
    title="Raspberry Pi 5",
    architectures=("aarch64",),
    cpu="Arm Cortex-A76, 2.4 GHz",
    cores=4,
    memory_mb=(2048, 4096, 8192, 16384),
    threads=4,
    accelerators=(),
    systems=b.RASPBERRY_PI_OS,
    pythons=b.RASPBERRY_PI_PYTHONS,
    compatible="raspberrypi,5-model-b",
    traps=(b.CSI,),
    sources=(
        "https://www.raspberrypi.com/products/raspberry-pi-5/",
        b.PROCESSORS + "#bcm2712",
        b.DEVICE_TREE,
        b.LITERT_WHEELS,
    ),
)

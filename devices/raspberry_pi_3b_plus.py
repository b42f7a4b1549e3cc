"""Raspberry Pi 3 Model B+."""

from devices import board as b

BOARD = b.Board(
    name="raspberry-pi-3b-plus",
    title="Raspberry Pi 3 Model B+",
    architectures=("aarch64", "armv7l"),
    cpu="Arm Cortex-A53, 1.4 GHz",
    cores=4,
    memory_mb=(1024,),
    threads=4,
    accelerators=(),
    systems=b.RASPBERRY_PI_OS,
    pythons=b.RASPBERRY_PI_PYTHONS,
    compatible="raspberrypi,3-model-b-plus",
    traps=(b.THIRTY_TWO_BIT, b.CSI, "USB 2 only: a Coral USB accelerator is about half as fast"),
    sources=(
        "https://www.raspberrypi.com/products/raspberry-pi-3-model-b-plus/",
        b.PROCESSORS + "#bcm2837b0",
        b.DEVICE_TREE,
        b.LITERT_WHEELS,
        "pycoral's reference results: MobileNet v2 4.55 ms on a Pi 4 (USB 3), 10.6 ms here",
    ),
)

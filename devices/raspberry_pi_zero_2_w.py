"""Raspberry Pi Zero 2 W."""

from devices import board as b

BOARD = b.Board(
    name="raspberry-pi-zero-2-w",
    title="Raspberry Pi Zero 2 W",
    architectures=("aarch64", "armv7l"),
    cpu="Arm Cortex-A53, 1.0 GHz",
    cores=4,
    memory_mb=(512,),
    threads=4,
    accelerators=(),
    systems=b.RASPBERRY_PI_OS,
    pythons=b.RASPBERRY_PI_PYTHONS,
    compatible="raspberrypi,model-zero-2-w",
    traps=(b.THIRTY_TWO_BIT, b.CSI, "512 MB: use the Lite image, without a desktop"),
    sources=(
        "https://www.raspberrypi.com/products/raspberry-pi-zero-2-w/specifications/",
        b.PROCESSORS + "#bcm2710a1",
        b.DEVICE_TREE,
        b.LITERT_WHEELS,
    ),
)

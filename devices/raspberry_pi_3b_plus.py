"""Raspberry Pi 3 Model B+."""

from devices import board as b

BOARD = b.Board(
    name="raspberry-pi-3b-plus",
    title="Raspberry Pi 3 Model B+",
    architectures=("aarch64", "armv7l"),
    cpu="Arm Cortex-A53, 1.4 GHz",
    cores=4,
    level=b.ARMV8_0[0],
    instructions=b.ARMV8_0[1],
    memory_mb=(1024,),
    threads=4,
    systems=b.RASPBERRY_PI_OS,
    pythons=b.RASPBERRY_PI_PYTHONS,
    cameras=b.RASPBERRY_PI_CAMERAS,
    compatible="raspberrypi,3-model-b-plus",
    traps=(
        b.NARROW,
        b.CSI,
        b.NO_DOTPROD,
        b.Trap("it has USB 2 only", "expect of a Coral USB accelerator half its speed"),
    ),
    sources=(
        "https://www.raspberrypi.com/products/raspberry-pi-3-model-b-plus/",
        b.PROCESSORS + "#bcm2837b0",
        b.DEVICE_TREE,
        b.LITERT_WHEELS,
    ),
)

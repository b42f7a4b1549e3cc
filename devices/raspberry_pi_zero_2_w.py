"""Raspberry Pi Zero 2 W."""

from devices import board as b

BOARD = b.Board(
    name="raspberry-pi-zero-2-w",
    title="Raspberry Pi Zero 2 W",
    architectures=("aarch64", "armv7l"),
    cpu="Arm Cortex-A53, 1.0 GHz",
    cores=4,
    level=b.ARMV8_0[0],
    instructions=b.ARMV8_0[1],
    memory_mb=(512,),
    threads=4,
    systems=b.RASPBERRY_PI_OS,
    pythons=b.RASPBERRY_PI_PYTHONS,
    cameras=b.RASPBERRY_PI_CAMERAS,
    compatible="raspberrypi,model-zero-2-w",
    traps=(
        b.NARROW,
        b.CSI,
        b.NO_DOTPROD,
        b.Trap("it has 512 MB", "use the Lite image, without a desktop"),
        b.Trap(
            "its one USB port is USB 2, of the small kind, and gives little current",
            "an OTG adapter, and a hub with its own power for a camera and a Coral together",
        ),
    ),
    sources=(
        "https://www.raspberrypi.com/products/raspberry-pi-zero-2-w/specifications/",
        b.PROCESSORS + "#bcm2710a1",
        b.DEVICE_TREE,
        b.LITERT_WHEELS,
    ),
)

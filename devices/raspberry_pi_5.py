"""Raspberry Pi 5."""

from dataclasses import replace

from devices import board as b

BOARD = b.Board(
    name="raspberry-pi-5",
    title="Raspberry Pi 5",
    architectures=("aarch64",),
    cpu="Arm Cortex-A76, 2.4 GHz",
    cores=4,
    level=b.ARMV8_2[0],
    instructions=b.ARMV8_2[1],
    memory_mb=(2048, 4096, 8192, 16384),
    threads=4,
    systems=b.RASPBERRY_PI_OS,
    pythons=b.RASPBERRY_PI_PYTHONS,
    cameras=b.RASPBERRY_PI_CAMERAS,
    compatible="raspberrypi,5-model-b",
    traps=(
        b.CSI,
        b.Trap(
            "without its own 27 W supply it gives all USB ports together 600 mA",
            "the 5 V 5 A supply, or usb_max_current_enable=1 in /boot/firmware/config.txt",
        ),
    ),
    sources=(
        "https://www.raspberrypi.com/products/raspberry-pi-5/",
        b.PROCESSORS + "#bcm2712",
        b.DEVICE_TREE,
        b.LITERT_WHEELS,
        b.DEVICE_TREE + "#power-supplies",
    ),
)

PCIE = b.Trap(
    "a Coral on its PCIe needs 32-bit addresses and pages of 4 kB; its kernel has pages of 16 kB",
    "kernel=kernel8.img, dtoverlay=pcie-32bit-dma-pi5 and dtoverlay=pciex1-compat-pi5,no-mip in "
    "/boot/firmware/config.txt",
)
WITH_PCIE = replace(
    BOARD,
    traps=(PCIE, *BOARD.traps),
    sources=(
        "https://www.jeffgeerling.com/blog/2023/pcie-coral-tpu-finally-works-on-raspberry-pi-5",
        "https://github.com/google-coral/edgetpu/issues/817 (pages of 16 kB)",
        *BOARD.sources,
    ),
)

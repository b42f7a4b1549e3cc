"""Raspberry Pi 5."""

from devices import board as b

BOARD = b.Board(
    name="raspberry-pi-5",
    title="Raspberry Pi 5",
    architectures=("aarch64",),
    cpu="Arm Cortex-A76, 2.4 GHz",
    instructions=b.ARMV8_2,
    dot_products=True,
    cores=4,
    memory_mb=(2048, 4096, 8192, 16384),
    threads=4,
    buses=("usb3", "pcie"),
    accelerators=(),
    libedgetpu="",
    systems=b.RASPBERRY_PI_OS,
    pythons=b.RASPBERRY_PI_PYTHONS,
    runtime=b.LITERT,
    cameras=("v4l2", "csi"),
    compatible="raspberrypi,5-model-b",
    traps=(
        b.CSI,
        b.Trap(
            "with a supply of less than 5 A all USB ports together give 600 mA",
            "the 27 W supply, or a hub with power of its own",
        ),
    ),
    sources=(
        "https://www.raspberrypi.com/products/raspberry-pi-5/",
        b.PROCESSORS + "#bcm2712",
        b.DEVICE_TREE + " (power supply, usb_max_current_enable)",
        b.CORE_MANUALS,
        b.LITERT_WHEELS,
    ),
    speed=b.Speed(
        clock_ghz=2.4,
        macs_a_cycle=32,
        share=0.48,
        copy_gb_s=5.6,
        sources=(
            b.SDOT_A76,
            "https://github.com/geerlingguy/sbc-reviews/issues/60 (C copy; same chip)",
        ),
    ),
)

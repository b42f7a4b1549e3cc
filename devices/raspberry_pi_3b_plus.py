"""Raspberry Pi 3 Model B+."""

from devices import board as b

BOARD = b.Board(
    name="raspberry-pi-3b-plus",
    title="Raspberry Pi 3 Model B+",
    architectures=("aarch64", "armv7l"),
    cpu="Arm Cortex-A53, 1.4 GHz",
    instructions=b.ARMV8_0,
    dot_products=False,
    cores=4,
    memory_mb=(1024,),
    threads=4,
    buses=("usb2",),
    accelerators=(),
    libedgetpu="",
    systems=b.RASPBERRY_PI_OS,
    pythons=b.RASPBERRY_PI_PYTHONS,
    runtime=b.LITERT,
    cameras=("v4l2", "csi"),
    compatible="raspberrypi,3-model-b-plus",
    traps=(
        b.NARROW,
        b.CSI,
        b.Trap("slows down at 60 °C already", "a heat sink, and air around it"),
    ),
    sources=(
        "https://www.raspberrypi.com/products/raspberry-pi-3-model-b-plus/",
        b.PROCESSORS + "#bcm2837b0",
        "https://www.raspberrypi.com/documentation/computers/config_txt.html (temp_soft_limit)",
        b.DEVICE_TREE,
        b.CORE_MANUALS,
        b.LITERT_WHEELS,
    ),
    speed=b.Speed(
        clock_ghz=1.4,
        macs_a_cycle=8,
        share=0.28,
        copy_gb_s=1.13,
        sources=(b.SMLAL_A53, b.XNNPACK, b.SBC_BENCH + " (memcpy: Raspberry Pi 3 B+, normal)"),
    ),
)

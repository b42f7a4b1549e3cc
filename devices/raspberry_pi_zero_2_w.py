"""Raspberry Pi Zero 2 W."""

from devices import board as b

BOARD = b.Board(
    name="raspberry-pi-zero-2-w",
    title="Raspberry Pi Zero 2 W",
    architectures=("aarch64", "armv7l"),
    cpu="Arm Cortex-A53, 1.0 GHz",
    instructions=b.ARMV8_0,
    dot_products=False,
    cores=4,
    memory_mb=(512,),
    threads=4,
    buses=("usb2",),
    accelerators=(),
    libedgetpu="",
    systems=b.RASPBERRY_PI_OS,
    pythons=b.RASPBERRY_PI_PYTHONS,
    runtime=b.LITERT,
    cameras=("v4l2", "csi"),
    compatible="raspberrypi,model-zero-2-w",
    traps=(
        b.NARROW,
        b.CSI,
        b.Trap("512 MB of memory", "use the Lite image, without a desktop"),
        b.Trap("one micro USB socket for data", "an OTG adapter, and a hub with power of its own"),
    ),
    sources=(
        "https://www.raspberrypi.com/products/raspberry-pi-zero-2-w/specifications/",
        b.PROCESSORS + "#bcm2710a1",
        b.DEVICE_TREE,
        b.CORE_MANUALS,
        b.LITERT_WHEELS,
    ),
    speed=b.Speed(
        clock_ghz=1.0,
        macs_a_cycle=8,
        share=0.28,
        copy_gb_s=1.3,
        sources=(b.SMLAL_A53, b.XNNPACK, b.SBC_BENCH + " (memcpy: Raspberry Pi Zero 2, 1000 MHz)"),
    ),
)

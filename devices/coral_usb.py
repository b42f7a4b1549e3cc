"""Coral USB Accelerator: an Edge TPU for any host with a USB port."""

from devices import board as b

ACCELERATOR = b.Accelerator(
    name="coral-usb",
    title="Coral USB Accelerator",
    buses=("usb2", "usb3"),
    libedgetpu=b.LIBEDGETPU,
    traps=(
        b.COMPILED,
        b.Trap("it takes up to 900 mA", "a port or a hub that gives them, and a short cable"),
        b.Trap(
            "built from TensorFlows too far apart, libedgetpu and run time crash",
            "edgecnn doctor judges the pair, and tries it in a process of its own",
        ),
        b.Trap("its USB id changes with the first use (1a6e:089a, then 18d1:9302)",
               "a rule of udev for both, as the package libedgetpu1-std brings"),
    ),
    traps_on={
        "usb2": (
            b.Trap("USB 2 alone: about half as fast as on USB 3",
                   "measure with edgecnn bench before buying"),
        ),
        "raspberry-pi-zero-2-w": (
            b.Trap("the socket gives less than the accelerator takes",
                   "a USB hub with power of its own"),
        ),
    },
    sources=(
        "https://coral.ai/docs/accelerator/datasheet/",
        "pycoral's reference results: MobileNet v2 4.55 ms on a Pi 4 (USB 3), 10.6 ms on a Pi 3B+",
        b.LIBEDGETPU_BUILDS,
        b.LIBEDGETPU_ABI,
    ),
)  # fmt: skip
"""On each board that has USB."""

BOARD = b.Board(
    name="coral-usb",
    title="Coral USB Accelerator on any other host",
    architectures=("aarch64", "x86_64"),
    cpu="",
    instructions="",
    dot_products=None,
    cores=0,
    memory_mb=(),
    threads=4,
    buses=(),
    accelerators=("edgetpu",),
    libedgetpu=ACCELERATOR.libedgetpu,
    systems=(*b.RASPBERRY_PI_OS, "Debian and Ubuntu on x86-64"),
    pythons=("3.10", "3.11", "3.12", "3.13"),
    runtime=b.LITERT,
    cameras=("v4l2",),
    compatible="",
    traps=ACCELERATOR.traps,
    sources=(*ACCELERATOR.sources, b.LITERT_WHEELS),
)
"""Where the host is none of those that are known."""

"""Coral USB Accelerator: an Edge TPU for any host with a USB port."""

from devices import board as b

BOARD = b.Board(
    name="coral-usb",
    title="Coral USB Accelerator",
    architectures=("aarch64", "x86_64"),
    cpu="",
    cores=0,
    memory_mb=(),
    threads=4,
    accelerators=("edgetpu",),
    systems=(*b.RASPBERRY_PI_OS, "Debian and Ubuntu on x86-64"),
    pythons=("3.10", "3.11", "3.12", "3.13"),
    compatible="",
    traps=(
        "this version's camera runs models on the host's CPU, compiled ones not yet",
        "needs a USB 3 port that gives 900 mA",
        "libedgetpu and the run time must be built from the same TensorFlow, or it crashes",
    ),
    sources=(
        "https://coral.ai/docs/accelerator/datasheet/",
        "https://github.com/feranick/libedgetpu/releases",
        "https://github.com/google-coral/edgetpu/issues/812",
        b.LITERT_WHEELS,
    ),
)

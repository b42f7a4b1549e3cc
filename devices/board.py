"""What is known of a board."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Board:
    """The facts of one board, or of an accelerator that is plugged into one.

    Attributes:
        name: what ``--for`` takes.
        title: what its maker calls it.
        architectures: as ``platform.machine()`` names them, the recommended one first.
        cpu: kind and clock of the cores; '' where it depends on the host.
        cores: how many; 0 where it depends on the host.
        memory_mb: the sizes it is or was sold with; empty where it depends on the host.
        threads: that the models use unless told otherwise.
        accelerators: ``"edgetpu"`` where there is one; then the bundle wants a compiled model.
        systems: whose packages are known to fit.
        pythons: versions those systems come with, or that the run time has wheels for.
        compatible: first entry of ``/proc/device-tree/compatible``; '' where there is none.
        traps: what goes wrong there, and what to do.
        sources: where these facts stand.
    """

    name: str
    title: str
    architectures: tuple[str, ...]
    cpu: str
    cores: int
    memory_mb: tuple[int, ...]
    threads: int
    accelerators: tuple[str, ...]
    systems: tuple[str, ...]
    pythons: tuple[str, ...]
    compatible: str
    traps: tuple[str, ...]
    sources: tuple[str, ...]


RASPBERRY_PI_OS = ("Raspberry Pi OS bookworm (64-bit)", "Raspberry Pi OS trixie (64-bit)")
RASPBERRY_PI_PYTHONS = ("3.11", "3.13")
"""Of bookworm and trixie, the Debian releases that those systems are built on."""

PROCESSORS = "https://www.raspberrypi.com/documentation/computers/processors.html"
DEVICE_TREE = "https://www.raspberrypi.com/documentation/computers/raspberry-pi.html"
LITERT_WHEELS = "https://pypi.org/project/ai-edge-litert/#files (2.3.0: aarch64, x86_64, 3.10-3.14)"

THIRTY_TWO_BIT = (
    "a 32-bit system has no ai-edge-litert: install the 64-bit one, or stay with "
    "tflite-runtime 2.14, numpy<2 and Python 3.11"
)
CSI = "OpenCV does not read cameras on the ribbon cable (CSI): use a USB or network camera"

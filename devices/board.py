"""What is known of a board, and of an accelerator that goes with one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple


class Trap(NamedTuple):
    """What goes wrong, and what to do about it."""

    what: str
    cure: str

    def __str__(self) -> str:
        return f"{self.what}: {self.cure}"


@dataclass(frozen=True)
class Accelerator:
    """What computes models beside a board's processor.

    Attributes:
        name: the second half of ``raspberry-pi-5+coral-usb``.
        title: what its maker calls it.
        kind: what models are compiled for: ``"edgetpu"``.
        bus: ``"usb"`` or ``"pcie"``.
        ids: vendor and product, as sysfs has them.
        library: of :data:`devices.pairings.LIBRARIES`, the one to install.
        traps, sources: see :class:`Board`.
    """

    name: str
    title: str
    kind: str
    bus: str
    ids: tuple[str, ...]
    library: str
    traps: tuple[Trap, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Board:
    """The facts of one board; ``board + accelerator`` are those of the two together.

    Attributes:
        name: what ``--for`` takes.
        title: what its maker calls it.
        architectures: as ``platform.machine()`` names them, the recommended one first.
        cpu: kind and clock of the cores; '' where it depends on the host.
        cores: how many; 0 where it depends on the host.
        level: the architecture's version that the cores implement, ``"ARMv8.2-A"``; '' where it
            depends on the host.
        instructions: those that int8 models gain by, as ``/proc/cpuinfo`` names them: ``asimd``
            (vectors), ``asimddp`` (dot products of bytes).
        memory_mb: the sizes it is or was sold with; empty where it depends on the host.
        threads: that the models use unless told otherwise.
        accelerators: ``"edgetpu"`` where there is one; then the bundle wants a compiled model.
        systems: whose packages are known to fit.
        pythons: versions those systems come with, or that the run time has wheels for.
        runtime: the run time to install, of :data:`devices.pairings.RUN_TIMES`.
        library: for an Edge TPU, of :data:`devices.pairings.LIBRARIES`; '' without one.
        cameras: kinds of live source, of :data:`edgecnn.camera.sources.SOURCES`.
        compatible: first entry of ``/proc/device-tree/compatible``; '' where there is none.
        ids: of its accelerator, as sysfs has them; empty without one.
        emulated: its times say nothing of a real board's, and are never ranked among them.
        traps: what goes wrong there, and what to do.
        sources: where these facts stand.
    """

    name: str
    title: str
    architectures: tuple[str, ...]
    cpu: str
    cores: int
    level: str
    instructions: tuple[str, ...]
    memory_mb: tuple[int, ...]
    threads: int
    systems: tuple[str, ...]
    pythons: tuple[str, ...]
    compatible: str
    traps: tuple[Trap, ...]
    sources: tuple[str, ...]
    accelerators: tuple[str, ...] = ()
    runtime: str = "ai-edge-litert"
    library: str = ""
    cameras: tuple[str, ...] = ("v4l2", "stream")
    ids: tuple[str, ...] = ()
    emulated: bool = False

    def __add__(self, accelerator: Accelerator) -> Board:
        """This board with an accelerator plugged in."""
        return replace(
            self,
            name="+".join(filter(None, (self.name, accelerator.name))),
            title=" with ".join(filter(None, (self.title, accelerator.title))),
            accelerators=(*self.accelerators, accelerator.kind),
            library=accelerator.library,
            ids=accelerator.ids,
            traps=(*accelerator.traps, *self.traps),
            sources=(*accelerator.sources, *self.sources),
        )

    @property
    def runs_edgecnn(self) -> bool:
        """Whether its own system has a Python that edgecnn runs on, and can be deployed to."""
        return any(tuple(map(int, p.split("."))) >= OLDEST_PYTHON for p in self.pythons)


OLDEST_PYTHON = (3, 10)
"""That edgecnn runs on; what ai-edge-litert has wheels for begins there, too."""

RASPBERRY_PI_OS = ("Raspberry Pi OS bookworm (64-bit)", "Raspberry Pi OS trixie (64-bit)")
RASPBERRY_PI_PYTHONS = ("3.11", "3.13")
"""Of bookworm and trixie, the Debian releases that those systems are built on."""

RASPBERRY_PI_CAMERAS = ("v4l2", "csi", "stream")

ARMV8_0 = ("ARMv8.0-A", ("asimd",))
ARMV8_2 = ("ARMv8.2-A", ("asimd", "asimdhp", "asimddp"))
"""Level and instructions; ``asimddp`` came with ARMv8.2 (Linux, Documentation/arch/arm64/
elf_hwcaps.rst), and ``asimdhp`` computes with half precision."""

PROCESSORS = "https://www.raspberrypi.com/documentation/computers/processors.html"
DEVICE_TREE = "https://www.raspberrypi.com/documentation/computers/raspberry-pi.html"
LITERT_WHEELS = "https://pypi.org/project/ai-edge-litert/#files (2.3.0: aarch64, x86_64, 3.10-3.14)"

NARROW = Trap(
    "a 32-bit system has no ai-edge-litert",
    "install the 64-bit one, or stay with tflite-runtime 2.14, numpy<2 and Python 3.11",
)
THIRTY_TWO_BIT = str(NARROW)
CSI = Trap(
    "a camera on the ribbon cable (CSI) is read by picamera2, which pip cannot install",
    "sudo apt install python3-picamera2, and make the venv with --system-site-packages",
)
NO_DOTPROD = Trap(
    "its cores have no dot products of bytes (asimddp), so int8 gains less over float",
    "measure with edgecnn bench on the board before choosing",
)

ANY_HOST = Board(
    name="",
    title="",
    architectures=("aarch64", "x86_64"),
    cpu="",
    cores=0,
    level="",
    instructions=(),
    memory_mb=(),
    threads=4,
    systems=(*RASPBERRY_PI_OS, "Debian and Ubuntu on x86-64"),
    pythons=("3.10", "3.11", "3.12", "3.13"),
    compatible="",
    traps=(),
    sources=(LITERT_WHEELS,),
)
"""For an accelerator by itself, whatever it is plugged into."""

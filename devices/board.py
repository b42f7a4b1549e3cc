"""What is known of a board, of an accelerator, and of the one on the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Trap:
    """What goes wrong there, and what to do about it."""

    what: str
    cure: str


@dataclass(frozen=True)
class Speed:
    """How fast one core is with int8 networks, by published facts.

    Attributes:
        clock_ghz: of the slowest version sold.
        macs_a_cycle: multiply-accumulates of bytes a cycle, at the most: 8 by SMLAL (one a cycle),
            32 by SDOT (two a cycle).
        share: of that which XNNPACK's kernels get, see :mod:`devices.latency`.
        copy_gb_s: 10⁹ bytes that one core copies a second; as many are read and as many written.
        sources: where these facts stand.
    """

    clock_ghz: float
    macs_a_cycle: int
    share: float
    copy_gb_s: float
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Board:
    """The facts of one board.

    Attributes:
        name: what ``--for`` and ``--board`` take.
        title: what its maker calls it.
        architectures: as ``platform.machine()`` names them, the recommended one first.
        cpu: kind and clock of the cores; '' where it depends on the host.
        instructions: the set that the cores understand; '' where it depends on the host.
        dot_products: whether they multiply and add bytes four at a time (``asimddp`` in
            ``/proc/cpuinfo``), which int8 models gain most by; None where it depends on the host.
        cores: how many; 0 where it depends on the host.
        memory_mb: the sizes it is or was sold with; empty where it depends on the host.
        threads: that the models use unless told otherwise.
        buses: where an accelerator goes: ``usb2``, ``usb3``, ``pcie``.
        accelerators: ``"edgetpu"`` where there is one; then the bundle wants a compiled model.
        libedgetpu: the build that the accelerator's library must be of, see
            :mod:`devices.pairings`; '' where there is no accelerator.
        systems: whose packages are known to fit.
        pythons: versions those systems come with, or that the run time has wheels for.
        runtime: the package that runs models there.
        cameras: kinds of :data:`edgecnn.camera.sources.SOURCES` that it has a socket for; files and
            network cameras work everywhere.
        compatible: an entry of ``/proc/device-tree/compatible`` that no other board has; '' where
            there is none.
        traps: what goes wrong there, and what to do.
        sources: where these facts stand.
        speed: of a core; None where it depends on the host, or nothing is published.
    """

    name: str
    title: str
    architectures: tuple[str, ...]
    cpu: str
    instructions: str
    dot_products: bool | None
    cores: int
    memory_mb: tuple[int, ...]
    threads: int
    buses: tuple[str, ...]
    accelerators: tuple[str, ...]
    libedgetpu: str
    systems: tuple[str, ...]
    pythons: tuple[str, ...]
    runtime: str
    cameras: tuple[str, ...]
    compatible: str
    traps: tuple[Trap, ...]
    sources: tuple[str, ...]
    speed: Speed | None = None


@dataclass(frozen=True)
class Accelerator:
    """The facts of an accelerator that goes into a board.

    Attributes:
        name: what stands behind the ``+``: ``raspberry-pi-5+coral-usb``.
        buses: where it goes in, see :class:`Board`.
        libedgetpu: as :class:`Board` has it.
        traps, sources: as :class:`Board` has them.
        traps_on: board or bus to what goes wrong on that alone.
    """

    name: str
    title: str
    buses: tuple[str, ...]
    libedgetpu: str
    traps: tuple[Trap, ...]
    sources: tuple[str, ...]
    traps_on: Mapping[str, tuple[Trap, ...]] = field(default_factory=dict)

    def fits(self, host: Board) -> bool:
        """Whether the board has a socket for it."""
        return bool(set(self.buses) & set(host.buses))

    def on(self, host: Board) -> Board:
        """The board with this in it; all else is the board's own."""
        there = [
            trap for place in (*host.buses, host.name) for trap in self.traps_on.get(place, ())
        ]
        return replace(
            host,
            name=f"{host.name}+{self.name}",
            title=f"{host.title} with {self.title}",
            accelerators=("edgetpu",),
            libedgetpu=self.libedgetpu,
            traps=(*host.traps, *there, *self.traps),
            sources=(*host.sources, *self.sources),
        )


RASPBERRY_PI_OS = ("Raspberry Pi OS bookworm (64-bit)", "Raspberry Pi OS trixie (64-bit)")
RASPBERRY_PI_PYTHONS = ("3.11", "3.13")
"""Of bookworm and trixie, the Debian releases that those systems are built on."""

LITERT = "ai-edge-litert 2.3"
LIBEDGETPU = "16.0tf2.19.1"
"""Built from the TensorFlow nearest to :data:`LITERT`."""

ARMV8_0 = "ARMv8.0-A"
ARMV8_2 = "ARMv8.2-A"

PROCESSORS = "https://www.raspberrypi.com/documentation/computers/processors.html"
DEVICE_TREE = "https://www.raspberrypi.com/documentation/computers/raspberry-pi.html"
LITERT_WHEELS = "https://pypi.org/project/ai-edge-litert/#files (2.3.0: aarch64, x86_64, 3.10-3.14)"
LIBEDGETPU_BUILDS = "https://github.com/feranick/libedgetpu/releases"
LIBEDGETPU_ABI = "https://github.com/google-coral/edgetpu/issues/812"
CORE_MANUALS = (
    "Arm's technical reference manuals of the cores: SDOT and UDOT come with ARMv8.2 (Cortex-A76), "
    "not with ARMv8.0 (Cortex-A35, A53, A72)"
)

SMLAL_A53 = "LLVM, AArch64SchedA53.td: one pipeline multiplies, an instruction a cycle"
SMLAL_A72 = "Arm, Cortex-A72 Software Optimization Guide: ASIMD multiply accumulate long, 1 a cycle"
SDOT_A76 = "Arm, Cortex-A76 Software Optimization Guide: ASIMD dot product, 2 a cycle"
XNNPACK = "XNNPACK, README.md of 2022: INT8 MobileNets on a Raspberry Pi 3 B+ and 4"
SBC_BENCH = "https://github.com/ThomasKaiser/sbc-bench/blob/master/Results.md"

THIRTY_TWO_BIT = (
    "a 32-bit system has no ai-edge-litert: install the 64-bit one, or stay with "
    "tflite-runtime 2.14, numpy<2 and Python 3.11"
)
NARROW = Trap(
    "a 32-bit system has no ai-edge-litert",
    "install the 64-bit Raspberry Pi OS, or stay with tflite-runtime 2.14, numpy<2 and Python 3.11",
)
CSI = Trap(
    "OpenCV does not read cameras on the ribbon cable (CSI)",
    "edgecnn camera BUNDLE --source csi, with sudo apt install python3-picamera2 and a venv that "
    "sees the system's packages",
)
MENDEL = Trap(
    "Mendel's Python 3.7 is older than edgecnn takes (3.10), and its glibc 2.28 cannot be replaced",
    "a Debian bookworm container on the board, with its Python 3.11, ai-edge-litert and --device "
    "for camera and Edge TPU; edgecnn deploy wants a system of its own and refuses Mendel",
)
COMPILED = Trap(
    "an Edge TPU runs compiled models alone; others run on the CPU",
    "edgecnn compile BUNDLE before edgecnn deploy",
)

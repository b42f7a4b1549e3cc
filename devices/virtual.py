"""The emulated board of the tests: ``qemu-system-aarch64 -M virt -cpu cortex-a72``."""

from devices import board as b

BOARD = b.Board(
    name="virtual",
    title="Emulated arm64 board (qemu)",
    architectures=("aarch64",),
    cpu="Arm Cortex-A72, emulated",
    instructions=b.ARMV8_0,
    dot_products=False,
    cores=2,
    memory_mb=(2048,),
    threads=2,
    buses=(),
    accelerators=(),
    libedgetpu="",
    systems=("Debian 12 (bookworm)", "Debian 13 (trixie)"),
    pythons=b.RASPBERRY_PI_PYTHONS,
    runtime=b.LITERT,
    cameras=("v4l2",),
    compatible="linux,dummy-virt",
    traps=(
        b.Trap("its speed is the emulator's", "never compare its times with a board's"),
        b.Trap("-cpu max: ai-edge-litert 2.3 computes wrong answers with emulated SME",
               "-cpu cortex-a72 or cortex-a76; the bundle's self-test finds it"),
    ),
    sources=(
        "https://www.qemu.org/docs/master/system/arm/virt.html",
        "qemu, hw/arm/virt.c: compatible linux,dummy-virt",
        b.CORE_MANUALS,
        b.LITERT_WHEELS,
    ),
)  # fmt: skip

"""The emulated arm64 board of our own tests: ``make board-up``.

``qemu-system-aarch64 -M virt -cpu cortex-a72``, with Debian, systemd, sshd and a ``/dev/video0``.
"""

from devices import board as b

BOARD = b.Board(
    name="virtual",
    title="virtual arm64 board (qemu)",
    architectures=("aarch64",),
    cpu="Arm Cortex-A72, emulated",
    cores=2,
    level=b.ARMV8_0[0],
    instructions=b.ARMV8_0[1],
    memory_mb=(2048,),
    threads=2,
    systems=("Debian 12 (bookworm)",),
    pythons=("3.11",),
    compatible="linux,dummy-virt",
    emulated=True,
    traps=(
        b.Trap("its times say nothing of a real board's", "measure speed on the board itself"),
        b.Trap(
            "with -cpu max XNNPACK takes SME kernels, and int8 answers are wrong",
            "-cpu cortex-a72 or cortex-a76",
        ),
    ),
    sources=(
        "qemu, hw/arm/virt.c: compatible linux,dummy-virt",
        "https://www.qemu.org/docs/master/system/arm/virt.html",
        b.LITERT_WHEELS,
    ),
)

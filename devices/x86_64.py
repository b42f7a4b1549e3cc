"""A computer with an x86-64 processor and Linux."""

from devices import board as b

BOARD = b.Board(
    name="x86-64",
    title="x86-64 computer",
    architectures=("x86_64",),
    cpu="",
    instructions="",
    dot_products=None,
    cores=0,
    memory_mb=(),
    threads=4,
    buses=("usb3", "pcie"),
    accelerators=(),
    libedgetpu="",
    systems=("Debian 12 and 13", "Ubuntu 22.04 and 24.04"),
    pythons=("3.10", "3.11", "3.12", "3.13", "3.14"),
    runtime=b.LITERT,
    cameras=("v4l2",),
    compatible="",
    traps=(
        b.Trap(
            "int8 gains little on processors without VNNI",
            "edgecnn bench --networks says what holds on yours",
        ),
    ),
    sources=(b.LITERT_WHEELS, "docs/benchmarks-networks.md"),
)

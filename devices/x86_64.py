"""A computer with an x86-64 processor and Linux."""

from devices import board as b

BOARD = b.Board(
    name="x86-64",
    title="x86-64 computer",
    architectures=("x86_64",),
    cpu="",
    cores=0,
    level="",
    instructions=(),
    memory_mb=(),
    threads=4,
    systems=("Debian 12 and 13", "Ubuntu 22.04 and 24.04"),
    pythons=("3.10", "3.11", "3.12", "3.13", "3.14"),
    compatible="",
    traps=(),
    sources=(b.LITERT_WHEELS,),
)

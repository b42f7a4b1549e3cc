"""The tables of ``docs/boards.md``, from the boards and pairings themselves.

``python -m devices.tables docs/boards.md`` writes them anew; a test tells when that is due.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from devices import ACCELERATORS, HOSTS, Accelerator, Board
from devices.board import Trap
from devices.pairings import PAIRINGS, Pairing, Version

WORKS = {True: "works", False: "fails", None: "not certain"}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def boards() -> str:
    """A row a board."""
    head = ["`--for`, `--board`", "cores", "memory, MB", "systems", "Python", "threads", "run time",
            "cameras", "sockets"]  # fmt: skip
    return table(head, map(_board, HOSTS.values()))


def _board(board: Board) -> list[str]:
    cores = f"{board.cores} × {board.cpu}, {board.instructions}" if board.cores else "the host's"
    if board.dot_products is not None:
        cores += " with" if board.dot_products else " without"
        cores += " dot products"
    library = f"; libedgetpu {board.libedgetpu}" if board.libedgetpu else ""
    return [
        f"`{board.name}`",
        f"{cores} ({', '.join(board.architectures)})",
        ", ".join(map(str, board.memory_mb)) or "the host's",
        ", ".join(board.systems),
        ", ".join(board.pythons),
        str(board.threads),
        board.runtime + library,
        ", ".join(board.cameras),
        ", ".join(board.buses) or "none",
    ]


def accelerators() -> str:
    """A row an accelerator."""
    head = ["name", "what", "libedgetpu", "on"]
    return table(head, map(_accelerator, ACCELERATORS.values()))


def _accelerator(accelerator: Accelerator) -> list[str]:
    hosts = [f"`{h.name}+{accelerator.name}`" for h in HOSTS.values() if accelerator.fits(h)]
    return [accelerator.name, accelerator.title, accelerator.libedgetpu, ", ".join(hosts)]


def traps() -> str:
    """What goes wrong where, and what to do; one row for all boards that share a trap."""
    where: dict[Trap, list[str]] = {}
    for board in HOSTS.values():
        for trap in board.traps:
            where.setdefault(trap, []).append(board.name)
    for accelerator in ACCELERATORS.values():
        for trap in accelerator.traps:
            names = where.setdefault(trap, [])
            names.extend({accelerator.name} - set(names))
        for place, only in accelerator.traps_on.items():
            for trap in only:
                where.setdefault(trap, []).append(f"{accelerator.name} on {place}")
    rows = ([", ".join(names), trap.what, trap.cure] for trap, names in where.items())
    return table(["where", "what goes wrong", "what to do"], rows)


def sources() -> str:
    """Where each board's facts stand."""
    named: list[Board | Accelerator] = [*HOSTS.values(), *ACCELERATORS.values()]
    return "\n".join(f"* {one.title}: {'; '.join(one.sources)}." for one in named)


def pairings() -> str:
    """A row a pairing."""
    head = ["run time", "Python", "numpy", "libedgetpu", "", "what was seen", "source"]
    return table(head, map(_pairing, PAIRINGS))


def _pairing(row: Pairing) -> list[str]:
    library = ", ".join(row.libedgetpu) or ("none" if row.libedgetpu else "any or none")
    return [
        f"{row.runtime} {_range(row.versions)}".rstrip(),
        _range(row.pythons) or "any",
        " or ".join(map(str, row.numpys)),
        library,
        WORKS[row.works],
        row.why,
        row.source,
    ]


def _range(bounds: tuple[Version, Version]) -> str:
    """``((2, 5), (2, 11))`` as ``2.5 to 2.11``; '' where it is everything."""
    low, high = [".".join(map(str, bound)) for bound in bounds]
    if low == high:
        return low
    begins, ends = bounds[0] == (0,), bounds[1] == (99,)
    if begins and ends:
        return ""
    return f"up to {high}" if begins else f"from {low}" if ends else f"{low} to {high}"


TABLES = {
    "boards": boards,
    "accelerators": accelerators,
    "traps": traps,
    "pairings": pairings,
    "sources": sources,
}


def refreshed(text: str) -> str:
    """A document whose ``<!-- NAME -->`` … ``<!-- end -->`` hold what is in the code now."""
    for name, make in TABLES.items():
        before, _, rest = text.partition(f"<!-- {name} -->")
        _, end, after = rest.partition("<!-- end -->")
        if end:
            text = f"{before}<!-- {name} -->\n\n{make()}\n\n{end}{after}"
    return text


if __name__ == "__main__":
    document = Path(sys.argv[1])
    document.write_text(refreshed(document.read_text("utf-8")), "utf-8")

"""Reading a FlatBuffer with every read checked to lie inside it: files from anywhere.

Source of the layout: the FlatBuffers internals page. A table starts with the distance back to its
vtable, which holds its own size, the table's size and, a slot each, where in the table a field
stands (0: left out). A vector starts with its length; offsets lead forwards.
"""

from __future__ import annotations

import struct

WIDTHS = {"b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "f": 4, "q": 8}
"""Bytes of a number by its letter in :mod:`struct`."""


class FlatBuffer:
    """A FlatBuffer's tables, vectors and numbers, by their place in the file.

    Tables and vectors may be shared, so a small file can describe an endless one: what is read
    item by item may come to four times the file's size, and no more.

    Every method raises ``struct.error`` or ``ValueError`` where something leads outside the file.
    """

    def __init__(self, content: bytes):
        self.content = content
        self._left = 4 * len(content)

    @property
    def root(self) -> int:
        """Where the first table stands."""
        return int(struct.unpack_from("<I", self.content)[0])

    def number(self, kind: str, at: int) -> int | float:
        """The number at a place; ``kind`` is a letter of :data:`WIDTHS`."""
        if at < 4:  # struct would count a negative place from the end
            raise ValueError(f"offset {at}")
        value: int | float = struct.unpack_from(f"<{kind}", self.content, at)[0]
        return value

    def _integer(self, kind: str, at: int) -> int:
        return int(self.number(kind, at))

    def field(self, table: int, slot: int, size: int) -> int:
        """Where a field of ``size`` bytes stands; 0 where it is left out."""
        vtable = table - self._integer("i", table)
        if 4 + 2 * slot >= self._integer("H", vtable):
            return 0
        place = self._integer("H", vtable + 4 + 2 * slot)
        if place and place + size > self._integer("H", vtable + 2):
            raise ValueError(f"a field beyond its table at {table}")
        return table + place if place else 0

    def check_table(self, table: int) -> None:
        """The table and its vtable lie inside the file."""
        vtable = table - self._integer("i", table)
        size = self._integer("H", vtable + 2)
        if table + size > len(self.content) or size < 4:
            raise ValueError(f"a table of {size} bytes at {table}")
        self.number("B", vtable + self._integer("H", vtable) - 1)

    def target(self, field: int) -> int:
        """What an offset leads to."""
        return field + self._integer("I", field)

    def scalar(self, table: int, slot: int, kind: str = "I") -> int | float:
        """A number in a table; 0 where it is left out."""
        field = self.field(table, slot, WIDTHS[kind])
        return self.number(kind, field) if field else 0

    def vector(self, table: int, slot: int, width: int) -> tuple[int, int]:
        """Start and length of a vector whose items, ``width`` bytes each, lie inside the file."""
        field = self.field(table, slot, 4)
        if not field:
            return 0, 0
        start = self.target(field)
        length = self._integer("I", start)
        if start + 4 + length * width > len(self.content):
            raise ValueError(f"{length} items at {start}")
        return start + 4, length

    def table(self, table: int, slot: int) -> int:
        """A table that a field leads to; 0 where it is left out."""
        field = self.field(table, slot, 4)
        return self.target(field) if field else 0

    def tables(self, table: int, slot: int) -> list[int]:
        """The tables of a vector of tables."""
        start, length = self.vector(table, slot, 4)
        self._spend(4 * length)
        return [self.target(start + 4 * i) for i in range(length)]

    def numbers(self, table: int, slot: int, kind: str) -> tuple[int | float, ...]:
        """The items of a vector of numbers."""
        start, length = self.vector(table, slot, WIDTHS[kind])
        self._spend(WIDTHS[kind] * length)
        return struct.unpack_from(f"<{length}{kind}", self.content, start) if length else ()

    def integers(self, table: int, slot: int) -> tuple[int, ...]:
        """The items of a vector of 32-bit integers."""
        return tuple(map(int, self.numbers(table, slot, "i")))

    def text(self, table: int, slot: int) -> str:
        """A string; empty where it is left out."""
        start, length = self.vector(table, slot, 1)
        self._spend(length)
        return self.content[start : start + length].decode("utf-8", "replace")

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise ValueError("the same places are used over and over")

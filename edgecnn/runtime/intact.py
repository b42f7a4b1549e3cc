"""Is a ``.tflite`` file whole? Every offset and index in it is followed, nothing is run.

ai-edge-litert checks a file itself before it uses it. tflite-runtime 2.14 does not: of 200 cuts
through a small model 165 ended the process with a segmentation fault and three took all memory.
So the file is walked here first, in plain Python, since tflite-runtime brings no schema along.

Source of the layout: TensorFlow's ``schema.fbs`` (schema version 3) and the FlatBuffers internals
page: a table starts with the distance back to its vtable, which holds its own size, the table's
size and, a slot each, where in the table a field stands (0: left out).
"""

from __future__ import annotations

import struct

Field = tuple[str, str | int]
"""``("tables", NAME)``: a vector of tables; ``("table", NAME)``: one; ``("vector", BYTES)``:
numbers or text, and the size of an item."""

TABLES: dict[str, dict[int, Field]] = {
    "Model": {
        1: ("tables", "OperatorCode"),
        2: ("tables", "SubGraph"),
        3: ("vector", 1),
        4: ("tables", "Buffer"),
        5: ("vector", 4),
        6: ("tables", "Metadata"),
        7: ("tables", "SignatureDef"),
    },
    "OperatorCode": {1: ("vector", 1)},
    "SubGraph": {
        0: ("tables", "Tensor"),
        1: ("vector", 4),
        2: ("vector", 4),
        3: ("tables", "Operator"),
        4: ("vector", 1),
    },
    "Tensor": {
        0: ("vector", 4),
        3: ("vector", 1),
        4: ("table", "Quantization"),
        7: ("vector", 4),
    },
    "Quantization": {0: ("vector", 4), 1: ("vector", 4), 2: ("vector", 4), 3: ("vector", 8)},
    "Operator": {
        1: ("vector", 4),
        2: ("vector", 4),
        4: ("table", "Options"),
        5: ("vector", 1),
        8: ("vector", 4),
    },
    "Options": {},
    "Buffer": {0: ("vector", 1)},
    "Metadata": {0: ("vector", 1)},
    "SignatureDef": {0: ("tables", "TensorMap"), 1: ("tables", "TensorMap"), 2: ("vector", 1)},
    "TensorMap": {0: ("vector", 1)},
}
"""The fields of each table that lead to another place in the file, by slot."""


class _Walk:
    """One pass over a file; every read is checked to lie inside it."""

    def __init__(self, content: bytes):
        self.content = content

    def number(self, kind: str, at: int) -> int:
        if at < 4:  # struct would count a negative place from the end
            raise ValueError(f"offset {at}")
        return int(struct.unpack_from(f"<{kind}", self.content, at)[0])

    def field(self, table: int, slot: int, size: int) -> int:
        """Where a field of ``size`` bytes stands; 0 where it is left out."""
        vtable = table - self.number("i", table)
        if 4 + 2 * slot >= self.number("H", vtable):
            return 0
        place = self.number("H", vtable + 4 + 2 * slot)
        if place and place + size > self.number("H", vtable + 2):
            raise ValueError(f"a field beyond its table at {table}")
        return table + place if place else 0

    def target(self, field: int) -> int:
        return field + self.number("I", field)

    def vector(self, field: int, width: int) -> tuple[int, int]:
        """Start and length of a vector whose items all lie inside the file."""
        if not field:
            return 0, 0
        start = self.target(field)
        length = self.number("I", start)
        if start + 4 + length * width > len(self.content):
            raise ValueError(f"{length} items at {start}")
        return start + 4, length

    def tables(self, table: int, slot: int) -> list[int]:
        start, length = self.vector(self.field(table, slot, 4), 4)
        return [self.target(start + 4 * i) for i in range(length)]

    def integers(self, table: int, slot: int) -> tuple[int, ...]:
        start, length = self.vector(self.field(table, slot, 4), 4)
        return struct.unpack_from(f"<{length}i", self.content, start) if length else ()

    def scalar(self, table: int, slot: int) -> int:
        field = self.field(table, slot, 4)
        return self.number("I", field) if field else 0

    def follow(self, table: int, name: str) -> None:
        """Visit ``table`` and all that hangs on it."""
        vtable = table - self.number("i", table)
        size = self.number("H", vtable + 2)
        if table + size > len(self.content) or size < 4:
            raise ValueError(f"a table of {size} bytes at {table}")
        self.number("B", vtable + self.number("H", vtable) - 1)
        for slot, (kind, what) in TABLES[name].items():
            if kind == "tables":
                for child in self.tables(table, slot):
                    self.follow(child, str(what))
            elif field := self.field(table, slot, 4):
                if kind == "table":
                    self.follow(self.target(field), str(what))
                else:
                    self.vector(field, int(what))


def damage(content: bytes) -> str | None:
    """Where a ``.tflite`` file leads outside itself, in a few words; None where it is whole."""
    walk = _Walk(content)
    try:
        root = struct.unpack_from("<I", content)[0]
        walk.follow(root, "Model")
        codes, buffers = len(walk.tables(root, 1)), len(walk.tables(root, 4))
        graphs = walk.tables(root, 2)
        if not graphs:
            return "no graph in it"
        for graph in graphs:
            tensors = walk.tables(graph, 0)
            used = [*walk.integers(graph, 1), *walk.integers(graph, 2)]
            for operator in walk.tables(graph, 3):
                if walk.scalar(operator, 0) >= codes:
                    return f"an operation without a kind at byte {operator}"
                used += [*walk.integers(operator, 1), *walk.integers(operator, 2)]
            if any(not -1 <= i < len(tensors) for i in used):
                return "a tensor is used that is not there"
            if any(walk.scalar(t, 2) >= buffers for t in tensors):
                return "a tensor's values are not there"
    except (struct.error, ValueError, OverflowError) as e:
        return f"something leads outside its {len(content)} bytes ({e})"
    return None

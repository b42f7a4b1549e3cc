"""Put an entry into a ``.tflite`` file's metadata and leave all else in it byte for byte.

A FlatBuffer's offsets lead forwards, so a new first table cannot stand at the end of a file. It is
put between the header and what was there, which moves by a multiple of 16 bytes: every offset in
it stays right, and so does the alignment of the weights. The old first table remains, unused.

Source of the layout: TensorFlow's ``schema.fbs``, schema version 3.
"""

from __future__ import annotations

import struct
from typing import Any

from edgecnn.errors import ModelError
from edgecnn.runtime.flat import FlatBuffer

HEADER = 8
"""Bytes before the tables: the offset of the first one, and ``TFL3``."""

ALIGNMENT = 16
"""Of the values of a buffer (``force_align`` in the schema)."""

BUFFERS, METADATA, SLOTS = 4, 6, 8
"""Slots of ``Model``, and how many it has: the last is that of the signatures."""


def entry(content: bytes, name: str) -> bytes | None:
    """The metadata called ``name`` of a file that is whole, None without."""
    file = FlatBuffer(content)
    for table in file.tables(file.root, METADATA):
        if file.text(table, 0) == name:
            buffers, index = file.tables(file.root, BUFFERS), int(file.scalar(table, 1))
            if index >= len(buffers):
                return None
            start, length = file.vector(buffers[index], 0, 1)
            return content[start : start + length]
    return None


def with_entry(content: bytes, name: str, payload: bytes) -> bytes:
    """A file that is whole, with ``payload`` added to it as metadata called ``name``.

    Raises:
        ModelError: the file keeps weights outside its tables, as those above 2 GB do.
    """
    file = FlatBuffer(content)
    buffers = file.tables(file.root, BUFFERS)
    if any(file.scalar(b, 1, "q") for b in buffers):
        raise ModelError("expected a model whose weights stand in its tables: use a smaller one")
    kept = file.tables(file.root, METADATA)

    # What each of the new parts takes; all offsets lead from an earlier part to a later one.
    text = name.encode()
    sizes = {
        "model": 4 + 2 * SLOTS + 4 + 4 * SLOTS,
        "buffers": 4 + 4 * (len(buffers) + 1),
        "metadata": 4 + 4 * (len(kept) + 1),
        "entry": 8 + 12,
        "name": 4 + -(-(len(text) + 1) // 4) * 4,
        "buffer": 8 + 12,
    }
    places, end = {}, HEADER
    for part, size in sizes.items():
        places[part], end = end, end + size
    data = -(-(end + 4) // ALIGNMENT) * ALIGNMENT  # where the values begin, after their length
    added = -(-(data + len(payload) - HEADER) // ALIGNMENT) * ALIGNMENT
    block = bytearray(added)

    def put(at: int, kind: str, *values: Any) -> None:
        struct.pack_into(f"<{kind}", block, at - HEADER, *values)

    def table(at: int, fields: list[int]) -> int:
        """A vtable and a table of an even number of fields, so that both lie at multiples of four
        bytes; each field takes four, and 0 is left out."""
        place = at + 4 + 2 * len(fields)
        slots = [4 + 4 * i if value else 0 for i, value in enumerate(fields)]
        put(at, f"HH{len(fields)}H", 4 + 2 * len(fields), 4 + 4 * len(fields), *slots)
        put(place, f"i{len(fields)}I", place - at, *fields)
        return place

    def vector(at: int, targets: list[int]) -> None:
        leads = [target - (at + 4 + 4 * i) for i, target in enumerate(targets)]
        put(at, f"I{len(leads)}I", len(leads), *leads)

    first = places["model"] + 4 + 2 * SLOTS
    fields = [int(file.scalar(file.root, 0))]
    for slot in range(1, SLOTS):
        old = file.table(file.root, slot)
        target = {BUFFERS: places["buffers"], METADATA: places["metadata"]}.get(
            slot, old and old + added
        )
        fields.append(target and target - (first + 4 + 4 * slot))
    table(places["model"], fields)
    lead = places["name"] - (places["entry"] + 12)  # from the table's first field
    entry_table = table(places["entry"], [lead, len(buffers)])
    buffer_table = table(places["buffer"], [data - 4 - (places["buffer"] + 12), 0])
    vector(places["buffers"], [*(b + added for b in buffers), buffer_table])
    vector(places["metadata"], [*(t + added for t in kept), entry_table])
    put(places["name"], f"I{len(text)}s", len(text), text)
    put(data - 4, f"I{len(payload)}s", len(payload), payload)
    return struct.pack("<I", first) + content[4:HEADER] + bytes(block) + content[HEADER:]

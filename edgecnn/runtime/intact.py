"""Is a ``.tflite`` file whole? Every offset and index in it is followed, nothing is run.

ai-edge-litert checks a file itself before it uses it. tflite-runtime 2.14 does not: of 200 cuts
through a small model 165 ended the process with a segmentation fault and three took all memory.
Neither looks at the values: a zero point that its type cannot hold ends both. So the file is walked
here first, in plain Python, since tflite-runtime brings no schema along. What is left, kernels that
trip over an odd graph, is for :mod:`edgecnn.runtime.trial`.

Source of the layout: TensorFlow's ``schema.fbs``, schema version 3.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

from edgecnn.errors import ModelError
from edgecnn.runtime.flat import FlatBuffer

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

VECTOR_OPTIONS = {17: (0,), 30: (0,)}
"""Kind of options (``BuiltinOptions``) to the slots that hold 32-bit integers: the new shape of
RESHAPE, the dimensions of SQUEEZE. Those of other operations hold no vectors in a network here."""

ITEM_BYTES = {0: 4, 1: 2, 2: 4, 3: 1, 4: 8, 6: 1, 7: 2, 8: 8, 9: 1, 10: 8, 11: 16, 12: 8, 15: 4,
              16: 2, 18: 2}  # fmt: skip
"""``TensorType`` to the bytes of an item; text, handles and types of less than a byte are left
out."""

ZERO_POINTS = {3: (0, 255), 9: (-128, 127), 7: (-(2**15), 2**15 - 1)}
"""``TensorType`` (uint8, int8, int16) to the zero points it can hold; others hold 32 bits."""


def _follow(file: FlatBuffer, table: int, name: str) -> None:
    """Visit ``table`` and all that hangs on it."""
    file.check_table(table)
    for slot, (kind, what) in TABLES[name].items():
        if kind == "tables":
            for child in file.tables(table, slot):
                _follow(file, child, str(what))
        elif kind == "vector":
            file.vector(table, slot, int(what))
        elif child := file.table(table, slot):
            _follow(file, child, str(what))
            if what == "Options":
                for inner in VECTOR_OPTIONS.get(int(file.scalar(table, 3, "B")), ()):
                    file.vector(child, inner, 4)


def _odd_tensor(file: FlatBuffer, tensor: int, stored: int) -> str | None:
    """What is impossible about a tensor with ``stored`` bytes of values; 0 for an activation."""
    shape, kind = file.integers(tensor, 0), int(file.scalar(tensor, 1, "B"))
    if any(side < 0 for side in shape):
        return f"a tensor of shape {shape}"
    is_dense = kind in ITEM_BYTES and not file.field(tensor, 6, 4)
    if stored and is_dense and stored != math.prod(shape) * ITEM_BYTES[kind]:
        return f"{stored} bytes of values for a tensor of shape {shape}"
    quantisation = file.table(tensor, 4)
    if not quantisation:
        return None
    scales, zeros = file.numbers(quantisation, 2, "f"), file.numbers(quantisation, 3, "q")
    lowest, highest = ZERO_POINTS.get(kind, (-(2**31), 2**31 - 1))
    if not all(0 <= scale < math.inf for scale in scales):
        return "a scale that is not a positive number"
    if not all(lowest <= zero <= highest for zero in zeros):
        return "a zero point beyond its type"
    if len(zeros) not in (0, 1, len(scales)):
        return f"{len(zeros)} zero points for {len(scales)} scales"
    along = int(file.scalar(quantisation, 6, "i"))
    if len(scales) > 1 and not (0 <= along < len(shape) and shape[along] == len(scales)):
        return f"{len(scales)} scales for a tensor of shape {shape}"
    return None


def _odd_graph(file: FlatBuffer, graph: int, codes: int, buffers: list[int]) -> str | None:
    """What is impossible about a graph: each tensor is written once, and before it is read."""
    tensors, operators = file.tables(graph, 0), file.tables(graph, 3)
    written, taken = set(file.integers(graph, 1)), set[int]()
    for i, tensor in enumerate(tensors):
        buffer = int(file.scalar(tensor, 2))
        if buffer >= len(buffers):
            return "a tensor's values are not there"
        stored = file.vector(buffers[buffer], 0, 1)[1]
        offset, size = (int(file.scalar(buffers[buffer], slot, "q")) for slot in (1, 2))
        if offset > 1:  # the values stand behind the tables, as those of files above 2 GB do
            if size < 0 or offset + size > len(file.content):
                return f"{size} bytes of values at {offset}"
            stored = size
        if fault := _odd_tensor(file, tensor, stored):
            return fault
        is_empty = 0 in file.integers(tensor, 0)
        if stored or is_empty or file.scalar(tensor, 5, "B"):  # a constant, or a variable
            taken.add(i)
    if not written <= set(range(len(tensors))) or not file.integers(graph, 2):
        return "inputs or outputs that are not there"
    for operator in operators:
        if file.scalar(operator, 0) >= codes:
            return f"an operation without a kind at byte {operator}"
        read = {i for i in file.integers(operator, 1) if i != -1}  # -1: left out
        made = file.integers(operator, 2)
        if not read <= written | taken:
            return "an operation reads what nothing has written"
        if len(set(made)) < len(made) or not set(made) <= set(range(len(tensors))):
            return "an operation writes what is not there"
        if set(made) & (written | taken):
            return "a tensor is written twice"
        written |= set(made)
    if not set(file.integers(graph, 2)) <= written | taken:
        return "an output that nothing has written"
    return None


def damage(content: bytes) -> str | None:
    """What is wrong with a ``.tflite`` file, in a few words; None where it is whole."""
    file = FlatBuffer(content)
    try:
        root = file.root
        _follow(file, root, "Model")
        codes, buffers = len(file.tables(root, 1)), file.tables(root, 4)
        graphs = file.tables(root, 2)
        if not graphs:
            return "no graph in it"
        for graph in graphs:
            if fault := _odd_graph(file, graph, codes, buffers):
                return fault
    except (struct.error, ValueError, OverflowError) as e:
        return f"something leads outside its {len(content)} bytes ({e})"
    return None


def read(path: str | Path) -> bytes:
    """The bytes of a ``.tflite`` file that is whole.

    Raises:
        ModelError: the file is missing, not a TFLite model, damaged or cut off.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as e:
        raise ModelError(f"{path} cannot be read ({e.strerror}): check the path") from e
    if content[4:8] != b"TFL3":
        raise ModelError(
            f"expected a TFLite model. {path} is not one ({len(content)} bytes): "
            "make one with edgecnn convert"
        )
    fault = damage(content)
    if fault:
        raise ModelError(f"{path} is damaged or cut off ({fault}): copy or convert it again")
    return content

"""What the Edge TPU compiler prints, as data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}

NUMBERS = {
    "compiled_ms": r"Model compiled successfully in (\d+) ms",
    "subgraphs": r"Number of Edge TPU subgraphs: (\d+)",
    "total": r"Total number of operations: (\d+)",
    "mapped": r"Number of operations that will run on Edge TPU: (\d+)",
    "on_cpu": r"Number of operations that will run on CPU: (\d+)",
}
SIZES = {
    "input_bytes": "Input size",
    "output_bytes": "Output size",
    "cached_bytes": "On-chip memory used for caching model parameters",
    "cache_left_bytes": "On-chip memory remaining for caching model parameters",
    "streamed_bytes": "Off-chip memory used for streaming uncached model parameters",
}
"""Facts to the words they follow in the log of compiler 16."""

FAILURES = (
    (r"Didn't find op for builtin opcode '(\w+)' version '(\d+)'",
     "edgecnn preflight names the layer and a cure"),
    (r"Op builtin_code out of range: (\d+)", "edgecnn preflight names the layer and a cure"),
    (r"Model not quantized", "convert it to full int8 with edgecnn convert"),
    (r"graph that has dynamic-sized tensors",
     "fix the batch to 1 before converting: keras.Input(shape, batch_size=1)"),
    (r"Encountered unresolved custom op: (\S+?)\.?\s", "use layers that have TFLite builtins"),
    (r"Compilation failed due to large activation tensors in model",
     "work on smaller pictures or with fewer channels in the first layers"),
    (r"Internal compiler error", "take layers off its end until it passes, to find the one"),
    (r"Model could not be parsed", "edgecnn preflight names the layer and a cure"),
    (r"Model failed in Tflite interpreter", "check that edgecnn bench --model runs it"),
    (r"Invalid model", "edgecnn preflight looks into it"),
    (r"Compilation failed", "give it more time with --timeout, or a smaller network"),
)  # fmt: skip
"""What a failed compilation says, the telling before the general, and what to do. Sources:
edgetpu#631, edgetpu#862, edgetpu#168, edgetpu#829, edgetpu#512, edgetpu#358."""


@dataclass(frozen=True)
class Row:
    """A line of the table that ``-s`` prints; one kind may have several, one a status."""

    operator: str
    count: int
    status: str


@dataclass(frozen=True)
class Log:
    """A whole log.

    Attributes:
        version: of the compiler; '' where it said none.
        facts: those of :data:`NUMBERS` and :data:`SIZES` that were there, sizes in bytes.
        rows: the table.
        errors: lines that begin with ``ERROR:``.
    """

    version: str
    facts: dict[str, int]
    rows: tuple[Row, ...]
    errors: tuple[str, ...]

    def mapped(self) -> int | None:
        """How many operations run on the Edge TPU; None where the log does not say."""
        if "mapped" in self.facts:
            return self.facts["mapped"]
        if self.rows:
            return sum(r.count for r in self.rows if r.status.startswith("Mapped"))
        return None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        rows = [vars(row) for row in self.rows]
        return {"version": self.version, **self.facts, "operators": rows}


def parse(text: str) -> Log:
    """Read what the compiler printed, or its ``.log`` file; what is not there is left out."""
    version = re.search(r"Edge TPU Compiler version (\S+)", text)
    facts = {}
    for name, pattern in NUMBERS.items():
        if found := re.search(pattern, text):
            facts[name] = int(found[1])
    for name, words in SIZES.items():
        if found := re.search(rf"{words}: ([\d.]+)\s?([KMG]?i?B)", text):
            facts[name] = round(float(found[1]) * UNITS.get(found[2], 1))
    rows = re.findall(r"^(\w[\w-]*) +(\d+) +(\S.*?)\s*$", text, re.M)
    return Log(
        version=version[1] if version else "",
        facts=facts,
        rows=tuple(Row(operator, int(count), status) for operator, count, status in rows),
        errors=tuple(line for line in text.splitlines() if line.startswith("ERROR:")),
    )


def failure(text: str) -> tuple[str, str]:
    """The line that tells why a compilation failed, and what to do; the last line else."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for pattern, cure in FAILURES:
        for line in lines:
            if re.search(pattern, line + " "):
                return line, cure
    return (lines or ["it said nothing"])[-1], "edgecnn preflight looks into the model"

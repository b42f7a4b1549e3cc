"""Int8 beside float for every network that we offer: ``make bench-networks``.

Writes ``docs/benchmarks-networks.md``. What ``edgecnn bench --networks`` measures, as a table.
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Any

from converters.speed import WORTH, of_networks

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks-networks.md"


def page(found: dict[str, dict[str, Any]]) -> str:
    """The text of the page.

    Args:
        found: by network, what :func:`converters.speed.of_networks` yields.
    """
    first = next(iter(found.values()))
    has = {True: "has", False: "has no", None: "may have"}[first["has_dot_product"]]
    slow = [name for name, facts in found.items() if facts["times"] < WORTH]
    verdict = (
        f"Int8 is not {WORTH:g} times as fast as float here for: {', '.join(slow)}. "
        if slow
        else f"Int8 is at least {WORTH:g} times as fast as float here for every network. "
    )
    rows = [
        f"| {name} | {'×'.join(map(str, f['input']))} | {f['int8_ms']:.3f} | {f['float_ms']:.3f} "
        f"| {f['times']:.2f} ({f['low']:.2f} to {f['high']:.2f}) "
        f"| {f['int8_bytes']:,} | {f['float_bytes']:,} |"
        for name, f in found.items()
    ]
    lines = [
        "# Int8 beside float", "",
        "Written by `make bench-networks`, which measures what `edgecnn bench --networks` does:",
        "each network untrained, its int8 and its float file in turn, one thread,",
        "ai-edge-litert; the best of all turns, and in brackets the least and the most of five",
        f"parts. Here on {platform.machine()}; this processor {has} instructions for dot products",
        "of bytes, which int8's speed rests on (`avx512_vnni`, `avx_vnni`, or `asimddp` on ARM, in",
        "`/proc/cpuinfo`). `edgecnn convert` measures the same for the network that it converts,",
        "and says which file to use.", "",
        "| network | input | int8 ms | float ms | int8 is … times as fast | int8 bytes "
        "| float bytes |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |", *rows, "",
        verdict + "What holds for a board is", "measured there: `edgecnn bench --model "
        "int8.tflite --model float.tflite` (`convert --float-out`", "writes the float file).", "",
    ]  # fmt: skip
    return "\n".join(lines)


def main() -> int:
    text = page(dict(of_networks()))
    PAGE.write_text(text, "utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

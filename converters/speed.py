"""How fast an int8 file is beside the float file of the same network, on this machine.

Which of them is faster depends on the processor: what int8's speed rests on are instructions for
dot products of bytes, and without them it can be slower than float.
"""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converters import int8
from edgecnn import networks, training
from edgecnn.runtime.interpreter import Model
from edgecnn.runtime.timing import Ratio, invoke_of, times_as_fast

WORTH = 2.0
"""How many times as fast as float an int8 file should be."""

DOT_PRODUCTS = {"avx512_vnni", "avx_vnni", "avx_vnni_int8", "amx_int8", "asimddp"}
"""What Linux calls the instructions, x86-64's and 64-bit ARM's (arch/x86/include/asm/cpufeatures.h,
arch/arm64/kernel/cpuinfo.c)."""

CPU_FACTS = Path("/proc/cpuinfo")

NETWORK_S = 5.0
"""How long a network is timed by :func:`of_networks`."""

SIZES: dict[str, dict[str, Any]] = {
    name: {"input_shape": (96, 96, 3), "classes": 10} for name in networks.CLASSIFIERS
}
"""What a network is built with that has no size of its own: large photos, as training takes
them."""


@dataclass(frozen=True)
class Speed:
    """An int8 file beside its float file, one thread.

    Attributes:
        ratio: its ``first`` is int8.
        has_dot_product: whether this processor has instructions for int8; None where that is not
            known.
    """

    ratio: Ratio
    has_dot_product: bool | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        r = self.ratio
        return {
            "int8_ms": r.first_ms,
            "float_ms": r.other_ms,
            "times": r.times,
            "low": r.low,
            "high": r.high,
            "turns": r.turns,
            "machine": platform.machine(),
            "has_dot_product": self.has_dot_product,
        }

    def line(self) -> str:
        """What was measured."""
        r = self.ratio
        return (
            f"int8 {r.first_ms:.3g} ms, float {r.other_ms:.3g} ms: {r.times:.2f} times as fast as "
            f"float ({r.low:.2f} to {r.high:.2f}), one thread, on this machine"
        )

    def advice(self, board: str) -> str | None:
        """What to use where int8 is not :data:`WORTH` it; None where it is.

        Args:
            board: that the file is meant for.
        """
        if self.ratio.times >= WORTH:
            return None
        why = " (it has no instructions for int8 dot products)" * (self.has_dot_product is False)
        here = f"int8 is {self.ratio.times:.2g} times as fast as float on this machine{why}"
        use = "use int8 all the same: it is no slower, and a quarter of the size"
        if self.ratio.high < 1:
            use = "on the CPU of a machine like this use the float file, which --float-out writes"
        return (
            f"{here}, not {WORTH:g} times: {use}. An Edge TPU takes int8 alone; what holds for "
            f"{board} is told there by edgecnn bench --model int8.tflite --model float.tflite"
        )


def compare(int8_file: str | Path, float_file: str | Path, limit_s: float = 1.5) -> Speed:
    """Time both files of one network in turn.

    Args:
        limit_s: about how long that may take, in seconds.

    Raises:
        ModelError: a file does not load.
    """
    small, exact = (invoke_of(Model(file, threads=1)) for file in (int8_file, float_file))
    return Speed(times_as_fast(small, exact, limit_s), has_dot_product())


def of_networks() -> Iterator[tuple[str, dict[str, Any]]]:
    """Build, untrained, every network that we offer, convert it, and :func:`compare` its files.

    Yields:
        The network's name and its facts: ``input`` (height, width, channels), ``int8_bytes``,
        ``float_bytes`` and those of :meth:`Speed.as_dict`.

    Raises:
        ConversionError: the converter failed.
        MissingExtra: Keras or TensorFlow is not installed.
    """
    training.start_keras()
    for name in networks.NETWORKS:
        network = networks.build(name, **SIZES.get(name, {}))
        with tempfile.TemporaryDirectory(prefix="edgecnn-") as work:
            saved, exact, small = (Path(work, f) for f in ("n.keras", "f.tflite", "i.tflite"))
            network.save(saved)
            int8.convert(saved, None, small, exact)
            yield (
                name,
                {
                    "input": list(network.input.shape[1:]),
                    "int8_bytes": small.stat().st_size,
                    "float_bytes": exact.stat().st_size,
                    **compare(small, exact, NETWORK_S).as_dict(),
                },
            )


def has_dot_product(facts: Path = CPU_FACTS) -> bool | None:
    """Whether the processor has one of :data:`DOT_PRODUCTS`; None where Linux does not tell."""
    try:
        lines = facts.read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    told = [line.partition(":")[2].split() for line in lines
            if line.partition(":")[0].strip() in ("flags", "Features")]  # fmt: skip
    return not DOT_PRODUCTS.isdisjoint(told[0]) if told else None

"""What happens inside an int8 file: layers whose values hit the ends of their range, dead layers.

The file is run without the accelerated kernels, which keep no tensors between the layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from converters import flatbuffer
from converters.faults import Finding
from converters.verify import held_out
from edgecnn.images import Image
from edgecnn.runtime.interpreter import default_threads, runtime_module
from edgecnn.training.run import Run

COUNT = 32
"""Pictures to look at: a layer of 7×7×64 numbers is then judged by 100,000 of them.
Without the accelerated kernels each costs an embedder 0.1 s of one core."""

SATURATED = 0.01
"""Share of a layer's values at the ends of its range above which it is told. Of 64
pictures each, the worst layer of the shipped detector and of an embedder has 0.00013, the demo's
digits 0.0016 (one value of 640). Ranges taken from almost grey pictures go far beyond it."""

FEWEST = 8
"""Values at the ends below which a layer is not told, whatever their share: of a layer of ten
numbers, one picture that goes beyond the others is 0.2 %."""

COPIES = {"QUANTIZE", "RESHAPE", "TRANSPOSE", "PAD", "PADV2", "CONCATENATION", "MAX_POOL_2D",
          "STRIDED_SLICE", "SPLIT", "SQUEEZE", "EXPAND_DIMS"}  # fmt: skip
"""Operations that hand on values as they come: their source is judged instead."""

BOUND = 6.0
"""Where ReLU6 ends (Krizhevsky, Convolutional Deep Belief Networks on CIFAR-10, 2010)."""


@dataclass(frozen=True)
class Activity:
    """A layer over some pictures.

    Attributes:
        layer: what Keras called it, as far as the file says.
        kind: of the operation.
        low, high: the real numbers at the ends of its range.
        values: numbers seen, over all pictures.
        cut: how many of them lie at an end; ends that the function itself has, such as 0 and 6 of
            ReLU6, do not count.
        constant: every picture gives the same.
    """

    layer: str
    kind: str
    low: float
    high: float
    values: int
    cut: int
    constant: bool

    @property
    def clipped(self) -> float:
        """Share of its values at an end, 0…1."""
        return self.cut / max(1, self.values)


def check(task: Any, run: Run, path: str | Path, calibration: Image) -> list[Finding]:
    """Dead layers, by pictures of the calibration, and saturated ones, by held-out pictures.

    Args:
        task: the run's module in ``edgecnn.training``.
        run: as seen through the input of ``path``.
        path: the int8 file.
        calibration: ``(N, H, W, C)`` uint8.
    """
    found = dead(watch(path, calibration[:COUNT])) if len(calibration) > 1 else []
    pixels = task.samples(run, held_out(run), COUNT, 0)[0]
    return found + (saturated(watch(path, pixels)) if len(pixels) else [])


def watch(path: str | Path, pixels: Image) -> list[Activity]:
    """Run an int8 file and look at every int8 tensor that it computes.

    Args:
        path: with the byte mapping of :func:`edgecnn.images.to_network` as input.
        pixels: ``(N, H, W, C)`` uint8, N 1 at least.
    """
    graph = flatbuffer.read(path)
    module = runtime_module()
    interpreter = module.Interpreter(
        model_content=Path(path).read_bytes(),
        num_threads=default_threads(),
        experimental_op_resolver_type=module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    watched = {
        operation.outputs[0]: operation.kind
        for operation in graph.operations
        if operation.kind not in COPIES and graph.tensors[operation.outputs[0]].dtype == "int8"
    }
    ends = {i: _ends(graph.tensors[i]) for i in watched}
    first: dict[int, npt.NDArray[Any]] = {}
    cut, constant = dict.fromkeys(watched, 0), dict.fromkeys(watched, True)
    for one in pixels:
        interpreter.set_tensor(graph.inputs[0], one[None])
        interpreter.invoke()
        for i in watched:
            stored = interpreter.get_tensor(i)
            cut[i] += at_the_ends(stored, *ends[i])
            constant[i] = constant[i] and np.array_equal(first.setdefault(i, stored), stored)
    seen = []
    for i, kind in watched.items():
        facts = graph.tensors[i]
        low, high = (float((q - facts.zero_points[0]) * facts.scales[0]) for q in (-128, 127))
        values = len(pixels) * first[i].size
        name = layer_name(facts.name)
        seen.append(Activity(name, kind, low, high, values, cut[i], constant[i]))
    return seen


def saturated(activities: list[Activity]) -> list[Finding]:
    """The layer that is cut off most, where one is by more than :data:`SATURATED`."""
    beyond = [a for a in activities if a.clipped > SATURATED and a.cut >= FEWEST]
    if not beyond:
        return []
    worst = max(beyond, key=lambda a: a.clipped)
    return [
        Finding(
            "saturated",
            f"of the values of {_called(worst)} {100 * worst.clipped:.1f} % lie at the ends of the "
            f"range that calibration gave it, {worst.low:.3g} to {worst.high:.3g}, on held-out "
            f"pictures{_more(beyond)}; below {100 * SATURATED:g} % is usual: use more "
            "--calibration pictures, or training pictures that are like these",
        )
    ]


def dead(activities: list[Activity]) -> list[Finding]:
    """The first layer that gives the same for all pictures."""
    silent = [a for a in activities if a.constant]
    if not silent:
        return []
    first = silent[0]
    return [
        Finding(
            "dead",
            f"{_called(first)} gives the same for all calibration pictures (its range is "
            f"{first.low:.3g} to {first.high:.3g}){_more(silent)}: where that range is wide, an "
            "outlier stretched it; else the layer died in training: train again with a smaller "
            "learning rate",
        )
    ]


def at_the_ends(stored: npt.NDArray[np.int8], low: bool, high: bool) -> int:
    """How many values lie at the lowest and at the highest integer, as far as each is asked."""
    return int(np.sum(stored == -128)) * low + int(np.sum(stored == 127)) * high


def layer_name(tensor: str) -> str:
    """The Keras layer in a tensor's name, such as ``stem_relu`` of
    ``embedder_1/stem_relu_1/Relu6;embedder_1/stem_conv_1/convolution``; ``output`` where none."""
    parts = tensor.partition(";")[0].split("/")
    return parts[1].removesuffix("_1") if len(parts) > 1 else "output"


def _ends(tensor: flatbuffer.TensorFacts) -> tuple[bool, bool]:
    """Whether values at the lower and at the upper end have been cut off there by the range."""
    scale, zero_point = tensor.scales[0], tensor.zero_points[0]
    if scale in (1 / 256, 1 / 128) and zero_point in (-128, 0):
        return False, False  # sigmoid, softmax, tanh: TFLite fixes their range to the function's
    high = (127 - zero_point) * scale
    # A range that begins at 0 is that of a ReLU: what lies there is 0 or below.
    return zero_point != -128, abs(high - BOUND) > 0.01 * BOUND


def _called(activity: Activity) -> str:
    return f"layer {activity.layer} ({activity.kind})"


def _more(activities: list[Activity]) -> str:
    others = len(activities) - 1
    return f" (and so in {others} more layer{'s' if others > 1 else ''})" if others else ""

"""Other formats than the int8 bundle: written, proved against Keras, and only then left behind."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converters import c_array, export, verify
from converters.compare import Comparison
from edgecnn import training
from edgecnn.bundle import MANIFEST, ModelEntry
from edgecnn.errors import ConversionError, DataError
from edgecnn.images import Floats, Preprocess
from edgecnn.storage import whole_file
from edgecnn.text import TextInput
from edgecnn.training.run import MODEL, Run


@dataclass(frozen=True)
class Format:
    """A format that a run's network can be written in.

    Attributes:
        module: has ``write`` and ``load``; for one without ``tolerance``, ``write`` alone.
        suffixes: of a file's name.
        tolerance: how far the outputs may be from Keras': the root mean square of the difference,
            as a share of the output's own spread. None for a format that copies a file's bytes.
    """

    module: str
    suffixes: tuple[str, ...]
    tolerance: float | None


FORMATS = {
    "float32": Format("converters.float_tflite", (".tflite",), 1e-4),
    "float16": Format("converters.float_tflite", (".tflite",), 1e-2),
    "dynamic-range": Format("converters.float_tflite", (".tflite",), 1e-1),
    "onnx": Format("converters.onnx_file", (".onnx",), 1e-4),
    "c-array": Format("converters.c_array", (".cc", ".cpp", ".c"), None),
}
"""What ``edgecnn export`` offers. The tolerances leave an order of magnitude above what is measured
(docs/design.md): float32 differs by the order of the additions, 24 bits each; float16 by 11 bits of
the weights; dynamic-range by 8 bits of weights and activations."""

LEAST_SPREAD = 1e-12
"""In place of 0 where an output is the same for all pictures."""

PICTURES = 64
"""Held-out pictures whose outputs are compared."""


@dataclass(frozen=True, eq=False)
class Exported:
    """What came out.

    Attributes:
        files: one; two for a detector, which has two inputs, and for a C array.
        difference: of the outputs, as :attr:`Format.tolerance` counts it: the worst output's.
        pictures: how many it was measured on.
        comparison: what Keras and the file answered on held-out data. These three are None, 0 and
            None for bytes that were copied.
    """

    format: str
    files: tuple[Path, ...]
    difference: float | None = None
    pictures: int = 0
    comparison: Comparison | None = None


def write(
    source: str | Path, format: str, out: str | Path, max_drop: float = verify.MAX_DROP
) -> Exported:
    """Write ``source`` as ``format``; files that are there already are replaced.

    Args:
        source: a finished run of a network; for ``c-array`` a ``.tflite`` file or a bundle.
        format: one of :data:`FORMATS`.
        out: the file to write. A detector is written a second time, for pictures that are higher
            than wide, with ``-portrait`` in the name.
        max_drop: how much of the headline figure may be lost, as a share of 1.

    Raises:
        DataError: ``source`` is of another kind, or ``out`` has another suffix than the format.
        ConversionError: the converter failed, or what it wrote does not agree with Keras.
        MissingExtra: the converter is not installed.
        StorageError: ``out`` cannot be written. In all cases nothing is left behind.
    """
    source, out, chosen = Path(source), Path(out), FORMATS[format]
    if out.suffix not in chosen.suffixes:
        raise DataError(
            f"expected a file that ends in {' or '.join(chosen.suffixes)} for {format}. "
            f"Received: {out}"
        )
    if chosen.tolerance is None:
        return Exported(format, c_array.write(source, out))
    if source.is_file() or (source / MANIFEST).is_file():
        raise DataError(
            f"expected a run, which has the float network that {format} is made from. Received: "
            f"{source}: name the run that it was converted from"
        )
    run = Run(source)
    _ = run.metrics  # a run without them did not end
    if run.task not in export.KINDS:
        raise DataError(
            f"expected a run that trained a network. {run.path} is of task {run.task}: name the "
            "run of its embedder or detector"
        )
    return _from_run(run, format, chosen.tolerance, out, max_drop)


def _from_run(run: Run, format: str, tolerance: float, out: Path, max_drop: float) -> Exported:
    training.start_keras()
    task = importlib.import_module(training.TASKS[run.task])
    module, network = importlib.import_module(FORMATS[format].module), run.load_model()
    inputs = export.inputs_of(task, run, network)
    kind = export.KINDS[run.task]
    files = tuple(out.with_stem(out.stem + name.removeprefix(kind)) for name in inputs)
    labels, facts = tuple(run.facts.get("labels", ())), export.FACTS.get(kind, ())
    with ExitStack() as stack:
        models = []
        for (name, preprocess), file in zip(inputs.items(), files, strict=True):
            draft = stack.enter_context(whole_file(file))
            entry = ModelEntry(file.name, preprocess, labels, {f: run.facts[f] for f in facts})
            module.write(format, run.path / MODEL, draft, name, entry)
            models.append(module.load(draft))
        found = _proved(task, run, network, models, list(inputs.values()))
        _judge(found, format, tolerance, max_drop)
    return Exported(format, files, *found)


def _proved(
    task: Any, run: Run, network: Any, models: list[Any], inputs: Sequence[Preprocess | TextInput]
) -> tuple[float, int, Comparison]:
    """Difference, on how many pictures, and the answers to all held-out data."""
    part = verify.held_out(run)
    keras, file = verify.float_predict(network), verify.int8_predict(*models)
    apart, count = [], 0
    for preprocess in inputs:
        pixels = task.samples(run.seen_through(preprocess), part, PICTURES, 0)[0]
        count += len(pixels)
        apart.append(difference(keras(pixels), file(pixels)))
    answers = (task.answers(run, predict, part) for predict in (keras, file))
    return float(np.max(apart)), count, Comparison(part, *answers)


def difference(expected: Sequence[Floats], found: Sequence[Floats]) -> float:
    """The root mean square difference of two sets of outputs, as a share of the expected output's
    standard deviation; that of the worst output.

    Outputs belong together by their shape, since converters may change their order.

    Raises:
        ConversionError: the shapes are others.
    """
    pairs = [sorted(outputs, key=np.shape) for outputs in (expected, found)]
    shapes = [[o.shape for o in outputs] for outputs in pairs]
    if shapes[0] != shapes[1]:
        raise ConversionError(f"expected outputs of shapes {shapes[0]}. Received: {shapes[1]}")
    apart = [
        np.sqrt(np.mean(np.square(after.astype(np.float64) - before)))
        / max(before.std(), LEAST_SPREAD)
        for before, after in zip(*pairs, strict=True)
    ]
    return float(np.max(apart))  # unlike max, it hands on what is no number


def _judge(
    found: tuple[float, int, Comparison], format: str, tolerance: float, max_drop: float
) -> None:
    """Raises ConversionError where the file is not what Keras is."""
    apart, count, comparison = found
    if not apart <= tolerance:
        raise ConversionError(
            f"the outputs of the {format} file are not those of Keras: on {count} pictures they "
            f"differ by {apart:.2g} of their spread, at most {tolerance:g} is allowed: choose a "
            "finer format, or train longer"
        )
    if not comparison.drop <= max_drop + 1e-9:
        name = comparison.headline
        before, after = (a.figures[name] for a in (comparison.before, comparison.after))
        raise ConversionError(
            f"{format} lost too much: {name} on the {comparison.part} data is {before:.4f} in "
            f"Keras and {after:.4f} in the file, a drop of {comparison.drop:.4f}, at most "
            f"{max_drop:g} is allowed: choose a finer format, train longer, or raise --max-drop"
        )

"""The vendor's ``edgetpu_compiler``, wrapped: run it, believe only what came out.

It exists for x86-64 Linux alone, comes from Coral's own package source, and may not be passed on;
so it is the user's own, by option, by ``EDGETPU_COMPILER``, on the PATH, or in a container image.
Its exit code says little: 0 may mean that nothing was mapped.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from converters import edgetpu_log, flatbuffer, metadata, preflight
from converters.edgetpu_rules import COMPILED, MAPPED
from converters.edgetpu_run import COMPILER, TIMEOUT_S, run
from edgecnn import __version__
from edgecnn.bundle import EDGETPU, MANIFEST, SIGNATURE, Bundle
from edgecnn.errors import ConversionError, ModelError
from edgecnn.storage import refuse_taken, sha256_of, storing, whole_file, whole_folder

SUFFIX = EDGETPU.removesuffix(".tflite")
"""What the compiler puts behind a file's name."""


@dataclass(frozen=True)
class Compiled:
    """What came out.

    Attributes:
        folder: of the files below.
        model: the compiled file; ``original``: the int8 file it was made from, for a CPU.
        log: the compiler's; ``prediction``: ours.
        differences: where these disagree, see :func:`compare`.
    """

    folder: Path
    model: str
    original: str
    sidecar: str
    log: edgetpu_log.Log
    prediction: preflight.Prediction
    differences: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "folder": str(self.folder),
            "model": self.model,
            "original": self.original,
            "sidecar": self.sidecar,
            "compiler": self.log.as_dict(),
            "mapped": self.log.mapped(),
            "predicted": {"verdict": self.prediction.verdict, "mapped": self.prediction.mapped},
            "differences": list(self.differences),
        }


def compile_model(
    model: str | Path,
    out: str | Path,
    *,
    compiler: str | Path | None = None,
    image: str | None = None,
    timeout_s: float = TIMEOUT_S,
    replace: bool = False,
) -> Compiled:
    """Compile an int8 ``.tflite`` file into a folder of its own.

    Args:
        out: the folder: the compiled file, the original beside it, the compiler's log, and a
            sidecar with what the compiler drops.
        compiler: see :func:`converters.edgetpu_run.find`.
        image: the name of a container image to run it in; ``compiler`` is its place in there.
        timeout_s: after which the compiler, with all that it started, is ended.
        replace: an existing ``out`` gives way.

    Raises:
        ConversionError: no compiler, it refused or crashed, or it mapped nothing.
        ModelError: ``model`` cannot be read, or is compiled already.
        StorageError: ``out`` exists or cannot be written; nothing is left behind.
    """
    model = Path(model)
    if model.suffix != ".tflite":
        raise ModelError(
            f"expected an int8 .tflite file. Received: {model}: make one with edgecnn convert"
        )
    refuse_taken(out, replace, f"*{SUFFIX}.json")
    prediction = preflight.predict(model)
    if prediction.verdict == "compiled":
        raise ModelError(
            f"{model} is compiled for the Edge TPU already: name the file that it was made from"
        )
    with whole_folder(out, replace=replace) as draft, tempfile.TemporaryDirectory() as work:
        source, results = Path(work, model.name), Path(work, "out")
        shutil.copyfile(model, source)
        results.mkdir()
        expected = prediction.refusals[0].cure if prediction.refusals else None
        text = run(source, results, compiler, image, timeout_s, expected)
        compiled = results / f"{model.stem}{SUFFIX}.tflite"
        log_file = results / f"{model.stem}{SUFFIX}.log"
        log = edgetpu_log.parse(text)
        if not log.rows and log_file.is_file():
            log = edgetpu_log.parse(text + "\n" + log_file.read_text("utf-8", "replace"))
        _check(model, compiled, log, text)
        differences = compare(prediction, log)
        for file in (source, compiled):
            shutil.copyfile(file, draft / file.name)
        (draft / log_file.name).write_text(text, "utf-8")
        sidecar = f"{model.stem}{SUFFIX}.json"
        facts = _sidecar(model, compiled, log, prediction, differences)
        (draft / sidecar).write_text(json.dumps(facts, indent=2) + "\n", "utf-8")
    return Compiled(Path(out), compiled.name, model.name, sidecar, log, prediction, differences)


def compile_bundle(path: str | Path, **options: Any) -> list[Compiled]:
    """Compile every model of a bundle; the compiled files lie in it afterwards, and the camera
    takes them where there is an Edge TPU.

    The manifest names none of them while they take their places, so that the bundle is whole at
    any moment. A signature is of the manifest as it was, and goes.

    Args:
        options: ``compiler``, ``image`` and ``timeout_s`` of :func:`compile_model`.

    Returns:
        What came out of each model; no ``sidecar`` is left of it.

    Raises:
        BundleError: it is none. Others as :func:`compile_model`; the bundle is as it was.
    """
    bundle = Bundle(path)
    with tempfile.TemporaryDirectory() as work:
        done = [
            compile_model(bundle.path / entry.file, Path(work, name), **options)
            for name, entry in bundle.manifest.models.items()
        ]
        hashes = {made.model: sha256_of(made.folder / made.model) for made in done}
        others = {n: h for n, h in bundle.manifest.files.items() if n not in hashes}
        with storing(bundle.path):
            (bundle.path / SIGNATURE).unlink(missing_ok=True)
        _name(bundle, others)
        for made in done:
            with whole_file(bundle.path / made.model) as draft:
                shutil.copyfile(made.folder / made.model, draft)
        _name(bundle, others | hashes)
    return [replace(made, folder=bundle.path) for made in done]


def _name(bundle: Bundle, files: dict[str, str]) -> None:
    """Let the manifest name these files, with their hashes."""
    with whole_file(bundle.path / MANIFEST) as draft:
        draft.write_text(replace(bundle.manifest, files=files).to_json(), "utf-8")


def compare(prediction: preflight.Prediction, log: edgetpu_log.Log) -> tuple[str, ...]:
    """Where the compiler and the pre-flight disagree, a line a kind of operation.

    Only mapped or not is compared: one and the same operation can have several reasons.
    """
    if prediction.refusals:
        return (f"the pre-flight expected a refusal ({prediction.refusals[0].says})",)
    if not log.rows:
        theirs = log.mapped()
        if theirs is None or theirs == prediction.mapped:
            return ()
        return (f"{theirs} operations were mapped, {prediction.mapped} were predicted",)
    predicted: Counter[tuple[str, bool]] = Counter()
    for operation in prediction.operations:
        predicted[operation.logged, operation.mapped] += 1
    found: Counter[tuple[str, bool]] = Counter()
    for row in log.rows:
        found[row.operator, row.status == MAPPED] += row.count
    kinds = sorted({kind for kind, _ in (*predicted, *found)})
    return tuple(
        f"{kind}: {found[kind, True]} mapped and {found[kind, False]} not, predicted "
        f"{predicted[kind, True]} and {predicted[kind, False]}"
        for kind in kinds
        if any(found[kind, m] != predicted[kind, m] for m in (True, False))
    )


def _check(model: Path, compiled: Path, log: edgetpu_log.Log, text: str) -> None:
    """Whether something was compiled: the exit code does not tell."""
    says, cure = edgetpu_log.failure(text)
    if not compiled.is_file():
        raise ConversionError(f"{COMPILER} wrote no {compiled.name} ({says}): {cure}")
    empty = COMPILED.encode() not in compiled.read_bytes()
    if empty or log.mapped() == 0 or log.facts.get("subgraphs") == 0:
        reasons = sorted({row.status for row in log.rows if row.status != MAPPED})
        raise ConversionError(
            f"{COMPILER} mapped nothing of {model.name} to the Edge TPU"
            f"{f' ({reasons[0]})' if reasons else ''}: edgecnn preflight says what to change"
        )


def _sidecar(
    model: Path,
    compiled: Path,
    log: edgetpu_log.Log,
    prediction: preflight.Prediction,
    differences: tuple[str, ...],
) -> dict[str, Any]:
    """What the compiler drops, and which file became which."""
    graph = flatbuffer.read(model)
    labels, picture = metadata.read(model).labels, None
    if (model.parent / MANIFEST).is_file():
        for entry in Bundle(model.parent).manifest.models.values():
            if entry.file == model.name:
                labels, picture = entry.labels or labels, entry.input.to_dict()
    return {
        "schema": 1,
        "original": {"file": model.name, "sha256": sha256_of(model)},
        "compiled": {"file": compiled.name, "sha256": sha256_of(compiled)},
        "labels": labels,
        "input": picture,
        "inputs": [_quantisation(graph.tensors[i]) for i in graph.inputs],
        "outputs": [_quantisation(graph.tensors[i]) for i in graph.outputs],
        "compiler": log.as_dict(),
        "predicted": {"verdict": prediction.verdict, "mapped": prediction.mapped},
        "differences": list(differences),
        "edgecnn": __version__,
    }


def _quantisation(tensor: flatbuffer.TensorFacts) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "scales": list(tensor.scales),
        "zero_points": list(tensor.zero_points),
    }

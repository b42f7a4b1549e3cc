"""The model card: where a model comes from, what it may be used for, what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from converters.flatbuffer import Graph
from edgecnn.bundle import (
    COHORT,
    DETECTOR,
    PORTRAIT,
    TEXT_CLASSIFIER,
    Manifest,
    ModelEntry,
    OperatingPoint,
)
from edgecnn.faces.threshold import one_in
from edgecnn.text import VOCABULARY, TextInput

_BOXES = "per stride 8, 16 and 32: scores, boxes, five landmarks"
_OUTPUTS = {
    "classifier": "logits, one a label",
    TEXT_CLASSIFIER: "logits, one a label",
    DETECTOR: _BOXES,
    PORTRAIT: _BOXES,
    "embedder": "a raw embedding; normalise it, then compare by cosine",
}


def model_card(name: str, entry: ModelEntry, graph: Graph, run: dict[str, Any]) -> str:
    """Markdown about one model, from the facts alone; ``run["card"]`` opens it where there is one.

    Args:
        name: of the model in its bundle.
        graph: of the int8 file.
        run: what stands in ``run.json``.
    """
    params = sum(o.params for o in graph.operations)
    macs = sum(o.macs for o in graph.operations)
    facts = [
        ("task", run["task"]),
        ("input", f"{_input(entry, graph.input().dtype)}, batch 1"),
        ("mean, std", f"{_list(entry.input.mean)}, {_list(entry.input.std)}, of bytes"),
        ("output", f"{entry.facts.get('output') or _OUTPUTS[name]}"),
        ("parameters", f"{params:,}"),
        ("multiply-accumulates", f"{macs:,}"),
        ("file", f"{graph.file_bytes:,} bytes, {_numbers(graph)}"),
        *((key.replace("_", " "), str(value)) for key, value in sorted(entry.facts.items())
          if key != "output"),
    ]  # fmt: skip
    if entry.calibration:
        count, digest = entry.calibration["count"], entry.calibration["sha256"]
        facts.append(("calibration", f"{count} training pictures, sha256 {digest}"))
    lines = [f"# {entry.file}", ""]
    if run.get("card"):
        lines += [str(run["card"]).strip(), ""]
    lines += ["| fact | |", "| --- | --- |", *(f"| {k} | {v} |" for k, v in facts), ""]
    lines += ["## Measured on held-out data", "", *_metrics(entry), ""]
    if run["settings"]:
        lines += ["## Trained with", ""]
    lines += [f"- {k}: {_public(v)}" for k, v in sorted(run["settings"].items()) if v is not None]
    return "\n".join(lines) + "\n"


def _input(entry: ModelEntry, dtype: str) -> str:
    if isinstance(entry.input, TextInput):
        return f"{entry.input.length} words, {entry.input.dim} {dtype} each"
    (w, h), channels = entry.input.size_wh, entry.input.shape[2]
    return f"{w}×{h}×{channels} {dtype} {entry.input.order}, {entry.input.fit}"


def bundle_card(manifest: Manifest) -> str:
    """Markdown about the bundle; the models' own cards stand beside it."""
    lines = [f"# A bundle for {manifest.task}, converted for {manifest.target}", ""]
    for name, entry in manifest.models.items():
        stem = entry.file.rpartition(".")[0]
        lines.append(f"- {name}: `{entry.file}`, described in [{stem}.md]({stem}.md)")
    if TEXT_CLASSIFIER in manifest.models:
        lines.append(f"- its words and their vectors: `{VOCABULARY}`")
    for entry in manifest.models.values():
        if entry.labels:
            lines += ["", f"Labels: {', '.join(entry.labels)}."]
    if point := manifest.operating_point:
        lines += [
            "",
            f"Threshold {point.threshold:.4f}{_asked(point)}: below it the answer is *unknown*. "
            f"Measured error rate at it: {point.error_rate:.5f} in {point.trials:,} trials on "
            f"{point.measured_on}.",
        ]
    if cohort := manifest.cohort:
        groups = ", ".join(f"{n} of {g}" for g, n in cohort["groups"].items() if g)
        lines += [
            "",
            f"Impostors to choose thresholds by, `{COHORT}`: {cohort['faces']:,} faces of "
            f"{cohort['people']:,} people of {cohort['data']}{f' ({groups})' if groups else ''}, "
            f"{cohort['chosen_from']}. Left out: {cohort['left_out']}.",
        ]
    lines += ["", "Made with " + ", ".join(f"{k} {v}" for k, v in manifest.versions.items()) + "."]
    return "\n".join(lines) + "\n"


def _asked(point: OperatingPoint) -> str:
    """What a threshold was chosen for."""
    if point.strangers is None:
        return ""
    return f", chosen so that {one_in(point.strangers)} strangers gets a name, one person enrolled"


def _numbers(graph: Graph) -> str:
    """What the file computes in."""
    outputs = [(o.kind, graph.tensors[o.outputs[0]].dtype) for o in graph.operations]
    in_float = [kind for kind, dtype in outputs if dtype == "float32" and kind != "DEQUANTIZE"]
    return f"int8 but for {' and '.join(in_float)} in float32" if in_float else "full int8"


def _public(value: Any) -> Any:
    """A path without the folders of whoever trained: a card travels."""
    return Path(value).name if isinstance(value, str) and "/" in value else value


def _metrics(entry: ModelEntry) -> list[str]:
    before, after = entry.metrics.get("float", {}), entry.metrics.get("int8", {})
    if not before:
        rows = [f"| {k} | {v:.4f} |" for k, v in after.items()]
        return ["| figure | int8 |", "| --- | --- |", *rows]
    rows = [f"| {k} | {before.get(k, float('nan')):.4f} | {v:.4f} |" for k, v in after.items()]
    return ["| figure | float | int8 |", "| --- | --- | --- |", *rows]


def _list(numbers: tuple[float, ...]) -> str:
    return "/".join(f"{n:g}" for n in numbers)

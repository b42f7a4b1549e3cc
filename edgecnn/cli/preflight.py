"""``edgecnn preflight``: what the Edge TPU compiler would make of a model."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli.options import json_option

if TYPE_CHECKING:
    from converters.edgetpu_partition import Verdict
    from converters.preflight import Prediction

HEADLINES = {
    "mapped": "predicted, all {total} operations will run on the Edge TPU",
    "partly": "predicted, {mapped} of {total} operations will run on the Edge TPU",
    "none": "predicted, none of {total} operations will run on the Edge TPU",
    "refused": "predicted, the compiler will refuse it",
    "compiled": "compiled for the Edge TPU already",
}


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True,
              help="Exit with 1 where MODEL is refused or an operation is not mapped.")  # fmt: skip
@json_option
def command(model: Path, strict: bool, as_json: bool) -> None:
    """Predict what the Edge TPU compiler would do with MODEL, without the compiler.

    MODEL is an int8 .tflite file of any origin, or a .keras file or a run folder, trained or not:
    these are converted first, calibrated on made-up pictures. What is refused or left to the CPU
    is told in the compiler's own words, with a cure.

    \b
    Example:
      edgecnn preflight my-bundle/model.tflite
      edgecnn preflight run --strict --json
    """
    from converters.preflight import predict

    found = predict(model)
    click.echo(json.dumps(found.as_dict(), indent=2) if as_json else as_text(found))
    if strict and not found.complete:
        sys.exit(1)


def as_text(found: Prediction) -> str:
    """The prediction for a terminal."""
    total = len(found.operations)
    headline = HEADLINES[found.verdict].format(mapped=found.mapped, total=total)
    lines = [f"{found.file}: {headline}"]
    lines += ["", f"{'Operator':<31}{'Count':<11}Status"]
    for (kind, status), count in sorted(found.table().items()):
        lines.append(f"{kind:<31}{count:<11}{status}")
    if found.verdict == "compiled":
        return "\n".join(lines)
    lines += _cures(found)
    needed = f"run time {found.runtime} or later" if found.runtime else "any run time"
    lines += [
        "",
        f"Edge TPU subgraphs  {found.subgraphs}, {needed}",
        f"parameters          {found.parameter_bytes:,} bytes, about {found.compiled_bytes:,} "
        f"compiled, of {found.cache_bytes:,} that the chip keeps",
    ]
    if found.streamed_bytes:
        lines.append(f"streamed            about {found.streamed_bytes:,} bytes for each picture")
    return "\n".join([*lines, *(f"note: {note}" for note in found.notes)])


def _cures(found: Prediction) -> list[str]:
    """Each problem with what to do; those with one cure together, the one met first before."""
    lines = [""] if found.refusals else []
    for refusal in found.refusals:
        place = refusal.operation
        at = "" if place is None else f" ({_where(found.operations[place])})"
        lines += [f"refused: {refusal.says}{at}", f"  cure: {refusal.cure}"]
    if any(refusal.operation is None for refusal in found.refusals):
        return lines
    groups: dict[str, dict[tuple[str, str], Verdict]] = {}
    for operation in found.operations:
        said = any(operation.status == refusal.says for refusal in found.refusals)
        if not operation.mapped and not said and operation.rule != "one-subgraph":
            group = groups.setdefault(operation.cure, {})
            group.setdefault((operation.kind, operation.status), operation)
    for cure, group in groups.items():
        lines.append("")
        for operation in group.values():
            cut = ", which cuts the graph" if operation.index in found.cuts else ""
            lines.append(f"{_where(operation)}{cut}: {operation.status}")
        lines += [f"  cure: {cure}"] if cure else []
    return lines


def _where(operation: Verdict) -> str:
    """Place, kind and the first of the names that the converter joined."""
    name = operation.name.partition(";")[0]
    return f"operation {operation.index}, {operation.kind} {name}"

"""``edgecnn export``: a network in a format that other programs read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.cli.options import Named, json_option

if TYPE_CHECKING:
    from converters.formats import Exported


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "format",
    type=Named("format", "converters.formats", "FORMATS"),
    required=True,
    help="What to write.",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True,
              help="The file to write.")  # fmt: skip
@click.option("--max-drop", type=click.FloatRange(0, 1), default=0.01,
              help="How much of the headline figure may be lost, as a share of 1.")  # fmt: skip
@json_option
def command(source: Path, format: str, out: Path, max_drop: float, as_json: bool) -> None:
    """Write SOURCE in a format that other programs read, and prove it against Keras.

    \b
    float32        a run to .tflite, as it was trained
    float16        a run to .tflite of half the size
    dynamic-range  a run to .tflite with int8 weights, float in between
    onnx           a run to ONNX, by tf2onnx: pip install 'edgecnn[onnx]'
    c-array        a .tflite file, or a bundle with one model, to C for a microcontroller

    The full int8 file for a board is what edgecnn convert makes. No file is written whose outputs
    are not those of the trained network, or that is worse by more than --max-drop on held-out data.
    A detector becomes two files, the second for pictures that are higher than wide.

    \b
    Example:
      edgecnn export run --format onnx --out model.onnx
      edgecnn export my-bundle --format c-array --out firmware/model.cc
    """
    from converters.formats import write

    done = write(source, format, out, max_drop)
    if as_json:
        click.echo(json.dumps(facts(done), indent=2))
        return
    for file in done.files:
        click.echo(f"{file}: {format}, {file.stat().st_size:,} bytes")
    if done.comparison:
        found = facts(done)
        click.echo(f"outputs   differ from Keras' by {done.difference:.2g} of their spread, on "
                   f"{done.pictures} pictures; {found['tolerance']:g} is allowed")  # fmt: skip
        for name, was in found["keras"].items():
            now = found["file"][name]
            click.echo(f"{name:<22}{was:.4f} in Keras, {now:.4f} in the file, {now - was:+.4f}")


def facts(done: Exported) -> dict[str, Any]:
    """What was written, and how it compares with Keras where it was compared."""
    from converters.formats import FORMATS

    found: dict[str, Any] = {
        "format": done.format,
        "files": {str(file): file.stat().st_size for file in done.files},
    }
    if done.comparison:
        compared = done.comparison
        found |= {
            "difference": done.difference,
            "tolerance": FORMATS[done.format].tolerance,
            "pictures": done.pictures,
            "part": compared.part,
            "samples": len(compared.before),
            "keras": compared.before.figures,
            "file": compared.after.figures,
        }
    return found

"""``edgecnn compile``: an int8 model for the Edge TPU, by the vendor's compiler."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.cli.options import json_option

if TYPE_CHECKING:
    from converters.edgetpu import Compiled


@click.command()
@click.argument("model", metavar="BUNDLE|MODEL", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="The folder to write, for a MODEL.")
@click.option("--compiler", metavar="PATH",  # as text: a Path would make ./NAME a NAME on the PATH
              help="Coral's edgetpu_compiler.  [EDGETPU_COMPILER, else the PATH]")  # fmt: skip
@click.option("--image", help="A container image that has it, run by docker or podman.")
@click.option("--timeout", "timeout_s", type=click.FloatRange(1), default=180,
              help="Seconds after which it is ended.")  # fmt: skip
@click.option("--replace", is_flag=True, help="A folder in --out gives way.")
@json_option
def command(model: Path, out: Path | None, replace: bool, as_json: bool, **options: Any) -> None:
    """Compile the models of BUNDLE, or MODEL, an int8 .tflite file, for the Edge TPU.

    The compiler is Coral's own and not part of edgecnn. The files that it makes of a bundle lie in
    the bundle afterwards, and edgecnn camera uses them where an Edge TPU answers. Of a single
    MODEL, --out gets the compiled file, MODEL itself for machines without an Edge TPU, the
    compiler's log, and a .json file with what the compiler drops: labels, input, quantisation,
    hashes. What was mapped is compared with what edgecnn preflight predicts.

    \b
    Example:
      edgecnn compile my-bundle
      edgecnn compile my-bundle --image my-coral-image --timeout 600
      edgecnn compile model.tflite --out compiled
    """
    from converters.edgetpu import compile_bundle, compile_model

    if model.is_dir():
        if out or replace:
            raise click.UsageError("--out and --replace are for a MODEL: a bundle keeps its place")
        done = compile_bundle(model, **options)
        if as_json:
            click.echo(json.dumps([one.as_dict() for one in done], indent=2))
            return
        for one in done:
            _tell(one)
        click.echo(f"{model}: edgecnn camera runs it on an Edge TPU where one answers")
        return
    if out is None:
        raise click.UsageError("Missing option '--out', the folder to write for a MODEL.")
    one = compile_model(model, out, replace=replace, **options)
    if as_json:
        click.echo(json.dumps(one.as_dict(), indent=2))
        return
    _tell(one)
    click.echo(f"for a CPU: {one.original}; what the compiler drops: {one.sidecar}")


def _tell(done: Compiled) -> None:
    """What came out, and where it is not as predicted."""
    facts = done.log.facts
    total = facts.get("total", len(done.prediction.operations))
    mapped = total if done.log.mapped() is None else done.log.mapped()
    click.echo(f"{done.folder / done.model}: {mapped} of {total} operations run on the Edge TPU, "
               f"by compiler {done.log.version or 'of unknown version'}")  # fmt: skip
    for row in done.log.rows:
        click.echo(f"  {row.operator:<31}{row.count:<6}{row.status}")
    if facts.get("streamed_bytes"):
        click.echo(f"  {facts['streamed_bytes']:,} bytes are sent again for each picture")
    for difference in done.differences:
        click.echo(f"  not as predicted: {difference}")

"""``edgecnn compile``: an int8 model for the Edge TPU, by the vendor's compiler."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from edgecnn.cli.options import json_option


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The folder to write.")
@click.option("--compiler", type=click.Path(path_type=Path),
              help="Coral's edgetpu_compiler.  [EDGETPU_COMPILER, else the PATH]")  # fmt: skip
@click.option("--image", help="A container image that has it, run by docker or podman.")
@click.option("--timeout", "timeout_s", type=click.FloatRange(1), default=180,
              help="Seconds after which it is ended.")  # fmt: skip
@click.option("--replace", is_flag=True, help="A folder in --out gives way.")
@json_option
def command(model: Path, as_json: bool, **options: Any) -> None:
    """Compile MODEL, an int8 .tflite file, for the Edge TPU.

    The compiler is Coral's own and not part of edgecnn. --out gets the compiled file, MODEL itself
    for machines without an Edge TPU, the compiler's log, and a .json file with what the compiler
    drops: labels, input, quantisation, hashes. What was mapped is compared with what edgecnn
    preflight predicts.

    \b
    Example:
      edgecnn compile my-bundle/model.tflite --out compiled
      edgecnn compile model.tflite --out compiled --image my-coral-image --timeout 600
    """
    from converters.edgetpu import compile_model

    done = compile_model(model, **options)
    if as_json:
        click.echo(json.dumps(done.as_dict(), indent=2))
        return
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
    click.echo(f"for a CPU: {done.original}; what the compiler drops: {done.sidecar}")

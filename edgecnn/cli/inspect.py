"""``edgecnn inspect``: what a network consists of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli.options import json_option
from edgecnn.errors import ModelError

if TYPE_CHECKING:
    from edgecnn.report.layers import Layer


def tables(path: Path) -> dict[str, list[Layer]]:
    """The layers of each network in a ``.keras`` or ``.tflite`` file, a run or a bundle, by file.

    Raises:
        ModelError: ``path`` is none of these, or a network in it does not load.
        BundleError: a bundle's files do not match its manifest.
    """
    from converters import flatbuffer
    from edgecnn.bundle import MANIFEST, Bundle
    from edgecnn.report.layers import keras_layers, load

    if (path / MANIFEST).is_file():
        entries = Bundle(path).manifest.models.values()
        files = [path / entry.file for entry in entries]
    elif (path / "run.json").is_file():
        files = [path / "model.keras"]
    elif path.suffix in (".keras", ".tflite"):
        files = [path]
    else:
        raise ModelError(
            f"expected a .keras or .tflite file, a run folder or a bundle. Received: {path}: "
            "name one of these"
        )
    found = {}
    for file in files:
        if file.suffix == ".tflite":
            found[file.name] = flatbuffer.layers(flatbuffer.read(file))
        else:
            from edgecnn import training

            training.start_keras()
            found[file.name] = keras_layers(load(file))
    return found


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@json_option
def command(model: Path, as_json: bool) -> None:
    """List the layers of MODEL: output shapes, parameters, multiply-accumulates, bytes.

    MODEL is a .keras or .tflite file, a run folder, or a bundle.

    \b
    Example:
      edgecnn inspect run
      edgecnn inspect my-bundle --json
    """
    from edgecnn.report.layers import as_dict, as_text

    found = tables(model)
    if as_json:
        click.echo(json.dumps({name: as_dict(rows) for name, rows in found.items()}, indent=2))
    else:
        click.echo("\n\n".join(f"{name}\n{as_text(rows)}" for name, rows in found.items()))

"""``edgecnn autopsy``: which layer of a run loses most in int8."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli.options import json_option

if TYPE_CHECKING:
    from converters.autopsy import Autopsy


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False),
              help="Where autopsy.html and autopsy.json go.  [RUN]")  # fmt: skip
@click.option("--pictures", type=click.IntRange(1), default=16,
              help="Held-out pictures to compare on.")  # fmt: skip
@click.option("--calibration", type=click.IntRange(1), default=256,
              help="Training pictures to calibrate on.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, help="Which pictures these are.")
@json_option
def command(
    run: Path, out: Path | None, pictures: int, calibration: int, seed: int, as_json: bool
) -> None:
    """Compare the network of RUN layer by layer in float and in int8: which layer hurts most?

    RUN is converted as by edgecnn convert and run on held-out pictures. Each layer has the ratio of
    signal to error in the running network, that of its own error, and that of the outputs were its
    error the only one; its share is of all layers' errors at the outputs.

    \b
    Example:
      edgecnn autopsy run
      edgecnn autopsy run --pictures 64 --out what-int8-loses --json
    """
    from converters import autopsy_report
    from converters.autopsy_run import autopsy

    found = autopsy(run, pictures=pictures, calibration_count=calibration, seed=seed)
    page = autopsy_report.write(out or run, found)
    if as_json:
        click.echo(json.dumps(autopsy_report.facts(found) | {"report": str(page)}, indent=2))
        return
    click.echo("\n".join(as_text(found)))
    click.echo(f"report  {page}: the layers that hurt most, with their histograms")


def as_text(found: Autopsy) -> Iterator[str]:
    """The layers in a table, then what there is to say."""
    from converters.autopsy import worst
    from converters.autopsy_advice import summary

    columns = ("SQNR", "own", "at outputs", "share", "cosine", "clipped")
    wide = max(len(row.name) for row in found.layers) + 2
    yield f"{'layer':<{wide}}{'operation':<19}{''.join(f'{c:>11}' for c in columns)}"
    hurts = worst(found.layers)
    for row in found.layers:
        yield (
            f"{row.name:<{wide}}{row.kind[:18]:<19}{row.sqnr_db:8.1f} dB{row.own_sqnr_db:8.1f} dB"
            f"{row.output_sqnr_db:8.1f} dB{100 * row.share:9.1f} %{row.cosine:11.4f}"
            f"{100 * row.activations.clipped:9.2f} %{'  <- worst' if row is hurts else ''}"
        )
    yield ""
    yield from summary(found)

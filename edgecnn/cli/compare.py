"""``edgecnn compare``: convolutional beside dense networks on one's own pictures."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.cli.options import json_option
from edgecnn.cli.train import channels
from edgecnn.errors import StorageError

if TYPE_CHECKING:
    from edgecnn.training.contest import Contender, Row
    from edgecnn.training.fit import Progress

RESULT, REPORT = "comparison.json", "report.html"


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Takes runs and page.")
@click.option("--cnn", "filters", type=channels, multiple=True, metavar="N,N,…",
              help="Filters of each stage; may be repeated.  [4,6 8,16 16,32,64]")  # fmt: skip
@click.option("--dense", "units", type=click.IntRange(1), multiple=True,
              help="Hidden units; may be repeated.  [16 64 256 1024]")  # fmt: skip
@click.option("--depths", type=channels, metavar="N,N,…", help="Also convolutional networks of so "
              "many layers: compact up to 10, residual above.")  # fmt: skip
@click.option(
    "--width", type=click.FloatRange(0, min_open=True), help="Of --depths: times filters."
)
@click.option("--epochs", type=click.IntRange(1), default=40, help="Rounds at most, for each.")
@click.option("--patience", type=click.IntRange(1), default=12, help="Rounds without progress.")
@click.option("--batch-size", type=click.IntRange(1), default=64, help="Pictures a step.")
@click.option("--augment/--no-augment", default=True, help="Change pictures while training.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Same seed, same result.")
@click.option("--resume", is_flag=True, help="Go on with what is in --out.")
@json_option
def command(
    data: Path, out: Path, resume: bool, as_json: bool, depths: list[int] | None,
    filters: tuple[list[int], ...], units: tuple[int, ...], width: float | None, **budget: Any,
) -> None:  # fmt: skip
    """Train convolutional and dense networks on DATA under the same budget, and compare them.

    DATA is a folder for each class. Pictures, split, seed, epochs and augmentation are the same
    for all. Prints parameters, multiply-accumulates, int8 bytes and accuracy on the test part, and
    which dense network it takes to be as accurate; leaves runs, int8 bundles and a page.

    \b
    Example:
      edgecnn compare digits --out digits-compared
      edgecnn compare digits --out deep --depths 5,10,30,100 --width 0.5 --epochs 20
      edgecnn compare photos --out compared --cnn 16,32,64 --dense 512 --no-augment
    """
    from converters import contest as held
    from edgecnn import training
    from edgecnn.cli.progress import shown
    from edgecnn.data.folders import keep_outside
    from edgecnn.storage import is_filled, write_json
    from edgecnn.training import contest
    from edgecnn.training import contest_report as report

    keep_outside(data, out)
    if is_filled(out) and not resume:
        raise StorageError(
            f"{out} is not empty: choose another --out, or go on with it by --resume"
        )
    taking_part = contest.contenders(
        filters or contest.CHANNELS, units or contest.UNITS, depths or (), width
    )
    training.start_keras()
    # Its warning about traced functions counts those of all networks in one process.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    rows: list[Row] = []
    with shown(to_stderr=as_json) as show:

        def progress(contender: Contender) -> Progress:
            return lambda step, done, of, figures: show(
                f"{contender.name}: {step}", done, of, figures
            )

        taken = held.hold(data, out, taking_part, budget, resume=resume, progress=progress)
        rows.extend(taken)
    found = {"data": str(data), "budget": budget, "networks": [row.as_dict() for row in rows],
             "verdicts": contest.verdicts(rows)}  # fmt: skip
    report.write(out / REPORT, f"Networks compared on {data.resolve().name}", rows, budget)
    write_json(out / RESULT, found)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    table = [report.HEADER, *(report.cells(row) for row in rows)]
    widths = [max(len(line[k]) for line in table) for k in range(len(report.HEADER))]
    for name, *numbers in table:
        padded = [n.rjust(w) for n, w in zip(numbers, widths[1:], strict=True)]
        click.echo("  ".join([name.ljust(widths[0]), *padded]))
    for line in found["verdicts"]:
        click.echo(line)
    click.echo(f"report: {out / REPORT}")

"""``edgecnn search``: the most accurate classifier that keeps a latency on a board."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click

from edgecnn.cli.options import Named, json_option, keys_of, results_option
from edgecnn.cli.train import size
from edgecnn.errors import DataError

RESULT, REPORT = "search.json", "report.html"


def milliseconds(text: str) -> float:
    """``15ms``, ``15`` or ``0.015s`` to 15."""
    found = re.fullmatch(r"([\d.]+) *(ms|s|)", text.strip())
    try:
        value = float(found[1]) * (1000 if found[2] == "s" else 1) if found else 0.0
    except ValueError:
        value = 0.0
    if not value > 0:
        raise DataError(f"expected a budget above 0 such as 15ms. Received: {text!r}")
    return value


def sizes(text: str) -> tuple[tuple[int, int], ...]:
    """``32,64`` or ``48x32,96x64`` to widths and heights."""
    found = [size(part) for part in text.split(",")]
    return tuple((s, s) if isinstance(s, int) else (s[0], s[1]) for s in found)


@click.command()
@click.argument("data", type=click.Path(path_type=str))
@click.option("--for", "board", type=Named("board", "devices", "BOARDS"), required=True,
              help="The board it will run on.")  # fmt: skip
@click.option("--budget", "budget_ms", type=milliseconds, required=True, metavar="MS",
              help="What a picture may take there: int8, one thread, such as 15ms.")  # fmt: skip
@results_option
@click.option("--out", type=click.Path(path_type=Path), help="The folder.  [runs/DATA-search]")
@click.option("--trials", type=click.IntRange(1), default=30, help="Networks to train, in all.")
@click.option("--jobs", type=click.IntRange(1), default=1, help="Processes that train at once.")
@click.option("--storage", metavar="URL", help="Optuna's, which processes and machines share: a "
              "database, or a path that ends in .log.  [sqlite:///OUT/search.db]")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on with the search in --storage, or take part.")
@click.option("--networks", type=keys_of("networks", "edgecnn.training.search_plan", "SPACE"),
              metavar="NAME,…", help="That are tried.  [compact,residual,separable]")  # fmt: skip
@click.option("--sizes", type=sizes, metavar="N|WxH,…", help="Inputs that are tried.  "
              "[what train would take, and smaller]")  # fmt: skip
@click.option("--folds", type=click.IntRange(2), default=4, help="Of the cross-validation.")
@click.option("--epochs", type=click.IntRange(1), default=15, help="Rounds for each fold.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Of the split, too: as train's.")
@click.option("--held-out", type=click.FloatRange(0, 0.5, True, True), default=0.15,
              help="The share for the test, never looked at: as train's.")  # fmt: skip
@click.option("--sampler", type=Named("sampler", "edgecnn.training.search_plan", "SAMPLERS"),
              default="tpe", help="How candidates are drawn.")  # fmt: skip
@click.option("--skip-broken", is_flag=True, help="Leave broken files out.")
@json_option
def command(
    data: str, board: str, results: Path | None, out: Path | None, jobs: int, resume: bool,
    storage: str | None, networks: list[str] | None, sizes: tuple[tuple[int, int], ...] | None,
    as_json: bool, **options: Any,
) -> None:  # fmt: skip
    """Find the most accurate network for the classes in DATA that keeps a latency on a board.

    Network, depth, width and input are chosen; one over the budget is never trained. Each is scored
    by cross-validation; edgecnn train's test pictures stay unseen. Leaves a page and a JSON file,
    and prints what trains the best one. After an interruption the same command with --resume goes
    on; with the same --storage other machines take part. Needs the extra search.

    \b
    Example:
      edgecnn search photos --for raspberry-pi-4 --budget 15ms
      edgecnn search photos --for raspberry-pi-4 --budget 15ms --results tables --jobs 4
      edgecnn search photos --for raspberry-pi-4 --budget 15ms --storage /nfs/cats.log --resume
    """
    from devices.latency import latencies
    from edgecnn import training
    from edgecnn.data.folders import keep_outside
    from edgecnn.storage import write_json
    from edgecnn.training import search_report
    from edgecnn.training.search_plan import SPACE, Plan, best

    out = out or Path("runs", f"{Path(data).resolve().name}-search")
    keep_outside(data, out)
    plan = Plan(
        data, latencies(board, results), storage=storage or f"sqlite:///{out / 'search.db'}",
        networks=tuple(networks or SPACE), sizes=sizes or (), **options,
    )  # fmt: skip
    training.start_keras()
    from edgecnn.training.search_run import as_dict, search

    try:
        trials = search(plan, jobs, resume=resume, note=lambda line: click.echo(line, err=as_json))
    except KeyboardInterrupt:
        click.echo("the same command with --resume goes on", err=True)
        raise
    chosen = best(trials)
    told = plan.command(chosen.candidate, out / "best")
    found = as_dict(plan, trials, chosen, told)
    write_json(out / RESULT, found)
    search_report.write(out / REPORT, plan, trials, told)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    click.echo(f"best of {len(trials)}: {chosen}")
    click.echo(f"report: {out / REPORT}")
    click.echo(told)

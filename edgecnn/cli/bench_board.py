"""``edgecnn bench`` of a whole board: options, and how the result is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from edgecnn.cli.options import Named, gathered

BOARD_SOAK_S = 300.0
_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)

board_options = gathered(
    "board",
    {
        "threads_each": click.option(
            "--threads-each",
            is_flag=True,
            help="Time one to four threads, each in a fresh process, cold and warm, with memory; "
            "say which to use.",
        ),
        "soak_s": click.option(
            "--soak-s",
            type=click.FloatRange(0, 86400),
            help="Then frame after frame for so long: does it grow hot and slow?  "
            "[0; with --on: 300]",
        ),
        "on": click.option(
            "--on", metavar="HOST", help="Do this on a board, as [user@]host[:port], over ssh."
        ),
        "identity": click.option(
            "--identity", type=_FILE, envvar="EDGECNN_IDENTITY", help="The private key for ssh."
        ),
        "inventory": click.option(
            "--inventory", type=_FILE, envvar="EDGECNN_INVENTORY", help="HOST is of this file."
        ),
        "out": click.option("--out", type=_FILE, help="Also write the result to this .json."),
        "table": click.option(
            "--table",
            type=Named("board", "devices", "HOSTS"),
            help="Time networks of all kinds and sizes, untrained, one thread: the table of "
            "latencies of such a board, for edgecnn search and networks. Here, or --on one.",
        ),
        "plot": click.option(
            "--plot",
            type=_FOLDER,
            metavar="DIR",
            help="Measure nothing: draw the results in DIR side by side, as DIR/boards.png.",
        ),
    },
    dict,
)
"""The command gets them as ``board``, a dict."""


def is_wanted(board: dict[str, Any]) -> bool:
    """Whether a board is to be measured, rather than the stages alone."""
    return any(board[name] for name in ("threads_each", "soak_s", "on", "out"))


def bench_board(bundle: Path, board: dict[str, Any], as_json: bool, **measured: Any) -> None:
    """Measure a board, here or over ssh, and show what came out."""
    soak_s = board["soak_s"]
    if board["on"]:
        from devices.bench import on_board
        from devices.hosts import choose

        if measured.pop("image"):
            raise click.UsageError("--image is a file here: leave it out with --on")
        hosts = choose([board["on"]], board["inventory"], board["identity"])
        if len(hosts) != 1:
            raise click.UsageError(f"--on takes one board; {board['on']} names {len(hosts)}")
        soak_s = BOARD_SOAK_S if soak_s is None else soak_s
        found = on_board(hosts[0], bundle, soak_s=soak_s, note=_note, **measured)
    else:
        from edgecnn.camera.bench import measure_board

        found = measure_board(bundle, soak_s=soak_s or 0.0, note=_note, **measured)
    if board["out"]:
        _write(board["out"], found)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        show(found)


def bench_table(board: dict[str, Any], runs: int) -> None:
    """Measure a table of latencies, here or over ssh, and write it."""
    from converters import latency
    from edgecnn.camera.machine import machine
    from edgecnn.report.latency import agreement, left_out, write_table

    if not board["out"]:
        raise click.UsageError(f"say where the table goes: --out tables/{board['table']}.json")
    if board["on"]:
        from devices.bench import time_of
        from devices.hosts import choose

        hosts = choose([board["on"]], board["inventory"], board["identity"])
        if len(hosts) != 1:
            raise click.UsageError(f"--on takes one board; {board['on']} names {len(hosts)}")
        facts, time = {}, time_of(hosts[0], runs)
    else:
        facts, time = {"machine": machine()}, latency.here(runs)
    rows = latency.measure(time, _note)
    write_table(board["out"], board["table"], {**facts, "threads": 1, "runs": runs}, rows)
    names, measured, predicted = zip(*left_out(rows), strict=True)
    click.echo(f"{'network':<40}{'ms':>10}{'fitted to the others':>22}")
    for name, ms, guess in zip(names, measured, predicted, strict=True):
        click.echo(f"{name:<40}{ms:>10.3f}{guess:>22.3f}")
    held = agreement(measured, predicted)
    click.echo(
        f"rank correlation {held['rank_correlation']:.3f}, median ratio "
        f"{held['median_ratio']:.2f}, worst {held['worst']:.2f} times"
    )
    click.echo(f"the table is in {board['out']}")


def show(found: dict[str, Any]) -> None:
    """As text."""
    machine = found["machine"]
    memory = f"{machine['memory_mb']} MB" if machine["memory_mb"] else "memory not told"
    click.echo(
        f"{machine['model'] or machine['processor'] or 'a machine'}: {machine['architecture']}, "
        f"{machine['processors']} processors, {memory}, {machine['system']}, {machine['runtime']}"
    )
    click.echo(f"{'threads  stage':<18}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}{'first ms':>10}")
    for count, took in found["threads"].items():
        cold = {**took["cold"]["stages_ms"], "total": took["cold"]["first_frame_ms"]}
        for stage, ms in took["stages"].items():
            values = (ms["p50_ms"], ms["p95_ms"], ms["p99_ms"], cold[stage])
            click.echo(f"{count:>7}  {stage:<9}" + "".join(f"{v:>10.2f}" for v in values))
        if took["peak_mb"]:
            click.echo(f"{count:>7}  memory, at its peak {took['peak_mb']:.0f} MB")
    click.echo()
    for line in found["says"]:
        click.echo(line)


def draw(folder: Path) -> None:
    """Write the picture of a folder's results."""
    from edgecnn.report.board_results import read_all
    from edgecnn.report.boards import plot
    from edgecnn.storage import whole_file

    picture = plot(read_all(folder))
    with whole_file(folder / "boards.png") as draft:
        draft.write_bytes(picture)
    click.echo(f"{folder / 'boards.png'}")


def _write(path: Path, found: dict[str, Any]) -> None:
    from edgecnn.storage import whole_file

    with whole_file(path) as draft:
        draft.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    _note(f"the result is in {path}")


def _note(line: str) -> None:
    click.echo(f"edgecnn: {line}", err=True)

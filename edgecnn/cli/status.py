"""``edgecnn status``: how boards are."""

from __future__ import annotations

from typing import Any

import click

from edgecnn.cli.host_options import hosts_options, report, run
from edgecnn.cli.options import json_option


@click.command()
@hosts_options
@json_option
def command(to: dict[str, Any], as_json: bool) -> None:
    """Tell of boards: release, uptime, CPU or Edge TPU, frame rate, latency, heat, free disk.

    Ends with 2 where a board is not reached or its camera does not run.

    \b
    Example:
      edgecnn status pi@192.168.1.20
      edgecnn status --inventory boards.toml --json
    """
    from devices.manage import COLUMNS, row, status

    outcomes = run(to, status, "status")
    if not as_json:
        table = [COLUMNS, *(row(n, dict(o.facts)) for n, o in outcomes.items() if o.facts)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        for line in table if len(table) > 1 else []:
            click.echo("  ".join(f"{c:{w}}" for c, w in zip(line, widths, strict=True)).rstrip())
        for name, outcome in outcomes.items():
            if outcome.state == "failed":
                click.echo(f"{name}: {outcome.told}", err=True)
        raise SystemExit(2 if any(o.state == "failed" for o in outcomes.values()) else 0)
    report(outcomes, as_json)

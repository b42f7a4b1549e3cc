"""``edgecnn undeploy``: nothing of edgecnn on boards any more."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from edgecnn.cli.host_options import hosts_options, report, run
from edgecnn.cli.options import json_option


@click.command()
@hosts_options
@click.option("--people", is_flag=True, help="Remove the people enrolled and the events, too.")
@json_option
def command(to: dict[str, Any], people: bool, as_json: bool) -> None:
    """Take edgecnn off boards: service, user and releases.

    Ends with 2 where a board failed.

    \b
    Example:
      edgecnn undeploy pi@192.168.1.20
      edgecnn undeploy pi@192.168.1.20 --people
    """
    from devices.manage import undeploy

    report(run(to, partial(undeploy, people=people), "undeploy"), as_json)

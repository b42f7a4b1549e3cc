"""``edgecnn promote``: what ran beside takes over."""

from __future__ import annotations

from typing import Any

import click

from edgecnn.cli.host_options import hosts_options, report, run
from edgecnn.cli.options import json_option


@click.command()
@hosts_options
@json_option
def command(to: dict[str, Any], as_json: bool) -> None:
    """Have the release of deploy --shadow take the place of the current one.

    Ends with 2 where a board failed, which then runs what it ran.

    \b
    Example:
      edgecnn promote pi@192.168.1.20
    """
    from devices.manage import promote

    report(run(to, promote, "promote"), as_json)

"""``edgecnn rollback``: boards back to what ran before."""

from __future__ import annotations

from typing import Any

import click

from edgecnn.cli.host_options import hosts_options, report, run
from edgecnn.cli.options import json_option


@click.command()
@hosts_options
@json_option
def command(to: dict[str, Any], as_json: bool) -> None:
    """Have boards run the good release before the current one again.

    The people enrolled stay as they are. Ends with 2 where a board failed.

    \b
    Example:
      edgecnn rollback pi@192.168.1.20
      edgecnn rollback garden --inventory boards.toml
    """
    from devices.manage import rollback

    report(run(to, rollback, "rollback"), as_json)

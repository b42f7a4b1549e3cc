"""``edgecnn doctor``: what a machine is and has, and what to do about what is missing."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli.options import json_option

if TYPE_CHECKING:
    from devices.finding import Finding


@click.command()
@click.argument("host", required=False, metavar="[HOST]")
@click.option(
    "--identity",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="EDGECNN_IDENTITY",
    show_envvar=True,
    help="The private key for ssh.  [those of ssh, and its agent's]",
)
@click.option(
    "--accept-new", is_flag=True, help="Take the host key of a machine not known here yet."
)
@json_option
def command(host: str | None, identity: Path | None, accept_new: bool, as_json: bool) -> None:
    """Say what a machine is and has, whether recognition and a deploy work, and what to do.

    HOST is [user@]host[:port], looked at over ssh, where edgecnn need not be installed; without it,
    this machine. Nothing is changed.

    Ends with 0 where recognition works on this machine, or a deploy to HOST would, with 1 where it
    does not, and with 2 where HOST is not reached.

    \b
    Example:
      edgecnn doctor
      edgecnn doctor pi@hall.local --json
    """
    from devices.diagnosis import diagnose

    found = diagnose(host, identity, accept_new)
    if as_json:
        findings = [asdict(f) for f in found.findings]
        report = {"works": found.works, "deploys": found.deploys, "board": found.board}
        click.echo(json.dumps({**report, "findings": findings}, indent=2))
    else:
        for line in _lines(found.findings):
            click.echo(line)
        click.echo(f"\n{found.verdict}")
    if not found.well:
        raise SystemExit(1)


def _lines(findings: list[Finding]) -> list[str]:
    width = max(len(f.topic) for f in findings)
    lines = []
    for f in findings:
        lines.append(f"{f.state:7}  {f.topic:{width}}  {f.found}")
        if f.cure:
            lines.append(f"{'':7}  {'':{width}}  -> {f.cure}")
    return lines

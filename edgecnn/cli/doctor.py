"""``edgecnn doctor``: what a machine has, and what to do about what is missing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli.options import json_option

if TYPE_CHECKING:
    from devices.finding import Finding


@click.command()
@click.argument("host", required=False)
@click.option("--identity", type=click.Path(path_type=Path, dir_okay=False),
              envvar="EDGECNN_IDENTITY", show_envvar=True,
              help="The private key for ssh.  [those of ssh, and its agent's]")  # fmt: skip
@click.option("--accept-new", is_flag=True,
              help="Take the host key of a board not known here yet.")  # fmt: skip
@json_option
def command(host: str | None, identity: Path | None, accept_new: bool, as_json: bool) -> None:
    """Say what a machine is and has, what is wrong, and what to do about it.

    Without HOST, this machine: ends with 0 where recognition works on it, and with 1 where it does
    not. With HOST, [user@]host[:port], a board reached over ssh, which needs nothing but Python:
    ends with 0 where a deploy would work, with 1 where it would not, and with 2 where it is not
    reached. Nothing is changed there.

    \b
    Example:
      edgecnn doctor
      edgecnn doctor pi@192.168.1.20 --json
    """
    from devices.finding import DEPLOY, RECOGNITION, works

    findings = _findings(host, identity, accept_new)
    if as_json:
        report = {
            "host": host,
            "works": works(findings, RECOGNITION),
            "deploys": works(findings, DEPLOY) if host else None,
            "findings": [asdict(f) for f in findings],
        }
        click.echo(json.dumps(report, indent=2))
    else:
        _tell(findings)
    well = works(findings, DEPLOY if host else RECOGNITION)
    if not as_json and host:
        click.echo(f"\nA deploy to {host} would {'' if well else 'not '}work.")
    elif not as_json:
        click.echo(f"\nRecognition {'works' if well else 'does not work'} on this machine.")
    if not well:
        raise SystemExit(1)


def _findings(host: str | None, identity: Path | None, accept_new: bool) -> list[Finding]:
    from devices import doctor

    if host is None:
        return doctor.judge(doctor.here())
    from devices.hosts import choose
    from devices.ssh import facts_of

    facts, now_s = facts_of(choose([host], key=identity)[0], accept_new)
    return doctor.judge(facts, remote=True, now_s=now_s)


def _tell(findings: Sequence[Finding]) -> None:
    width = max(len(f.topic) for f in findings)
    for f in findings:
        click.echo(f"{f.state:7}  {f.topic:{width}}  {f.found}")
        if f.cure:
            click.echo(f"{'':7}  {'':{width}}  -> {f.cure}")

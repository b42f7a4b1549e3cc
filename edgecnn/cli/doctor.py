"""``edgecnn doctor``: what is installed here, and what to do about what is missing."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from edgecnn.cli.options import json_option


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Say what is installed, which run time and cameras are there, and what to do.

    Ends with 0 where recognition works on this machine, and with 1 where it does not.

    \b
    Example:
      edgecnn doctor
      edgecnn doctor --json
    """
    from devices.probe import probe, works

    findings = probe()
    if as_json:
        report = {"works": works(findings), "findings": [asdict(f) for f in findings]}
        click.echo(json.dumps(report, indent=2))
    else:
        width = max(len(f.topic) for f in findings)
        for f in findings:
            click.echo(f"{f.state:7}  {f.topic:{width}}  {f.found}")
            if f.cure:
                click.echo(f"{'':7}  {'':{width}}  -> {f.cure}")
        says = "works" if works(findings) else "does not work"
        click.echo(f"\nRecognition {says} on this machine.")
    if not works(findings):
        raise SystemExit(1)

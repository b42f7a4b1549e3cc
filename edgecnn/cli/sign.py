"""``edgecnn sign``: a bundle that its boards take from nobody else."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--key",
    type=click.Path(path_type=Path, dir_okay=False),
    default="~/.ssh/id_ed25519",
    help="A private key of OpenSSH, or the public one of a key in the agent.",
)
def command(bundle: Path, key: Path) -> None:
    """Sign BUNDLE with a key of OpenSSH.

    A board with an owner (edgecnn deploy --owner) refuses bundles that they did not sign.

    \b
    Example:
      edgecnn sign my-bundle --key ~/.ssh/id_ed25519
    """
    from devices.sign import sign

    click.echo(sign(bundle, key.expanduser()))

"""``edgecnn deploy``: a bundle to boards, over ssh."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from edgecnn.cli.host_options import chosen, hosts_options, report
from edgecnn.cli.options import json_option


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@hosts_options
@click.option("--source", default="0", help="The boards' camera, as edgecnn camera takes it.")
@click.option(
    "--camera",
    metavar="OPTIONS",
    help="More options of edgecnn camera, in one pair of quotes: files are the board's.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be sent and done; change nothing.")
@click.option(
    "--canary", type=click.IntRange(0), default=0, help="So many boards first, the rest if healthy."
)
@click.option(
    "--watch-s", type=click.FloatRange(0), default=60, help="How long the first are watched."
)
@click.option("--shadow", is_flag=True, help="Run it beside what runs, until edgecnn promote.")
@click.option(
    "--sign",
    "key",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Sign the bundle with this private key of OpenSSH first.",
)
@click.option(
    "--owner",
    type=click.Path(path_type=Path, dir_okay=False),
    help="From now on, boards without an owner take only what this public key's owner signed.",
)
@click.option(
    "--health-s", type=click.FloatRange(1), default=60, help="Within it the camera must be healthy."
)
@click.option("--keep", type=click.IntRange(1), default=3, help="How many releases a board keeps.")
@click.option("--fresh", is_flag=True, help="Look for newer wheels than those of the last time.")
@json_option
def command(
    bundle: Path,
    to: dict[str, Any],
    source: str,
    camera: str | None,
    dry_run: bool,
    canary: int,
    watch_s: float,
    shadow: bool,
    key: Path | None,
    owner: Path | None,
    health_s: float,
    keep: int,
    fresh: bool,
    as_json: bool,
) -> None:
    """Run BUNDLE on boards: [user@]host[:port], or what an inventory names.

    The board needs ssh, Python 3.10 or newer and a user who may become root; no internet, no
    compiler. It tests the bundle, switches to it, and goes back by itself where the camera does
    not become healthy. Who is enrolled there stays. What is there already is not sent again. Ends
    with 2 where a board failed; the others are done, and the next run does the rest.

    \b
    Example:
      edgecnn deploy my-bundle pi@192.168.1.20
      edgecnn deploy my-bundle pi@hall.local --board raspberry-pi-5 --dry-run
      edgecnn deploy my-bundle --inventory boards.toml --canary 2
      edgecnn deploy my-bundle pi@hall.local --camera="--mqtt mqtt://broker.lan"
      edgecnn deploy my-bundle garden --inventory boards.toml --sign ~/.ssh/id_ed25519
    """
    from devices import fleet
    from devices.deploy import Deploy, Plan
    from devices.sign import owners, sign

    hosts = chosen(to)
    arguments = ["--source", source, *_checked(camera or "")]
    if key and not dry_run:
        sign(bundle, key)
    plan = Plan(
        bundle=bundle,
        camera=arguments,
        owner=owners(owner) if owner else "",
        shadow=shadow,
        canary=canary,
        watch_s=watch_s,
        health_s=health_s,
        keep=keep,
        fresh=fresh,
        dry_run=dry_run,
    )

    def tell(name: str, text: str) -> None:
        click.echo(f"{name}: {text}", err=True)

    deploy = Deploy(plan, tell)
    outcomes = fleet.run(
        hosts,
        deploy.steps(hosts),
        accept_new=to["accept_new"],
        tell=lambda name, outcome: tell(name, outcome.state) if len(hosts) > 1 else None,
    )
    report(outcomes, as_json)


def _checked(text: str) -> list[str]:
    """The words of ``--camera``, which ``edgecnn camera`` has to understand."""
    from edgecnn.cli.camera import command as camera

    try:
        words = shlex.split(text)
        context = click.Context(camera, info_name="edgecnn camera")
        values, more, _ = camera.make_parser(context).parse_args(["bundle", *words])
    except (ValueError, click.UsageError) as e:
        reason = e.message if isinstance(e, click.UsageError) else e
        raise click.BadParameter(f"edgecnn camera does not take {text!r}: {reason}") from e
    if more or "source" in values:
        what = more[0] if more else "--source, which is an option of deploy itself"
        raise click.BadParameter(f"edgecnn camera does not take {text!r}: {what}")
    return words

"""Which boards a command is about, and how their answers are shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.cli.options import Named, gathered

if TYPE_CHECKING:
    from devices.fleet import Outcome

_FILE = click.Path(path_type=Path, dir_okay=False)

hosts_options = gathered(
    "to",
    {
        "hosts": click.argument("hosts", nargs=-1, metavar="HOST..."),
        "inventory": click.option(
            "--inventory",
            type=_FILE,
            envvar="EDGECNN_INVENTORY",
            show_envvar=True,
            help="Boards by name, in TOML; HOST may then be a name or a group, none means all.",
        ),
        "identity": click.option(
            "--identity",
            type=_FILE,
            envvar="EDGECNN_IDENTITY",
            show_envvar=True,
            help="The private key for ssh.  [those of ssh, and its agent's]",
        ),
        "board": click.option(
            "--board", type=Named("board", "devices", "BOARDS"), help="What the boards must be."
        ),
        "accept_new": click.option(
            "--accept-new", is_flag=True, help="Take the host key of a board not known here yet."
        ),
    },
    dict,
)
"""The boards; a command gets them as ``to``, a dict for :func:`chosen` and :func:`run`."""


def chosen(to: Mapping[str, Any]) -> list[Any]:
    """The boards that are meant, see :func:`devices.hosts.choose`."""
    from devices.hosts import choose

    return choose(to["hosts"], to["inventory"], to["identity"], to["board"])


def run(
    to: Mapping[str, Any], steps: Sequence[Any] | Callable[..., Any], title: str = ""
) -> dict[str, Outcome]:
    """Take boards through steps, or through one that is the same for all."""
    from devices import fleet

    hosts = chosen(to)
    if callable(steps):
        steps = [(title, [host.name for host in hosts], steps)]
    return fleet.run(hosts, steps, accept_new=to["accept_new"])


def report(outcomes: Mapping[str, Outcome], as_json: bool = False) -> None:
    """Print what became of each board; exit code 2 where one failed."""
    if as_json:
        facts = {
            name: {"state": outcome.state, "told": outcome.told, **outcome.facts}
            for name, outcome in outcomes.items()
        }
        click.echo(json.dumps(facts, indent=2))
    else:
        width = max(map(len, outcomes), default=0)
        for name, outcome in outcomes.items():
            click.echo(f"{name:{width}}  {outcome.state:9}  {outcome.told}")
        failed = sum(outcome.state == "failed" for outcome in outcomes.values())
        if len(outcomes) > 1:
            well = len(outcomes) - failed
            click.echo(
                f"\n{well} of {len(outcomes)} boards" + (f", {failed} failed" * bool(failed))
            )
    if any(outcome.state == "failed" for outcome in outcomes.values()):
        raise SystemExit(2)

"""``edgecnn prune``: events and recordings are kept for so long and no longer."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import click


class Age(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.4 on
    """``30d``, ``12h``: days or hours."""

    name = "age"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """The age as a span of time."""
        found = re.fullmatch(r"(\d{1,5})([dh])", value.strip())
        if not found:
            self.fail(f"expected an age such as 30d or 12h. Received: {value}", param, ctx)
        hours = int(found[1]) * (24 if found[2] == "d" else 1)
        return timedelta(hours=hours)

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """For the help."""
        return "30d|12h"


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--older-than", type=Age(), required=True, help="What is older goes.")
def command(paths: tuple[Path, ...], older_than: timedelta) -> None:
    """Remove events and recordings that are older, in files and folders; nothing else goes.

    An event is as old as it says, and its file is written anew without it; a video or tape is as
    old as its last change. A file that a camera is writing to is left, and said: let the camera
    rotate its events, or stop it. To be run once a day by cron or a timer.

    \b
    Example:
      edgecnn prune events.jsonl recordings --older-than 30d
    """
    from edgecnn.privacy.prune import prune

    done = prune(paths, older_than)
    for path, count in done.lines.items():
        whole = ", all of them: removed" if path in done.emptied else ""
        click.echo(f"{path}: {count} events taken out{whole}")
    for path in done.recordings:
        click.echo(f"{path}: removed")
    for path in done.busy:
        click.echo(f"edgecnn: {path} is being written to, and was left as it is", err=True)
    for path in done.unlisted:
        click.echo(f"edgecnn: {path} cannot be listed: what is in it was left as it is", err=True)
    if not (done.lines or done.recordings or done.busy or done.unlisted):
        click.echo("nothing is older")

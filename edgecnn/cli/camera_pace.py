"""Options of ``edgecnn camera`` on how fast it goes and where the time went, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from edgecnn.camera.pipeline import Stats

Command = TypeVar("Command", bound=Callable[..., Any])

TABLE_ONLY = "-"


def pace_options(command: Command) -> Command:
    """``--full-rate`` and ``--profile``."""
    for option in (
        click.option(
            "--profile",
            is_flag=False,
            flag_value=TABLE_ONLY,
            metavar="[FILE.png]",
            help="Show where the time went: a table, and a picture where a file is named.",
        ),
        click.option(
            "--full-rate",
            is_flag=True,
            help="Recognise every frame, also where nothing moves or the board grows hot.",
        ),
    ):
        command = option(command)
    return command


def picture_of(profile: str | None) -> Path | None:
    """Where the picture of a profile goes, checked before anything runs.

    Raises:
        DataError: the name is not one of a picture.
    """
    if profile is None or profile == TABLE_ONLY:
        return None
    from edgecnn.camera.profile import check

    return check(Path(profile))


def report(stats: Stats, say: Callable[[str], object]) -> None:
    """What was passed over, slowed down or dropped; nothing where nothing was."""
    pace, governor = stats.pace, stats.pace.governor
    if pace.still:
        say(f"  {pace.still} frames in which nothing moved were passed over")
    if governor and governor.lowered and governor.lowest_fps:
        say(
            f"  the rate was lowered {governor.lowered} times to spare the board, down to "
            f"{governor.lowest_fps:.1f} frames a second; {pace.rested} frames were passed over"
        )
    for name, count in stats.dropped.items():
        say(f"  {name}: {count} frames were left out, since it was slower than the camera")


def report_profile(
    stats: Stats, profile: str | None, source: str, say: Callable[[str], object]
) -> None:
    """The table, and the picture.

    Raises:
        StorageError: the picture could not be written.
    """
    if profile is None:
        return
    from edgecnn.camera.profile import table, write
    from edgecnn.camera.sources import masked

    for line in table(stats.stages):
        say(line)
    path = picture_of(profile)
    if path and stats.frames:
        title = f"{masked(source)}: {stats.frames:,} frames, {stats.fps:.1f} a second"
        write(stats.stages, path, title)
        say(f"the same as a picture: {path}")

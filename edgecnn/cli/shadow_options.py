"""Options of ``edgecnn camera`` about a second model beside the first, and what it came to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli.options import gathered

if TYPE_CHECKING:
    from edgecnn.camera.pipeline import Stats
    from edgecnn.camera.shadow import Wanted


def _wanted(
    shadow: Path | None, shadow_gallery: Path | None, shadow_pictures: Path | None
) -> Wanted | None:
    if shadow is None:
        if shadow_gallery or shadow_pictures:
            raise click.UsageError("--shadow-gallery and --shadow-pictures need --shadow BUNDLE")
        return None
    from edgecnn.camera.shadow import Wanted

    return Wanted(shadow, shadow_gallery, shadow_pictures)


shadow_options = gathered(
    "shadow",
    {
        "shadow": click.option(
            "--shadow",
            type=click.Path(path_type=Path),
            help="Run this bundle beside BUNDLE on the same frames, and compare; it decides "
            "nothing.",
        ),
        "shadow_gallery": click.option(
            "--shadow-gallery",
            type=click.Path(path_type=Path),
            help="The people for --shadow, where its embedder is another.  [default: its own]",
        ),
        "shadow_pictures": click.option(
            "--shadow-pictures",
            type=click.Path(path_type=Path, file_okay=False),
            help="Keep a few pictures of disagreements there, faces and names as they are.",
        ),
    },
    _wanted,
)
"""The three options, handed on as one argument ``shadow``."""


def report_shadow(stats: Stats, shadow: Wanted | None, say: Callable[[str], object]) -> None:
    """What the second model came to; nothing without one."""
    if shadow is None or stats.shadow is None:
        return
    from edgecnn.camera.shadow import words

    for line in words(stats.shadow, str(shadow.bundle)):
        say(line)

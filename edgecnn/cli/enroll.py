"""``edgecnn enroll``: a person's photos into the gallery."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli.key_options import key_options
from edgecnn.cli.options import gallery_option
from edgecnn.errors import DataError

if TYPE_CHECKING:
    from edgecnn.faces.vault import Key


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("name")
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@gallery_option
@key_options
@click.option("--force", is_flag=True, help="Use photos that look like somebody else, as twins'.")
def command(
    bundle: Path,
    name: str,
    photos: tuple[Path, ...],
    gallery: Path | None,
    key: Key | None,
    force: bool,
) -> None:
    """Teach the bundle who NAME is, from one PHOTO or more with one face each.

    Says of each photo what became of it. Where none can be used, nothing is written. A photo that
    adds nothing to the others is redundant and not kept. A camera that is running knows NAME from
    its next frame on. An adaptation that train --adapt made was proved without NAME and goes.

    \b
    Example:
      edgecnn enroll my-bundle "Ann Example" ann1.jpg ann2.jpg ann3.jpg
    """
    from edgecnn.bundle import Bundle
    from edgecnn.faces.enrol import enrol
    from edgecnn.faces.photo import USED

    opened = Bundle(bundle)
    place = gallery or opened.gallery
    looked_at = enrol(opened, place, name, photos, force=force, key=key)
    for photo in looked_at:
        click.echo(f"{photo.source}: {photo.fate}")
    used = sum(photo.fate == USED for photo in looked_at)
    if not any(photo.usable for photo in looked_at):
        raise DataError(
            f"none of {len(photos)} photos of {name} can be used, nothing was written: give "
            "photos with one sharp face each, or --force where they look like someone else"
        )
    click.echo(f"{name}: {used} of {len(photos)} photos used, in {place}")

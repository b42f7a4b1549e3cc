"""``edgecnn teach``: whom a face is not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli.key_options import key_options
from edgecnn.cli.options import gallery_option

if TYPE_CHECKING:
    from edgecnn.faces.vault import Key


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("photo", type=click.Path(path_type=Path))
@click.option("--not", "name", metavar="NAME", required=True, help="Whose face it is not.")
@click.option("--remove", is_flag=True, help="Take it back: PHOTO as edgecnn people list shows it.")
@gallery_option
@key_options
def command(
    bundle: Path, photo: Path, name: str, remove: bool, gallery: Path | None, key: Key | None
) -> None:
    """Teach the bundle that the one face on PHOTO is not NAME's, for a look-alike.

    A face that is nearer to it than to NAME is not called NAME from then on, by a running camera
    from its next frame on. What it is called instead is not said: enroll the person for that.

    \b
    Example:
      edgecnn teach my-bundle --not Ann her-sister.jpg
      edgecnn teach my-bundle --not Ann her-sister.jpg --remove
    """
    from edgecnn.bundle import Bundle
    from edgecnn.faces.embed import fingerprint
    from edgecnn.faces.enrol import teach
    from edgecnn.faces.gallery import Gallery

    opened = Bundle(bundle)
    place = gallery or opened.gallery
    if remove:
        with Gallery(place, fingerprint(opened), key=key) as people:
            people.unteach(name, photo.name)
        click.echo(f"{photo.name} is no longer taught as not {name}")
        return
    score = teach(opened, place, name, photo, key=key)
    click.echo(
        f"{photo.name} is not {name} from now on ({score:.2f} like {name}; named from "
        f"{opened.threshold:.2f} on)"
    )

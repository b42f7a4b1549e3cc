"""``edgecnn people``: who is in a gallery, and changes to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.cli.key_options import key_options
from edgecnn.cli.options import gallery_option, json_option
from edgecnn.cli.people_forget import forget, traces
from edgecnn.cli.people_key import decrypt, encrypt, rekey
from edgecnn.cli.place import place_of
from edgecnn.errors import EdgeCNNError

if TYPE_CHECKING:
    from edgecnn.faces.gallery import Gallery
    from edgecnn.faces.vault import Key


def _where(function: Callable[..., None]) -> Callable[..., None]:
    """The argument and the options that say which gallery, and what opens it."""
    bundle = click.argument("bundle", type=click.Path(path_type=Path))
    return bundle(gallery_option(key_options(function)))


def _open(bundle: Path, gallery: Path | None, key: Key | None) -> Gallery:
    from edgecnn.faces.gallery import Gallery

    return Gallery(*place_of(bundle, gallery), key=key)


@click.group()
def command() -> None:
    """Who is enrolled: list, rename, forget, export, import, and the key of it all.

    BUNDLE is a bundle for faces, or the file of a gallery itself.

    \b
    Example:
      edgecnn people list my-bundle
    """


for _subcommand in (forget, traces, encrypt, decrypt, rekey):
    command.add_command(_subcommand)


@command.command("list")
@_where
@json_option
def list_(bundle: Path, gallery: Path | None, key: Key | None, as_json: bool) -> None:
    """Everybody: how many photos, their mean quality (0 to 1), when the first came, look-alikes.

    \b
    Example:
      edgecnn people list my-bundle --json
    """
    from edgecnn.faces.gallery import Gallery

    place, sha = place_of(bundle, gallery)
    people: list[dict[str, Any]] = []
    if gallery is not None or place.exists():  # a new bundle has no gallery yet: nobody
        with Gallery(place, sha, key=key) as opened:
            people = [asdict(p) for p in opened.people()]
    if as_json:
        click.echo(json.dumps(people, indent=2, ensure_ascii=False))
    for p in [] if as_json else people:
        photos = f"{p['embeddings']} photo{'s' if p['embeddings'] != 1 else ''}"
        look_alikes = f"; not {', '.join(p['negatives'])}" if p["negatives"] else ""
        click.echo(
            f"{p['name']}: {photos}, quality {p['quality']:.2f}, since {p['since']}{look_alikes}"
        )
    if not people and not as_json:
        click.echo("nobody is enrolled: edgecnn enroll adds somebody")


@command.command()
@_where
@click.argument("old")
@click.argument("new")
def rename(bundle: Path, gallery: Path | None, key: Key | None, old: str, new: str) -> None:
    """Give OLD the name NEW, which nobody may have.

    \b
    Example:
      edgecnn people rename my-bundle Ann "Ann Example"
    """
    with _open(bundle, gallery, key) as opened:
        opened.rename(old, new)
    click.echo(f"{old} is {new} now")


@command.command("export")
@_where
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def export_(bundle: Path, gallery: Path | None, key: Key | None, file: Path) -> None:
    """Write everybody's embeddings to FILE, as JSON, for another board with the same embedder.

    \b
    Example:
      edgecnn people export my-bundle people.json
    """
    from edgecnn.faces.exchange import export_people

    with _open(bundle, gallery, key) as opened:
        count = export_people(opened, file)
        plain = " and which is not encrypted" if opened.encrypted else ""
    click.echo(f"{count} people in {file}, which only you can read{plain}")


@command.command("import")
@_where
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def import_(bundle: Path, gallery: Path | None, key: Key | None, file: Path) -> None:
    """Add everybody in FILE, made by edgecnn people export; all or nobody.

    \b
    Example:
      edgecnn people import my-bundle people.json
    """
    from edgecnn.faces.exchange import import_people
    from edgecnn.faces.gallery import Gallery

    place, sha = place_of(bundle, gallery)
    is_new = not place.exists()
    try:
        with Gallery(place, sha, create=True, key=key) as opened:
            count = import_people(opened, file)
    except EdgeCNNError:
        if is_new:  # nobody came in
            place.unlink(missing_ok=True)
        raise
    click.echo(f"{count} embeddings are new in {place}")

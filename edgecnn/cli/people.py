"""``edgecnn people``: who is in a gallery, and changes to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.cli.options import gallery_option, json_option

if TYPE_CHECKING:
    from edgecnn.faces.gallery import Gallery


def _where(function: Callable[..., None]) -> Callable[..., None]:
    """The argument and the option that say which gallery."""
    return click.argument("bundle", type=click.Path(path_type=Path))(gallery_option(function))


def _place(bundle: Path, gallery: Path | None) -> tuple[Path, str | None]:
    """The gallery's file, and the embedder it must be of: any where BUNDLE is a gallery itself."""
    from edgecnn.bundle import Bundle
    from edgecnn.faces.embed import fingerprint

    if bundle.is_file():
        return gallery or bundle, None
    opened = Bundle(bundle)
    return gallery or opened.gallery, fingerprint(opened)


def _open(bundle: Path, gallery: Path | None) -> Gallery:
    from edgecnn.faces.gallery import Gallery

    return Gallery(*_place(bundle, gallery))


@click.group()
def command() -> None:
    """Who is enrolled: list, rename, forget, export, import.

    BUNDLE is a bundle for faces, or the file of a gallery itself.

    \b
    Example:
      edgecnn people list my-bundle
    """


@command.command("list")
@_where
@json_option
def list_(bundle: Path, gallery: Path | None, as_json: bool) -> None:
    """Everybody: how many photos, their mean quality (0 to 1), when the first came, look-alikes.

    \b
    Example:
      edgecnn people list my-bundle --json
    """
    from edgecnn.faces.gallery import Gallery

    place, sha = _place(bundle, gallery)
    people: list[dict[str, Any]] = []
    if gallery is not None or place.exists():  # a new bundle has no gallery yet: nobody
        with Gallery(place, sha) as opened:
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
def rename(bundle: Path, gallery: Path | None, old: str, new: str) -> None:
    """Give OLD the name NEW, which nobody may have.

    \b
    Example:
      edgecnn people rename my-bundle Ann "Ann Example"
    """
    with _open(bundle, gallery) as opened:
        opened.rename(old, new)
    click.echo(f"{old} is {new} now")


@command.command()
@_where
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def forget(bundle: Path, gallery: Path | None, names: tuple[str, ...]) -> None:
    """Remove people, and every trace of them from the gallery's file.

    With them go the look-alikes taught as not them, and an adaptation, which was fitted to them.
    Photos, exports and copies that you made stand elsewhere and stay.

    \b
    Example:
      edgecnn people forget my-bundle Ann
    """
    with _open(bundle, gallery) as opened:
        count = opened.forget(*names)
    click.echo(f"forgotten: {', '.join(names)} ({count} embeddings)")


@command.command("export")
@_where
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def export_(bundle: Path, gallery: Path | None, file: Path) -> None:
    """Write everybody's embeddings to FILE, as JSON, for another board with the same embedder.

    \b
    Example:
      edgecnn people export my-bundle people.json
    """
    from edgecnn.faces.exchange import export_people

    with _open(bundle, gallery) as opened:
        count = export_people(opened, file)
    click.echo(f"{count} people in {file}, which only you can read")


@command.command("import")
@_where
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def import_(bundle: Path, gallery: Path | None, file: Path) -> None:
    """Add everybody in FILE, made by edgecnn people export; all or nobody.

    \b
    Example:
      edgecnn people import my-bundle people.json
    """
    from edgecnn.faces.exchange import import_people
    from edgecnn.faces.gallery import Gallery

    place, sha = _place(bundle, gallery)
    with Gallery(place, sha, create=True) as opened:
        count = import_people(opened, file)
    click.echo(f"{count} embeddings are new in {place}")

"""``edgecnn people encrypt``, ``decrypt`` and ``rekey``: the key of a gallery."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli.key_options import chosen_new, key_options
from edgecnn.cli.options import gallery_option
from edgecnn.cli.place import place_of

if TYPE_CHECKING:
    from edgecnn.faces.vault import Key

_bundle = click.argument("bundle", type=click.Path(path_type=Path))


def _new_key(prefix: str, envvar: str | None) -> Callable[..., Callable[..., None]]:
    """``--PREFIXkey-file`` and ``--ask-PREFIXpassphrase``: what is encrypted with from now on."""

    def options(function: Callable[..., None]) -> Callable[..., None]:
        file = click.option(
            f"--{prefix}key-file",
            "new_key_file",
            type=click.Path(path_type=Path, dir_okay=False),
            envvar=envvar,
            show_envvar=True,
            help="Encrypt with this file of 32 random bytes; it is made where it does not exist.",
        )
        ask = click.option(
            f"--ask-{prefix}passphrase",
            "ask_new_passphrase",
            is_flag=True,
            help="Encrypt with a passphrase; it is asked for, or a line of the standard input.",
        )
        return file(ask(function))

    return options


@click.command()
@_bundle
@gallery_option
@_new_key("", "EDGECNN_KEY_FILE")
def encrypt(
    bundle: Path, gallery: Path | None, new_key_file: Path | None, ask_new_passphrase: bool
) -> None:
    """Encrypt the gallery: names, embeddings, what they came from, and an adaptation.

    From then on every command that opens it needs the key. How many people and photos there are,
    their quality and when they came can still be read. Exports, and copies such as the one in the
    run that a bundle was made of, stay as they are. A lost key cannot be replaced.

    \b
    Example:
      edgecnn people encrypt my-bundle --key-file household.key
      edgecnn people encrypt my-bundle --ask-passphrase
    """
    from edgecnn.errors import GalleryError
    from edgecnn.faces.gallery import Gallery

    place, sha = place_of(bundle, gallery)
    with Gallery(place, sha) as opened:
        if opened.encrypted:
            raise GalleryError(
                f"{place} is encrypted already: edgecnn people rekey changes its key"
            )
        opened.relock(chosen_new(new_key_file, ask_new_passphrase))
    click.echo(f"{place} is encrypted")


@click.command()
@_bundle
@gallery_option
@key_options
def decrypt(bundle: Path, gallery: Path | None, key: Key | None) -> None:
    """Write the gallery without encryption again.

    \b
    Example:
      edgecnn people decrypt my-bundle --key-file household.key
    """
    from edgecnn.errors import GalleryError
    from edgecnn.faces.gallery import Gallery

    place, sha = place_of(bundle, gallery)
    with Gallery(place, sha, key=key) as opened:
        if not opened.encrypted:
            raise GalleryError(f"{place} is not encrypted: there is nothing to do")
        opened.relock(None)
    click.echo(f"{place} is not encrypted any more")


@click.command()
@_bundle
@gallery_option
@key_options
@_new_key("new-", None)
def rekey(
    bundle: Path,
    gallery: Path | None,
    key: Key | None,
    new_key_file: Path | None,
    ask_new_passphrase: bool,
) -> None:
    """Encrypt the gallery with another key. The old one still opens copies made before.

    \b
    Example:
      edgecnn people rekey my-bundle --key-file household.key --new-key-file next.key
      edgecnn people rekey my-bundle --ask-passphrase --ask-new-passphrase
    """
    from edgecnn.errors import GalleryError
    from edgecnn.faces.gallery import Gallery

    place, sha = place_of(bundle, gallery)
    with Gallery(place, sha, key=key) as opened:
        if not opened.encrypted:
            raise GalleryError(f"{place} is not encrypted: edgecnn people encrypt does that")
        opened.people()  # the old key is the right one before a new one is made
        opened.relock(chosen_new(new_key_file, ask_new_passphrase))
    click.echo(f"{place} has another key")

"""The key of an encrypted gallery: two options that become one argument."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli.options import gathered

if TYPE_CHECKING:
    from edgecnn.faces.vault import Key


def chosen(key_file: Path | None, ask_passphrase: bool) -> Key | None:
    """The key of one of two options, or None.

    Raises:
        GalleryError: both were given, or the key file cannot be used.
    """
    from edgecnn.errors import GalleryError
    from edgecnn.faces.vault import passphrase, read_key

    if key_file and ask_passphrase:
        raise GalleryError(
            "expected one key. Received: a key file and --ask-passphrase: leave one out"
        )
    if ask_passphrase:
        return passphrase(_asked("Passphrase", twice=False))
    return read_key(key_file) if key_file else None


key_options = gathered(
    "key",
    {
        "key_file": click.option(
            "--key-file",
            type=click.Path(path_type=Path, dir_okay=False),
            envvar="EDGECNN_KEY_FILE",
            show_envvar=True,
            help="Opens an encrypted gallery.",
        ),
        "ask_passphrase": click.option(
            "--ask-passphrase",
            is_flag=True,
            help="Ask for what opens an encrypted gallery; without a terminal, read a line.",
        ),
    },
    chosen,
)
"""``--key-file`` and ``--ask-passphrase``, handed on as ``key``, None without either."""


def chosen_new(key_file: Path | None, ask_passphrase: bool) -> Key:
    """A key to encrypt with; a key file is made where it does not exist.

    Raises:
        GalleryError: none or both were given, or the key file cannot be used.
        StorageError: the key file cannot be made.
    """
    from edgecnn.errors import GalleryError
    from edgecnn.faces.vault import new_key, passphrase, read_key

    if bool(key_file) == ask_passphrase:
        raise GalleryError("expected one key: name a key file, or ask for a passphrase")
    if not key_file:
        return passphrase(_asked("New passphrase", twice=True))
    if os.path.exists(key_file):  # False where it may not be looked at; new_key says so
        return read_key(key_file)
    key = new_key(key_file)
    click.echo(
        f"made {key_file}: keep a copy of it in another place, since without it nobody can read "
        "the gallery"
    )
    return key


def _asked(what: str, twice: bool) -> str:
    if sys.stdin.isatty():
        answer: str = click.prompt(what, hide_input=True, confirmation_prompt=twice)
        return answer
    return sys.stdin.readline().rstrip("\r\n")

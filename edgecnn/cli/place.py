"""Which gallery a command means."""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.core import ParameterSource

from edgecnn.errors import GalleryError


def place_of(bundle: Path, gallery: Path | None) -> tuple[Path, str | None]:
    """The gallery's file, and the embedder it must be of: any where BUNDLE is a gallery itself,
    which no environment changes into another.

    Raises:
        GalleryError: BUNDLE is a gallery, and another was named as well.
    """
    from edgecnn.bundle import Bundle
    from edgecnn.faces.embed import fingerprint

    if os.path.isfile(bundle):  # False where it may not be looked at; Bundle says so
        source = click.get_current_context().get_parameter_source("gallery")
        if source is ParameterSource.COMMANDLINE:
            raise GalleryError(
                f"expected one gallery. Received: {bundle} and --gallery {gallery}: leave one out"
            )
        return bundle, None
    opened = Bundle(bundle)
    return gallery or opened.gallery, fingerprint(opened)

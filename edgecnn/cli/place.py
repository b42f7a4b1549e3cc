"""Which gallery a command means."""

from __future__ import annotations

import os
from pathlib import Path


def place_of(bundle: Path, gallery: Path | None) -> tuple[Path, str | None]:
    """The gallery's file, and the embedder it must be of: any where BUNDLE is a gallery itself."""
    from edgecnn.bundle import Bundle
    from edgecnn.faces.embed import fingerprint

    if os.path.isfile(bundle):  # False where it may not be looked at; Bundle says so
        return gallery or bundle, None
    opened = Bundle(bundle)
    return gallery or opened.gallery, fingerprint(opened)

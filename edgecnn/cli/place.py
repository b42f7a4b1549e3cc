"""Which gallery a command means."""

from __future__ import annotations

from pathlib import Path


def place_of(bundle: Path, gallery: Path | None) -> tuple[Path, str | None]:
    """The gallery's file, and the embedder it must be of: any where BUNDLE is a gallery itself."""
    from edgecnn.bundle import Bundle
    from edgecnn.faces.embed import fingerprint

    if bundle.is_file():
        return gallery or bundle, None
    opened = Bundle(bundle)
    return gallery or opened.gallery, fingerprint(opened)

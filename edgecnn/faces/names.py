"""What people can be called."""

from __future__ import annotations

import unicodedata

from edgecnn.errors import GalleryError

LONGEST_NAME = 80
"""Characters; more do not fit over a face."""


def composed(name: str) -> str:
    """Without blanks around it, accents and letters joined (NFC): macOS keeps them apart."""
    return unicodedata.normalize("NFC", name.strip())


def clean_name(name: str) -> str:
    """A name as it is kept: without blanks around it, its accents in one form (Unicode NFC).

    Raises:
        GalleryError: empty, too long, with control characters or such that turn the direction of
            writing, or *unknown*, which means nobody.
    """
    clean = composed(name)
    unprintable = [
        c
        for c in clean
        if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")
        or c in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    ]
    if not clean or len(clean) > LONGEST_NAME or unprintable or clean.casefold() == "unknown":
        raise GalleryError(
            f"expected a name of 1 to {LONGEST_NAME} printable characters other than 'unknown'. "
            f"Received: {name[:100]!r}: choose another name"
        )
    return clean


def folded(name: str) -> str:
    """Equal for names that differ by case, or by the width of their letters, alone."""
    return unicodedata.normalize("NFKC", name).casefold()

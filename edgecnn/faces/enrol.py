"""Photos into a gallery: who somebody is, and who they are not.

Used by ``edgecnn enroll`` and ``edgecnn teach``, on a board too.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgecnn.bundle import Bundle
from edgecnn.errors import DataError
from edgecnn.faces.detect import Detector
from edgecnn.faces.embed import Embedder, fingerprint
from edgecnn.faces.gallery import Gallery
from edgecnn.faces.names import clean_name, composed
from edgecnn.faces.photo import REDUNDANT, USED, Photo, examine_file
from edgecnn.faces.sift import (
    without_copies,
    without_negatives,
    without_redundant,
    without_strangers,
)
from edgecnn.faces.types import Sample
from edgecnn.faces.vault import Key


def enrol(
    bundle: Bundle,
    gallery: str | Path,
    name: str,
    photos: Sequence[str | Path],
    *,
    force: bool = False,
    key: Key | None = None,
) -> list[Photo]:
    """Add a person, or more photos of one, to a gallery; it is made where there is none.

    Args:
        force: use photos that look like somebody who is enrolled already (twins), or that were
            taught as not this person.
        key: of an encrypted gallery; one that is made here is encrypted with it.

    Returns:
        What became of each photo, and of those enrolled before that are redundant now. Nothing is
        written where none can be used.

    Raises:
        GalleryError: the gallery cannot be used, or the name.
        DataError: a photo's name is not UTF-8.
        StorageError: it could not be written.
    """
    looked_at = _examined(bundle, clean_name(name), photos)
    return add(bundle, gallery, name, looked_at, force=force, key=key)


def add(
    bundle: Bundle,
    gallery: str | Path,
    name: str,
    photos: Sequence[Photo],
    *,
    force: bool = False,
    key: Key | None = None,
) -> list[Photo]:
    """:func:`enrol` with looks that were examined already (:func:`edgecnn.faces.photo.examine`)."""
    name = clean_name(name)
    looked_at = without_copies([replace(p, name=name) for p in photos])
    sha = fingerprint(bundle)
    known: list[Sample] = []
    if os.path.exists(gallery):  # False where it may not be looked at; Gallery says so
        with Gallery(gallery, sha, create=True, key=key) as people:
            people.check_spelling(name)  # else these are photos of somebody of another name
            known = people.samples()
            if not force:
                looked_at = without_negatives(looked_at, people.negatives())
                looked_at = without_strangers(looked_at, known, bundle.threshold)
    looked_at, gone = without_redundant(looked_at, known)
    samples = [p.sample for p in looked_at if p.fate == USED]
    if samples:
        with Gallery(gallery, sha, create=True, key=key) as people:
            people.add_all(samples, drop=gone)
        fate = f"{REDUNDANT}: enrolled before, and gives way to the new ones"
        looked_at += [Photo(name, s.source, fate) for s in gone]
    return looked_at


def teach(
    bundle: Bundle,
    gallery: str | Path,
    name: str,
    photo: str | Path,
    *,
    key: Key | None = None,
) -> float:
    """Record in a gallery that the face on a photo is not ``name``'s, however alike they are.

    Args:
        key: of an encrypted gallery.

    Returns:
        How much the face is like that person: the score that it had before.

    Raises:
        GalleryError: there is no gallery, nobody is called so, or it is one of their own photos.
        DataError: the photo has no face or several, or one that cannot be made out, or its name is
            not UTF-8.
        StorageError: it could not be written.
    """
    with Gallery(gallery, fingerprint(bundle), key=key) as people:
        name = composed(name)
        people.check(name)
        (seen,) = _examined(bundle, name, [photo])
        if seen.fate != USED or seen.embedding is None:
            raise DataError(
                f"expected a photo with one sharp face. {photo} has {seen.fate}: "
                "give another photo, or cut the face out"
            )
        return teach_look(people, seen.sample)


def teach_look(people: Gallery, look: Sample) -> float:
    """:func:`teach` with the embedding of a look; ``look.name`` is whom it does not show.

    Raises:
        GalleryError: nobody is called so, or it is one of their own photos.
    """
    people.check(look.name)
    index = people.index()
    score = float(index.scores(look.embedding)[index.people.index(look.name)])
    people.teach(look)
    return score


def _examined(bundle: Bundle, name: str, photos: Sequence[str | Path]) -> list[Photo]:
    for photo in photos:
        try:
            str(photo).encode()
        except UnicodeEncodeError as e:  # it could not be written down as the source
            raise DataError(
                f"expected photos whose names are UTF-8. Received: {os.fsencode(photo)!r}: rename "
                "it, or all by convmv"
            ) from e
    detect = Detector.of(bundle)
    embed = Embedder.of(bundle, mirror=True)
    return [examine_file(name, Path(p), detect, embed) for p in photos]

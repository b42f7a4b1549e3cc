"""``edgecnn evaluate --enrolment``: a bundle and a folder of aligned faces in, figures out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.bundle import Bundle
from edgecnn.data import aligned
from edgecnn.errors import DataError
from edgecnn.faces.embed import Embedder
from edgecnn.faces.redundant import is_same_photo
from edgecnn.images import Image
from edgecnn.training import enrolment
from edgecnn.training.strangers import UPRIGHT, embed_folder

if TYPE_CHECKING:
    from edgecnn.training.fit import Progress

ALONE = 1000
"""People with a single face who are strangers, at most."""

COPIED = 80
"""Faces that copies are made of."""


def evaluate(
    bundle: Bundle, folder: str | Path, threads: int | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """All of :mod:`edgecnn.training.enrolment`, as plain JSON.

    Args:
        folder: aligned faces with identities, as ``edgecnn train --task embedder`` takes them; the
            people that it holds out are used.

    Raises:
        DataError: too few people have enough photos.
        BundleError: the bundle has no embedder.
    """
    embedder = Embedder.of(bundle, threads, mirror=True)
    people = _held_out(Path(folder))
    faces = embed_folder(embedder, Path(folder), people, progress)
    return {
        "people": len(np.unique(faces.persons)),
        "faces": len(faces.persons),
        "rules": enrolment.compare_rules(faces),
        "same_photo": enrolment.same_photo(faces) | _copies(embedder, Path(folder), people),
        "look_alikes": enrolment.look_alikes(faces),
        "adaptation": enrolment.adaptation(faces),
    }


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """What :func:`evaluate` found, for people to read."""
    yield (
        f"{found['faces']:,} faces of {found['people']:,} people; named right at the threshold "
        f"that {enrolment.RATE:.0%} of strangers reach, in percent"
    )
    yield f"{'kept of twelve photos':<28}{'kept':>6}{'named':>8}{'of 4 + burst':>14}{'named':>8}"
    for row in found["rules"]:
        yield (
            f"{row['rule']:<28}{row['kept']:>6.1f}{row['named']:>8.1f}"
            f"{row['kept_of_burst']:>14.1f}{row['named_with_burst']:>8.1f}"
        )
    for part in ("same_photo", "look_alikes", "adaptation"):
        yield part.replace("_", " ")
        for name, value in found[part].items():
            yield f"  {name.replace('_', ' '):<32}{value:>10,.10g}"


def _held_out(folder: Path) -> dict[str, str]:
    """File to person of those held out for validation and test, as far as they are wanted."""
    parts = aligned.split(aligned.index(folder), 0)
    people = {f: p for part in ("validation", "test") for f, p in parts[part].items() if p}
    counts = Counter(people.values())
    alone = set(islice((p for p, n in counts.items() if n == 1), ALONE))
    people = {f: p for f, p in people.items() if counts[p] > 1 or p in alone}
    if not people:
        raise DataError(f"expected faces of known people in {folder}. Nobody is held out: add some")
    return people


def _copies(embedder: Embedder, folder: Path, people: Mapping[str, str]) -> dict[str, float]:
    """How often copies of a photo are as alike as one photo, in percent."""
    some = dict(islice(people.items(), 0, None, max(1, len(people) // COPIED)))
    faces = aligned.load(folder, some, UPRIGHT).pixels
    found = {}
    for name, copy in COPIES.items():
        same = [is_same_photo(embedder(face), embedder(copy(face))) for face in faces]
        found[f"copies_{name}"] = round(100 * float(np.mean(same)), 1)
    return found


def _jpeg(face: Image) -> Image:
    import cv2

    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", face, [1, 30])[1], 1), np.uint8)


def _half(face: Image) -> Image:
    import cv2

    small = cv2.resize(face, (56, 56), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (112, 112)), np.uint8)


def _moved(face: Image) -> Image:
    import cv2

    turn = cv2.getRotationMatrix2D((56, 56), 3, 1.04) + np.array([[0, 0, 1], [0, 0, -1]])
    border = cv2.BORDER_REPLICATE
    return np.asarray(cv2.warpAffine(face, turn, (112, 112), borderMode=border), np.uint8)


def _darker(face: Image) -> Image:
    return np.asarray(face * 0.8, np.uint8)


COPIES: dict[str, Callable[[Image], Image]] = {
    "jpeg_30": _jpeg,
    "half_the_size": _half,
    "tilted_3_degrees": _moved,
    "a_fifth_darker": _darker,
}
"""What one photo can become between two folders, or between two frames."""

"""Made-up visits: somebody comes before the camera and stays for some frames.

They are made from photos of people whom a training holds out, since whoever trained the embedder
says nothing about strangers. A visit shows up to :data:`MOST_PHOTOS` photos of a person, in
stretches: within a stretch the camera's changes (:func:`edgecnn.data.augment_faces.augment_face`:
light, blur, distance, compression, occlusion) stay what they are, and a frame differs from its
neighbours as those of a video do, by a pixel or two and by noise. So the frames of a visit resemble
each other, and a rule that takes them for independent is found out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from edgecnn.data import aligned
from edgecnn.data.augment_faces import augment_face
from edgecnn.errors import DataError
from edgecnn.images import Image

MOST_PHOTOS = 3

STRETCH = 5
"""Frames that a stretch lasts on average: a third of a second at 15 frames a second."""

SHIFT_PX, SCALE, NOISE = 0.8, 0.012, 2.5
"""Standard deviations of what changes from frame to frame: where the face is found, in pixels of
the crop, how large it is, and the grey levels. As much as a detector's landmarks shake by."""


@dataclass(frozen=True)
class HeldOut:
    """Files of held-out people, nobody in two of the groups.

    Attributes:
        enrolled: person to the files to enrol from, and the files of visits.
        strangers: person to the files of visits.
        cohort: file to person, of those whom a bundle's threshold and cohort are made from.
    """

    enrolled: Mapping[str, tuple[list[str], list[str]]]
    strangers: Mapping[str, list[str]]
    cohort: Mapping[str, str]


def held_out(people: Mapping[str, str], photos: int, strangers: int, seed: int = 0) -> HeldOut:
    """Who is enrolled, who is a stranger, and whom strangers are judged by.

    Args:
        people: file to person, as from :func:`edgecnn.data.aligned.index`.
        photos: to enrol from. Whoever has more is enrolled, the others are strangers.
        strangers: at most. Those who are from a set of faces that somebody enrolled is from come
            first, since they are nearest.
        seed: that the training held people out by.

    Raises:
        DataError: too few people.
    """
    halves = aligned.strangers(aligned.split(people, seed), seed)
    files: dict[str, list[str]] = {}
    for file in sorted(halves["report"], key=_draw):
        if person := people[file]:
            files.setdefault(person, []).append(file)
    enrolled = {p: (f[:photos], f[photos:]) for p, f in files.items() if len(f) > photos}
    sets = {aligned.set_of(f[0][0], p) for p, f in enrolled.items()}
    others = sorted(
        set(files) - set(enrolled),
        key=lambda p: (aligned.set_of(files[p][0], p) not in sets, _draw(p)),
    )
    if len(enrolled) < 2 or not others or not halves["choose"]:
        raise DataError(
            f"expected held-out people, two of them with more than {photos} faces. Received: "
            f"{len(enrolled)} such people, {len(others)} others and {len(halves['choose'])} faces "
            "for the cohort: name a folder with more people"
        )
    return HeldOut(enrolled, {p: files[p] for p in others[:strangers]}, halves["choose"])


def frames(photos: Sequence[Image], count: int, rng: np.random.Generator) -> Iterator[Image]:
    """The aligned faces of one visit.

    Args:
        photos: of one person, ``(H, W, 3)`` uint8 each; some of them are shown.
        count: of frames.

    Yields:
        ``(H, W, 3)`` uint8, channels as in ``photos``.
    """
    shown = rng.permutation(len(photos))[: rng.integers(1, MOST_PHOTOS + 1)]
    face, left = photos[0], 0
    for _ in range(count):
        if not left:
            face = augment_face(photos[rng.choice(shown)], rng)
            left = int(rng.geometric(1 / STRETCH))
        left -= 1
        yield _shaken(face, rng)


def _shaken(face: Image, rng: np.random.Generator) -> Image:
    """As the next frame of a video would have it."""
    import cv2

    h, w = face.shape[:2]
    scale = 1 + rng.normal(0, SCALE)
    matrix = np.array([[scale, 0, (1 - scale) * w / 2], [0, scale, (1 - scale) * h / 2]])
    matrix[:, 2] += rng.normal(0, SHIFT_PX, 2)
    moved = cv2.warpAffine(face, matrix, (w, h), borderMode=cv2.BORDER_REFLECT_101)
    return np.clip(np.rint(moved + rng.normal(0, NOISE, face.shape)), 0, 255).astype(np.uint8)


def _draw(name: str) -> str:
    return sha256(name.encode()).hexdigest()

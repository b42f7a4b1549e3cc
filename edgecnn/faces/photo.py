"""A photo of somebody in, its one face out with an embedding, or why it cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecnn.errors import DataError
from edgecnn.faces.align import align
from edgecnn.faces.boxes import box_iou
from edgecnn.faces.quality import Quality, fault, measure
from edgecnn.faces.types import Detection, Sample
from edgecnn.images import Floats, Image, read_image

USED = "used"
REDUNDANT = "redundant"
"""The kind of a photo that could be used and adds nothing to the others of its person."""

BYSTANDER = 0.4
"""A second face up to this share of the first one's height stands in the background and is no
doubt about who is meant. Measured on CelebA scenes with several faces: where the largest is at
least 2.5 times as high as the next, it is the person of the photo in 95 % (as often as in photos
with one face: 93 %), at 2 to 2.5 times in 81 %, below 1.2 in 41 %."""

CLOSER = 3.0
"""A face lower than this share of the picture's shorter side is looked at a second time, in a
square this many times as high: the detector works on a small picture, where a landmark that is
half a pixel off is many pixels off in a large photo."""

Detect = Callable[[Image], list[Detection]]
Embed = Callable[[Image], Floats]


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo and what became of it.

    Attributes:
        name: of the person.
        source: of the file.
        fate: :data:`USED`, or why not: a kind, and after a colon the details.
        face: ``(112, 112, 3)`` uint8 BGR, where one was found.
        embedding: ``(D,)`` float32 of length 1, of photos that can be used.
        quality: of the face.
    """

    name: str
    source: str
    fate: str
    face: Image | None = None
    embedding: Floats | None = None
    quality: Quality | None = None

    @property
    def kind(self) -> str:
        """The fate without details: ``used``, ``no face``, ``blurred`` ..."""
        return self.fate.partition(":")[0]

    @property
    def usable(self) -> bool:
        """Whether it shows the person well enough, needed or not."""
        return self.kind in (USED, REDUNDANT)

    @property
    def sample(self) -> Sample:
        """As it goes into the gallery; for photos that are usable."""
        if not self.usable or self.embedding is None or self.quality is None:
            raise DataError(f"{self.source} was not used ({self.fate}): look at its fate first")
        return Sample(self.name, self.embedding, self.quality.overall, self.source)


def examine(name: str, source: str, image_bgr: Image, detect: Detect, embed: Embed) -> Photo:
    """Find, judge and embed the one face of a photo.

    Args:
        image_bgr: ``(H, W, 3)`` uint8.
        embed: an aligned face to an embedding, the mirrored face included.
    """
    faces = sorted(_looked_closer(image_bgr, detect), key=_height, reverse=True)
    if not faces:
        return Photo(name, source, "no face: none was found")
    main = faces[0]
    if len(faces) > 1 and _height(faces[1]) > BYSTANDER * _height(main):
        share = _height(faces[1]) / _height(main)
        return Photo(
            name,
            source,
            f"several faces: the second is {share:.0%} as high as the first, "
            f"{BYSTANDER:.0%} is allowed; cut one out",
        )
    height, width = image_bgr.shape[:2]
    if (main.landmarks_xy < 0).any() or (main.landmarks_xy >= (width, height)).any():
        return Photo(name, source, "cut off: part of the face lies outside the photo")
    try:
        face = align(image_bgr, main.landmarks_xy)
    except DataError as e:
        return Photo(name, source, f"no face: {e}")
    quality = measure(face, main.landmarks_xy)
    if why := fault(quality):
        return Photo(name, source, why, face, quality=quality)
    return Photo(name, source, USED, face, embed(face), quality)


def examine_file(name: str, path: Path, detect: Detect, embed: Embed) -> Photo:
    """:func:`examine` for a file; one that is no picture is a fate, too."""
    try:
        image = read_image(path)
    except DataError as e:
        return Photo(name, path.name, f"unreadable: {e}")
    return examine(name, path.name, image, detect, embed)


def _height(face: Detection) -> float:
    return float(face.box_xyxy[3] - face.box_xyxy[1])


def _looked_closer(image: Image, detect: Detect) -> list[Detection]:
    """The faces, the largest once more from near by where it is small in the picture."""
    faces = sorted(detect(image), key=_height, reverse=True)
    if not faces or _height(faces[0]) * CLOSER >= min(image.shape[:2]):
        return faces
    main = faces[0]
    middle = (main.box_xyxy[:2] + main.box_xyxy[2:]) / 2
    corner = np.maximum(middle - CLOSER / 2 * _height(main), 0).astype(int)
    end = np.ceil(middle + CLOSER / 2 * _height(main)).astype(int)
    part = np.ascontiguousarray(image[corner[1] : end[1], corner[0] : end[0]])
    again = [
        Detection(
            f.box_xyxy + np.tile(corner, 2).astype(np.float32),
            f.score,
            f.landmarks_xy + corner.astype(np.float32),
        )
        for f in detect(part)
    ]
    same = [f for f in again if box_iou(f.box_xyxy, main.box_xyxy)[0, 0] >= 0.5]
    return [same[0], *faces[1:]] if same else faces

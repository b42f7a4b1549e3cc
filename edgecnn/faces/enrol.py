"""Photos of people in, embeddings out, and for each photo what became of it.

Used by ``edgecnn enroll`` on the board and by ``edgecnn train --task faces`` on the workstation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgecnn.bundle import Bundle
from edgecnn.errors import DataError
from edgecnn.faces.align import align
from edgecnn.faces.detect import Detector
from edgecnn.faces.embed import Embedder, fingerprint
from edgecnn.faces.gallery import Gallery, Sample
from edgecnn.faces.match import Index
from edgecnn.faces.names import clean_name
from edgecnn.faces.quality import Quality, fault, measure
from edgecnn.faces.track import iou
from edgecnn.faces.types import Detection
from edgecnn.images import Floats, Image, read_image

USED = "used"

BYSTANDER = 0.4
"""A second face up to this share of the first one's height stands in the background and is no
doubt about who is meant. Measured on CelebA scenes with several faces: where the largest is at
least 2.5 times as high as the next, it is the person of the photo in 95 % (as often as in photos
with one face: 93 %), at 2 to 2.5 times in 81 %, below 1.2 in 41 %."""

CLOSER = 3.0
"""A face lower than this share of the picture's shorter side is looked at a second time, in a
square this many times as high: the detector works on a small picture, where a landmark that is
half a pixel off is many pixels off in a large photo."""

DUPLICATE = 0.98
"""Correlation of two faces' 16×16 grey thumbnails from which they are the same photo. On CelebA:
copies saved as JPEG of quality 30 or at half the size have 0.999 (99 in 100), moved by a pixel
0.984; different people's most alike pair 0.965 (999 in 1,000), and of the same person's most alike
pairs the 98 in 100 are below 0.959. Above 0.98 there were only copies."""

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
    def sample(self) -> Sample:
        """As it goes into the gallery; for photos that are used."""
        if self.fate != USED or self.embedding is None or self.quality is None:
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
    same = [f for f in again if iou(f.box_xyxy, main.box_xyxy)[0, 0] >= 0.5]
    return [same[0], *faces[1:]] if same else faces


def thumbnail(face_bgr: Image) -> Floats:
    """A face as ``(256,)`` float32 of mean 0 and length 1, to find copies: their product is the
    correlation."""
    import cv2

    grey = cv2.cvtColor(face_bgr, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (16, 16), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    small -= small.mean()
    return np.asarray(small / max(float(np.linalg.norm(small)), 1e-6), np.float32)


def without_copies(photos: Sequence[Photo]) -> list[Photo]:
    """The same photos; a second copy is not used, and none of those of different people.

    A copy adds nothing, and would make a check that leaves one photo out look better than it is.
    """
    used = [i for i, p in enumerate(photos) if p.fate == USED and p.face is not None]
    if not used:
        return list(photos)
    thumbnails = np.stack(
        [thumbnail(p.face) for p in photos if p.fate == USED and p.face is not None]
    )
    out = list(photos)
    alike = thumbnails @ thumbnails.T >= DUPLICATE
    for a, i in enumerate(used):
        twins = [used[b] for b in np.flatnonzero(alike[a]) if b != a]
        foreign = [j for j in twins if photos[j].name != photos[i].name]
        first = [j for j in twins if j < i and photos[j].name == photos[i].name]
        if foreign:
            other = photos[foreign[0]]
            fate = (
                f"duplicate: {other.name} has the same photo ({other.source}); remove the wrong one"
            )
        elif first:
            fate = f"duplicate: of {photos[first[0]].source}"
        else:
            continue
        out[i] = replace(photos[i], fate=fate)
    return out


def without_strangers(
    photos: Sequence[Photo], known: Iterable[Sample], threshold: float
) -> list[Photo]:
    """The same photos; one that looks like somebody else and not like its own person is not used.

    Compared are the people's mean embeddings, without the photo itself.

    Args:
        known: embeddings of people who are enrolled already.
        threshold: cosine from which two faces are taken for one person.
    """
    samples = [*known, *(p.sample for p in photos if p.fate == USED)]
    out = []
    for photo in photos:
        if photo.fate == USED and photo.embedding is not None:
            rest = [s for s in samples if s.embedding is not photo.embedding]
            own, other, name = likeness(photo.name, photo.embedding, rest)
            if other is not None and other >= threshold and (own is None or own < threshold):
                photo = replace(photo, fate=f"someone else: looks like {name} ({other:.2f})")
        out.append(photo)
    return out


def likeness(
    name: str, embedding: Floats, others: Sequence[Sample]
) -> tuple[float | None, float | None, str | None]:
    """Cosine to ``name``'s mean embedding, to the nearest other person's, and who that is."""
    index = Index([s.name for s in others], np.array([s.embedding for s in others]))
    scores = dict(zip(index.people, index.scores(embedding).tolist(), strict=True))
    own = scores.pop(name, None)
    if not scores:
        return own, None, None
    nearest = max(scores, key=lambda n: scores[n])
    return own, scores[nearest], nearest


def enrol(
    bundle: Bundle,
    gallery: str | Path,
    name: str,
    photos: Sequence[str | Path],
    *,
    force: bool = False,
) -> list[Photo]:
    """Add a person, or more photos of one, to a gallery; it is made where there is none.

    Args:
        force: use photos that look like somebody who is enrolled already (twins).

    Returns:
        What became of each photo. Nothing is written where none can be used.

    Raises:
        GalleryError: the gallery cannot be used, or the name.
        StorageError: it could not be written.
    """
    name = clean_name(name)
    detect = Detector(bundle.model("detector"), bundle.entry("detector"))
    embed = Embedder(bundle.model("embedder"), bundle.entry("embedder"), mirror=True)
    looked_at = without_copies([examine_file(name, Path(p), detect, embed) for p in photos])
    sha = fingerprint(bundle)
    if not force and Path(gallery).exists():
        with Gallery(gallery, sha, create=True) as people:
            looked_at = without_strangers(looked_at, people.samples(), bundle.threshold)
    samples = [p.sample for p in looked_at if p.fate == USED]
    if samples:
        with Gallery(gallery, sha, create=True) as people:
            people.add_all(samples)
    return looked_at

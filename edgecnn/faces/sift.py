"""Photos compared with each other and with who is enrolled: what each is good for.

Every function takes photos with their fates and gives the same photos back, some with a new fate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from edgecnn.faces.match import Index
from edgecnn.faces.photo import REDUNDANT, USED, Photo
from edgecnn.faces.redundant import MOST, choose, is_same_photo
from edgecnn.faces.types import Sample
from edgecnn.images import Floats, Image

DUPLICATE = 0.98
"""Correlation of two faces' 16×16 grey thumbnails from which they are the same photo. On CelebA:
copies saved as JPEG of quality 30 or at half the size have 0.999 (99 in 100), moved by a pixel
0.984; different people's most alike pair 0.965 (999 in 1,000), and of the same person's most alike
pairs the 98 in 100 are below 0.959. Above 0.98 there were only copies."""


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
        known: embeddings of people who are enrolled already, by whom alone the photos are judged:
            several photos of one person under another name would vouch for each other. Where there
            are none, the photos are judged by each other.
        threshold: cosine from which two faces are taken for one person.
    """
    samples = [*known] or [p.sample for p in photos if p.fate == USED]
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
    if not others:
        return None, None, None
    index = Index([s.name for s in others], np.array([s.embedding for s in others]))
    scores = dict(zip(index.people, index.scores(embedding).tolist(), strict=True))
    own = scores.pop(name, None)
    if not scores:
        return own, None, None
    nearest = max(scores, key=lambda n: scores[n])
    return own, scores[nearest], nearest


def without_negatives(photos: Sequence[Photo], negatives: Iterable[Sample]) -> list[Photo]:
    """The same photos; one that was taught as not its person is not used."""
    taught = list(negatives)
    out = []
    for photo in photos:
        if photo.fate == USED and photo.embedding is not None:
            for negative in taught:
                if negative.name == photo.name and is_same_photo(
                    negative.embedding, photo.embedding
                ):
                    fate = f"someone else: taught as not {photo.name} ({negative.source})"
                    photo = replace(photo, fate=fate)
                    break
        out.append(photo)
    return out


def without_redundant(
    photos: Sequence[Photo], known: Iterable[Sample] = ()
) -> tuple[list[Photo], list[Sample]]:
    """The same photos; one that adds nothing to the others of its person is not kept.

    Args:
        known: embeddings of people who are enrolled already. They give way to a near copy of
            better quality that is kept, or where there would be more than
            :data:`edgecnn.faces.redundant.MOST`; a photo at a time would otherwise wear them down.

    Returns:
        The photos, and those of ``known`` that give way.
    """
    out, gone = list(photos), []
    enrolled = list(known)
    for name in dict.fromkeys(p.name for p in photos if p.fate == USED):
        numbers = [i for i, p in enumerate(photos) if p.name == name and p.fate == USED]
        before = [s for s in enrolled if s.name == name]
        samples = [*before, *(photos[i].sample for i in numbers)]
        verdicts = choose(np.array([s.embedding for s in samples]), [s.quality for s in samples])
        kept = sum(v.kept for v in verdicts)
        room = MOST - kept
        for k, verdict in enumerate(verdicts):
            if verdict.kept:
                continue
            if k < len(before):
                has_copy = verdict.like is not None and verdicts[verdict.like].kept
                if has_copy or room <= 0:
                    gone.append(before[k])
                else:
                    room -= 1
                continue
            why = (
                f"the {kept} kept are as good as all ({verdict.cosine:.3f})"
                if verdict.like is None
                else f"like {samples[verdict.like].source} ({verdict.cosine:.2f})"
            )
            i = numbers[k - len(before)]
            out[i] = replace(photos[i], fate=f"{REDUNDANT}: {why}")
    return out, gone

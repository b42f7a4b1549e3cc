"""What it costs that a face has to be found and aligned first, and does not come ready-made."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from edgecnn.errors import DataError
from edgecnn.faces.align import SIZE, TEMPLATE, align
from edgecnn.faces.types import Detection
from edgecnn.faces.verify import Bools, Ints, fold_accuracies, pair_scores
from edgecnn.images import ZERO_BYTE, Floats, Image

FRAME_WH = (640, 480)
"""Of the picture that a ready-made face is put into: a camera's."""

NEAR = 0.5
"""A face is the one that was looked for where its landmarks are off by less than this share of the
distance of the eyes, on average; another face is further away than that."""

NOT_FOUND = -1.0
"""Score of a pair of whom one was not found: nothing is less alike."""

Placed = tuple[Image, Image, Floats]
"""A face ready-made, ``(112, 112, 3)``; the picture it has to be found in, ``(H, W, 3)``, both
uint8 BGR; and its five landmarks there, ``(5, 2)``."""


def on_grey(face_bgr: Image) -> Placed:
    """A ready-made face in the middle of a grey picture of a camera's size."""
    left, top = (FRAME_WH[0] - SIZE) // 2, (FRAME_WH[1] - SIZE) // 2
    picture = np.full((FRAME_WH[1], FRAME_WH[0], 3), ZERO_BYTE, np.uint8)
    picture[top : top + SIZE, left : left + SIZE] = face_bgr
    return face_bgr, picture, TEMPLATE + np.array((left, top), np.float32)


def found(
    detect: Callable[[Image], list[Detection]], picture_bgr: Image, landmarks_xy: Floats
) -> Image | None:
    """The face at these landmarks as the detector finds and aligns it, ``(112, 112, 3)`` uint8 BGR;
    None where it does not."""
    reach = NEAR * float(np.linalg.norm(landmarks_xy[0] - landmarks_xy[1]))
    best, face = reach, None
    for detection in detect(picture_bgr):
        off = float(np.linalg.norm(detection.landmarks_xy - landmarks_xy, axis=1).mean())
        if off < best:
            try:
                best, face = off, align(picture_bgr, detection.landmarks_xy)
            except DataError:
                continue
    return face


def compare(
    faces: Iterable[Placed],
    detect: Callable[[Image], list[Detection]],
    embed: Callable[[Image], Floats],
    pairs: npt.NDArray[np.int64],
    same: Bools,
) -> dict[str, float]:
    """Verification by the LFW protocol, of the faces ready-made and of the same faces found.

    Args:
        pairs: ``(P, 2)`` indices into ``faces``. ``same``: ``(P,)`` whether they show one person.

    Returns:
        In percent: ``ready_accuracy``, ``found_accuracy``, ``cost`` (the difference, in points) and
        ``faces_found``; and how many ``pairs``.
    """
    ready: list[Floats] = []
    own: list[Floats] = []
    for crop, picture, landmarks in faces:
        ready.append(embed(crop))
        face = found(detect, picture, landmarks)
        own.append(np.full_like(ready[-1], np.nan) if face is None else embed(face))
    accuracies = [100 * _accuracy(np.stack(e), pairs, same) for e in (ready, own)]
    return {
        "ready_accuracy": accuracies[0],
        "found_accuracy": accuracies[1],
        "cost": accuracies[0] - accuracies[1],
        "faces_found": 100 * float(np.mean([np.isfinite(e[0]) for e in own])),
        "pairs": len(same),
    }


def _accuracy(embeddings: Floats, pairs: Ints, same: Bools) -> float:
    scores = pair_scores(embeddings, pairs)
    return float(fold_accuracies(np.nan_to_num(scores, nan=NOT_FOUND), same).mean())

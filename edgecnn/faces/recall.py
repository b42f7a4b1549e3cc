"""How many faces a detector finds, and how often it finds one where there is none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgecnn.faces.boxes import box_iou
from edgecnn.faces.detect import Detector, Faces
from edgecnn.faces.types import Detection
from edgecnn.images import Floats, Image

HIT_IOU = 0.5
"""A box finds a face where their intersection over union is at least this (PASCAL VOC)."""

LOWEST_SCORE = 0.05
"""Candidates below are not even measured; nobody wants the false boxes that are above it."""


@dataclass(frozen=True)
class Hits:
    """Every box found in a set of pictures, best score first.

    Attributes:
        scores: ``(N,)``.
        right: ``(N,)`` bool: it finds a face that no better box has found.
        errors: ``(N,)``: mean distance of its five landmarks over the distance of the eyes; nan
            where it finds no face.
        faces, pictures: how many there are in all.
    """

    scores: Floats
    right: npt.NDArray[np.bool_]
    errors: Floats
    faces: int
    pictures: int

    def at(self, threshold: float) -> dict[str, float]:
        """``recall``, ``false_boxes`` a picture, and ``landmark_error`` in percent of the
        distance of the eyes (100 where no face is found), of the boxes that score at least
        ``threshold``."""
        count = int(np.sum(self.scores >= threshold))
        right = self.right[:count]
        errors = self.errors[:count][right]
        return {
            "recall": float(right.sum() / max(1, self.faces)),
            "false_boxes": float((~right).sum() / max(1, self.pictures)),
            "landmark_error": float(100 * errors.mean()) if len(errors) else 100.0,
        }

    def threshold(self, false_boxes: float) -> float:
        """The score above which there are at most ``false_boxes`` false boxes a picture.

        It lies half-way between the lowest score allowed and the next one below it, so that a
        rounding by the int8 file does not decide.
        """
        allowed = int(np.floor(false_boxes * self.pictures + 1e-9))
        wrong = np.flatnonzero(~self.right)
        if len(wrong) <= allowed:
            # Nothing in the measured range is forbidden: stay above its lowest box.
            return float(self.scores[-1]) if len(self.scores) else 0.5
        first = int(wrong[allowed])
        forbidden = float(self.scores[first])
        better = self.scores[: first + 1][self.scores[: first + 1] > forbidden]
        return (forbidden + float(better[-1])) / 2 if len(better) else min(1.0, forbidden + 1e-3)


def hits(found: Sequence[Faces], truth: Sequence[Floats], smallest: float = 0.0) -> Hits:
    """Match what was found in each picture with what is there, the best scores first.

    Args:
        found: boxes, scores and landmarks of each picture, after suppression.
        truth: ``(N, 14)`` faces of each picture, in the same pixels.
        smallest: side, the root of the area in these pixels, of the faces that count; a smaller
            one is not missed, and who finds it has found nothing.
    """
    scores: list[float] = []
    right: list[bool] = []
    errors: list[float] = []
    count = 0
    for (boxes, score, landmarks), faces in zip(found, truth, strict=True):
        free = np.ones(len(faces), bool)
        sides = np.sqrt(np.prod(faces[:, 2:4] - faces[:, :2], axis=1))
        count += int(np.sum(sides >= smallest))
        overlap = box_iou(boxes, faces[:, :4])
        for k in np.argsort(-score, kind="stable"):
            open_to = np.where(free, overlap[k], 0.0)
            face = int(np.argmax(open_to)) if len(faces) else -1
            hit = face >= 0 and bool(open_to[face] >= HIT_IOU)
            if hit and sides[face] < smallest:
                free[face] = False
                continue
            scores.append(float(score[k]))
            right.append(hit)
            errors.append(np.nan)
            if hit:
                free[face] = False
                errors[-1] = landmark_error(landmarks[k], faces[face, 4:].reshape(5, 2))
    order = np.argsort(-np.array(scores), kind="stable")
    return Hits(
        np.array(scores, np.float32)[order],
        np.array(right, bool)[order],
        np.array(errors, np.float32)[order],
        count,
        len(truth),
    )


def find(detector: Detector, pictures: Iterable[Image], lowest: float) -> list[Faces]:
    """What a detector finds in BGR pictures, each in its own pixels, from the score ``lowest`` up.

    >>> found = find(detector, pictures, 0.05)  # doctest: +SKIP
    >>> hits(found, truth).at(detector.score_threshold)  # doctest: +SKIP
    {'recall': 0.96, 'false_boxes': 0.03, 'landmark_error': 5.1}
    """
    threshold, detector.score_threshold = detector.score_threshold, lowest
    try:
        return [as_arrays(detector(picture)) for picture in pictures]
    finally:
        detector.score_threshold = threshold


def as_arrays(detections: Sequence[Detection]) -> Faces:
    """Detections as boxes ``(N, 4)``, scores ``(N,)`` and landmarks ``(N, 5, 2)``, float32."""
    return (
        np.array([d.box_xyxy for d in detections], np.float32).reshape(-1, 4),
        np.array([d.score for d in detections], np.float32),
        np.array([d.landmarks_xy for d in detections], np.float32).reshape(-1, 5, 2),
    )


def landmark_error(found: Floats, truth: Floats) -> float:
    """Mean distance of ``(5, 2)`` landmarks over the true distance of the two eyes."""
    eyes = float(np.linalg.norm(truth[0] - truth[1]))
    return float(np.linalg.norm(found - truth, axis=1).mean() / max(eyes, 1e-6))

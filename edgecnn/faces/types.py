"""What the stages of the face pipeline hand on."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.images import Floats


@dataclass(frozen=True, eq=False)
class Detection:
    """A face found in a picture.

    Attributes:
        box_xyxy: ``(4,)`` float32, left, top, right, bottom, in pixels of the picture.
        score: 0…1.
        landmarks_xy: ``(5, 2)`` float32 in pixels: the eye on the picture's left, the eye on its
            right, the nose, the mouth corner on the picture's left, the one on its right.
    """

    box_xyxy: Floats
    score: float
    landmarks_xy: Floats


@dataclass(frozen=True, eq=False)
class Recognition:
    """A face of the current frame and who it is taken to be.

    Attributes:
        detection: where it is.
        track: number of the track it belongs to; the same face keeps it from frame to frame.
        name: the person, or None for *unknown*.
        score: cosine similarity to the nearest enrolled person, -1…1; None before any face of
            the track was embedded, or where nobody is enrolled.
        decided: whether the track's looks suffice: for the name, or, without one, for *unknown*.
    """

    detection: Detection
    track: int
    name: str | None
    score: float | None
    decided: bool = True


@dataclass(frozen=True, eq=False)
class Sample:
    """An embedding of a person, as a gallery has it.

    Attributes:
        name: whose; of a negative, whose it is not.
        embedding: ``(D,)`` float32 of length 1.
        quality: 0…1.
        source: where it came from, such as the name of a photo; for people to read.
        created: UTC, ISO 8601 to the second; empty for now.
    """

    name: str
    embedding: Floats
    quality: float = 1.0
    source: str = ""
    created: str = ""


@dataclass(frozen=True)
class Person:
    """An enrolled person: how many embeddings, their mean quality, when the first came, and the
    sources of the faces that were taught as not theirs."""

    name: str
    embeddings: int
    quality: float
    since: str
    negatives: tuple[str, ...] = ()

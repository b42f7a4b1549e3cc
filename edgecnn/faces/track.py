"""Which face of this frame is which face of the last: overlap of boxes, then likeness of faces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edgecnn.faces.boxes import box_iou
from edgecnn.faces.decide import Evidence
from edgecnn.images import Floats

OVERLAP = 0.2
"""Smallest IoU of a face with where its track was expected. A box that moves by half its width
between two frames still has an IoU of 1/3; that two faces are not mixed up is the embedder's
business, see :meth:`Track.likeness`."""

STEADY = 0.5
"""IoU with where it was expected below which a face may have changed places with another. Between
two frames at 15 a second a box that is 15 % off in place and 10 % in size has 0.6."""

PATIENCE_S, LONGEST_S = 1.0, 5.0
"""Seconds a track outlives its last face: a face hidden for longer is a new track. Between two
frames of a slow or busy board it is the second, or nobody would ever be looked at twice there."""

MEMORY = 0.7
"""What is left of a track's earlier embeddings when one more is added: about three frames."""


@dataclass(eq=False)
class Track:
    """A face over time.

    Attributes:
        number: 1, 2, 3 ... in order of appearance.
        box_xyxy: where it was last, ``(4,)`` float32, pixels.
        time_s: when that was.
        speed: pixels a second of the box's middle, x and y.
        evidence: who it is.
        score: of the nearest person at the last look.
        looks: how many there were. A look is a frame whose face was embedded.
        looked_s: when the last one was; None before the first.
        best_promise: of the looks so far, see :func:`edgecnn.faces.quality.promise`.
        doubts: looks in a row at which the face was somebody else's.
        steady: whether the face is where it was expected, was there in the frame before, and has
            no other near by: whoever is there now was there before.
    """

    number: int
    box_xyxy: Floats
    time_s: float
    speed: Floats = field(default_factory=lambda: np.zeros(2, np.float32))
    evidence: Evidence = field(default_factory=Evidence)
    score: float | None = None
    looks: int = 0
    looked_s: float | None = None
    best_promise: float = 0.0
    doubts: int = 0
    steady: bool = False
    _face: Floats | None = None

    def expected(self, time_s: float) -> Floats:
        """Where the box will be if it moves on as before, for a while, ``(4,)``."""
        passed = np.float32(min(time_s - self.time_s, PATIENCE_S))
        return self.box_xyxy + np.tile(self.speed * passed, 2)

    def move(self, box_xyxy: Floats, time_s: float) -> None:
        """The face was found again."""
        passed = time_s - self.time_s
        if passed > 0:
            middles = [(box[:2] + box[2:]) / 2 for box in (self.box_xyxy, box_xyxy)]
            seen = (middles[1] - middles[0]) / np.float32(passed)
            # Half the old speed: a detector's box shakes by some pixels.
            self.speed = np.asarray(0.5 * self.speed + 0.5 * seen, np.float32)
        self.box_xyxy, self.time_s = box_xyxy, time_s

    def likeness(self, embedding: Floats) -> float | None:
        """Cosine of a face ``(D,)`` to the track's last ones; None where there are none.

        Without this, whoever steps into a box would wear its name for some frames.
        """
        if self._face is None:
            return None
        return float(self._face @ embedding) / max(float(np.linalg.norm(self._face)), 1e-6)

    def remember(self, embedding: Floats) -> None:
        """Add an embedding ``(D,)`` of length 1 to the track's face."""
        self._face = embedding if self._face is None else MEMORY * self._face + embedding


class Tracker:
    """The tracks of one camera.

    Attributes:
        tracks: those alive, oldest first.
    """

    def __init__(self) -> None:
        self.tracks: list[Track] = []
        self._count = 0
        self._last_s = -math.inf

    def start(self, box_xyxy: Floats, time_s: float) -> Track:
        """A new track."""
        self._count += 1
        track = Track(self._count, box_xyxy, time_s)
        self.tracks.append(track)
        return track

    def replace(self, old: Track, time_s: float) -> Track:
        """A new track where ``old`` was: another face took its place."""
        self.tracks.remove(old)
        return self.start(old.box_xyxy, time_s)

    def rejoin(self, new: Track, embedding: Floats, threshold: float) -> Track:
        """The lost track that a new one goes on with, or the new one.

        A face that jumped, or was hidden, is told by its likeness to the faces of the tracks that
        have none in this frame.

        Args:
            new: of this frame, without looks.
            embedding: ``(D,)`` of its face.
            threshold: cosine from which two faces are one person's.
        """
        lost = [(t.likeness(embedding), t) for t in self.tracks if t.time_s < new.time_s]
        alike = [(score, t) for score, t in lost if score is not None and score >= threshold]
        if not alike:
            return new
        old = max(alike, key=lambda pair: pair[0])[1]
        self.tracks.remove(new)
        old.box_xyxy, old.time_s, old.speed, old.steady = new.box_xyxy, new.time_s, new.speed, False
        return old

    def update(self, boxes_xyxy: Sequence[Floats], time_s: float) -> list[Track]:
        """Give each face of a frame its track.

        Pairs with the largest overlap come first; a face without a partner starts a track, and
        a track without a face for :data:`PATIENCE_S` ends, as does one that had a face in the frame
        before, where that is :data:`LONGEST_S` ago.

        Args:
            boxes_xyxy: ``(4,)`` each.
            time_s: of the frame, in seconds; a clock that goes back ends all tracks.

        Returns:
            One track a box, in their order.
        """
        last_s, self._last_s = self._last_s, time_s
        self.tracks = [
            t
            for t in self.tracks
            if 0 <= time_s - t.time_s <= (LONGEST_S if t.time_s == last_s else PATIENCE_S)
        ]
        found: list[Track | None] = [None] * len(boxes_xyxy)
        boxes = np.array(boxes_xyxy, np.float32).reshape(-1, 4)
        overlaps = box_iou(
            np.array([t.expected(time_s) for t in self.tracks], np.float32).reshape(-1, 4), boxes
        )
        crowded = np.zeros(len(boxes), np.bool_)
        if len(boxes) > 1 or len(self.tracks) > 1:
            # Boxes that reach into each other, or into the place of another track.
            crowded = (box_iou(boxes, boxes) > 0).sum(axis=1) + (overlaps > 0).sum(axis=0) > 2
        while overlaps.size and (best := float(overlaps.max())) >= OVERLAP:
            i, j = np.unravel_index(int(overlaps.argmax()), overlaps.shape)
            old = self.tracks[i]
            old.steady = best >= STEADY and old.time_s == last_s and not bool(crowded[j])
            found[j] = old
            overlaps[i], overlaps[:, j] = -1, -1
        for track, box in zip(found, boxes_xyxy, strict=True):
            if track:
                track.move(box, time_s)
        return [
            track or self.start(box, time_s) for track, box in zip(found, boxes_xyxy, strict=True)
        ]

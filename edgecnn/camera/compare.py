"""Two models on the same frames: whom each names, and where they part. No I/O, no clock, no names
kept.

What is counted, once a face and frame:

===================  ============================================================================
``agree``            both give the same name, or both say unknown
``named_unknown``    the old one names, to the new one it is unknown
``unknown_named``    to the old one it is unknown, the new one names: the costly mistake, if it is
                     one
``other_name``       both name, and not the same
``missed_by_new``    a face that the old one alone finds
``missed_by_old``    a face that the new one alone finds
``undecided``        one of them has not looked long enough; no judgement
===================  ============================================================================

Where one model has decided on a face and the other, looking on, has not after :data:`PATIENCE_S`,
it counts as unknown to that one, as on the web page: a model that never decides must not pass for
one that never errs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from edgecnn.events.schema import Label
from edgecnn.faces import track
from edgecnn.faces.boxes import box_iou
from edgecnn.faces.types import Recognition

AGREE, UNDECIDED = "agree", "undecided"
KINDS = {
    "unknown_named": "unknown before, named by the new model",
    "other_name": "another name",
    "named_unknown": "named before, unknown to the new model",
    "missed_by_new": "faces that the new model does not find",
    "missed_by_old": "faces that the new model alone finds",
}
"""Disagreements, the costliest first, in words."""

SAME_FACE_IOU = 0.5
"""Overlap from which two boxes are of one face, as in :mod:`edgecnn.faces.recall`."""

PATIENCE_S = 3.0
LOOKING_ON_S = track.PATIENCE_S
"""A model that sees a face more seldom loses its track, and is not to blame for it."""

EXAMPLES = 4
"""Of each kind; from different tracks, or of different labels, so that they are not one second of
one visit."""


class Seen(NamedTuple):
    """One face as one model has it, or the one label of a frame (``box_xyxy`` and ``track`` 0).

    Attributes:
        box_xyxy: left, top, right, bottom in pixels.
    """

    box_xyxy: tuple[float, ...]
    track: int
    name: str | None
    score: float | None
    decided: bool


def seen(outcome: Sequence[Recognition] | Label) -> list[Seen]:
    """What a recogniser said of a frame."""
    if isinstance(outcome, Label):
        return [Seen((0.0, 0.0, 1.0, 1.0), 0, outcome.label, outcome.probability, True)]
    return [
        Seen(tuple(f.detection.box_xyxy.tolist()), f.track, f.name, f.score, f.decided)
        for f in outcome
    ]


def pairs(old: Sequence[Seen], new: Sequence[Seen]) -> list[tuple[Seen | None, Seen | None]]:
    """Each face once: with its partner, the best overlap first, or with None."""
    boxes = [np.array([f.box_xyxy for f in faces]).reshape(-1, 4) for faces in (old, new)]
    overlap = box_iou(*boxes)
    found: list[tuple[Seen | None, Seen | None]] = []
    free_old, free_new = dict(enumerate(old)), dict(enumerate(new))
    for at in np.argsort(-overlap, axis=None, kind="stable"):
        i, j = divmod(int(at), max(len(new), 1))
        if overlap[i, j] < SAME_FACE_IOU:
            break
        if i in free_old and j in free_new:
            found.append((free_old.pop(i), free_new.pop(j)))
    found += [(face, None) for face in free_old.values()]
    return found + [(None, face) for face in free_new.values()]


def verdict(old: Seen | None, new: Seen | None) -> str:
    """Which of the kinds above a face is."""
    if new is None:
        return "missed_by_new"
    if old is None:
        return "missed_by_old"
    if not (old.decided and new.decided):
        return UNDECIDED
    if old.name == new.name:
        return AGREE
    if old.name is None:
        return "unknown_named"
    return "named_unknown" if new.name is None else "other_name"


@dataclass(frozen=True)
class Example:
    """A disagreement as a fact; nobody's name is in it.

    Attributes:
        kind: see above.
        old, new: the face as each has it.
    """

    kind: str
    old: Seen | None
    new: Seen | None

    def facts(self, task: str) -> dict[str, Any]:
        """For JSON: kind and scores, and of a task with classes the labels."""
        facts: dict[str, Any] = {"kind": self.kind}
        for key, face in (("old", self.old), ("new", self.new)):
            score = face.score if face else None
            facts[f"{key}_score"] = None if score is None else round(score, 4)
            if task == "images" and face:
                facts[f"{key}_label"] = face.name
        return facts


class Comparison:
    """Counts over a run.

    Attributes:
        frames: that both models saw.
        counts: faces by kind.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.counts: Counter[str] = Counter()
        self._known: Counter[str] = Counter()
        self._shown: set[tuple[object, ...]] = set()
        self._waiting_s: dict[tuple[str, int], tuple[float, float]] = {}

    @property
    def agree(self) -> int:
        """Faces of which both say the same."""
        return self.counts[AGREE]

    @property
    def disagree(self) -> int:
        """Faces in which they part, of every kind."""
        return sum(self.counts[kind] for kind in KINDS)

    def add(self, old: Sequence[Seen], new: Sequence[Seen], time_s: float) -> list[Example]:
        """Count one frame.

        Args:
            old, new: what each model saw in it.
            time_s: when it was taken, in the source's seconds.

        Returns:
            Disagreements that are worth keeping as examples.
        """
        self.frames += 1
        found = []
        for a, b in pairs(old, new):
            kind = verdict(*self._patient(a, b, time_s))
            self.counts[kind] += 1
            if kind in KINDS and self._is_new(kind, a, b):
                found.append(Example(kind, a, b))
        waiting = self._waiting_s.items()
        self._waiting_s = {k: t for k, t in waiting if time_s - t[1] <= LOOKING_ON_S}
        return found

    def _patient(
        self, old: Seen | None, new: Seen | None, time_s: float
    ) -> tuple[Seen | None, Seen | None]:
        """The same, but for a model that has had its time."""
        if old is None or new is None or old.decided == new.decided:
            return old, new
        # By the track of the one that has decided: the other may begin anew with every look.
        key = ("new", old.track) if old.decided else ("old", new.track)
        first_s, last_s = self._waiting_s.get(key, (time_s, time_s))
        if time_s - last_s > LOOKING_ON_S:
            first_s = time_s
        self._waiting_s[key] = first_s, time_s
        if time_s - first_s < PATIENCE_S:
            return old, new
        return old._replace(decided=True), new._replace(decided=True)

    def _is_new(self, kind: str, old: Seen | None, new: Seen | None) -> bool:
        followed = old or new
        assert followed is not None
        key = kind, followed.track, old and old.name, new and new.name
        if self._known[kind] >= EXAMPLES or key in self._shown:
            return False
        self._known[kind] += 1
        self._shown.add(key)
        return True

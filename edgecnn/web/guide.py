"""Guided enrolment: which looks at a face are worth having, and what to do for the next one.

A person is known by the mean of their looks (:mod:`edgecnn.faces.redundant`), so what counts is
that these differ as the looks of the camera later will: from the left, the right and the front,
from below and above, from near and far, in more than one light. Each of these ten is a *cell* of
the meter. A look that fills one is taken; one that fills none is taken where it is no copy of
another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edgecnn.faces.photo import Photo
from edgecnn.faces.quality import Quality
from edgecnn.faces.redundant import MOST, SAME_PHOTO

SIDE = 0.15
"""Yaw (in eye distances) from which a face is turned: twice the scatter of faces that look straight
ahead, a quarter of what is refused (:class:`edgecnn.faces.quality.Limits`)."""

LEVEL = (0.52, 0.64)
"""Pitch of a level face: the median is 0.58; what is refused lies below 0.4 and above 0.75."""

NEAR = 0.11
"""Eye distance over the picture's shorter side from which a face is near: 53 px at 480 lines, about
60 cm before a camera that sees 60° across. A look from farther needs 18 px, a third of it."""

LIGHT = 25.0
"""Grey levels by which the face's mean must differ from the first look's to be another light. Told
by the difference alone, so that it asks the same of every skin."""

DOUBTS = 4
"""Looks at somebody else after which the very first look gives way, if no other has confirmed it:
of two people, one may go unseen for a moment, and everybody else would be refused from then on."""

ENOUGH_LOOKS = 3
DRY = 40
"""Good looks in a row that add nothing, after which more would not help: ten seconds."""

GROUPS: dict[str, dict[str, str]] = {
    "Turned": {"front": "straight", "left": "left", "right": "right"},
    "Tilted": {"level": "level", "up": "up", "down": "down"},
    "Distance": {"near": "near", "far": "farther"},
    "Light": {"light": "one light", "light2": "another light"},
}
"""The meter: each group's cells and their names."""

ADVICE = {
    "front": "Look straight into the camera.",
    "left": "Turn your head a little to your left.",
    "right": "Turn your head a little to your right.",
    "level": "Hold your head level.",
    "up": "Lift your chin a little.",
    "down": "Lower your chin a little.",
    "near": "Come closer to the camera.",
    "far": "Take a step back.",
    "light": "Look into the camera.",
    "light2": "Change the light: switch a lamp on or off, or turn towards a window.",
}
"""Cell to what fills it, in the order in which people are asked."""

REFUSALS = {
    "no face": "No face is seen: step in front of the camera.",
    "several faces": "More than one face is seen: only one person at a time.",
    "cut off": "Part of your face is outside the picture: move to the middle.",
    "blurred": "Blurred: hold still for a moment.",
    "too small": "Too far away: come closer.",
    "too dark or flat": "Too dark: switch a lamp on, or face a window.",
    "over-exposed": "Too bright: turn away from the lamp.",
    "turned away": "Turned too far: look more towards the camera.",
}
"""A photo's fate (:mod:`edgecnn.faces.photo`) as it is said to who stands before the camera."""

COPY = "This look is there already: move a little."
ANOTHER = "This seems to be somebody else than before: only one person at a time."
TAKEN = "Taken."


def cells_of(quality: Quality, shorter_px: int, first_brightness: float | None) -> set[str]:
    """The cells that a look fills: one a group.

    Args:
        shorter_px: the shorter side of the picture it is from.
        first_brightness: of the first look that was taken; None for the first one itself.
    """
    q, (up, down) = quality, LEVEL
    changed = first_brightness is not None and abs(q.brightness - first_brightness) >= LIGHT
    return {
        # The nose of who turns to their own left moves to the picture's right.
        "left" if q.yaw > SIDE else "right" if q.yaw < -SIDE else "front",
        "up" if q.pitch < up else "down" if q.pitch > down else "level",
        "near" if q.eyes_px >= NEAR * shorter_px else "far",
        "light2" if changed else "light",
    }


@dataclass
class Guide:
    """One person's enrolment as it goes on.

    Attributes:
        name: whose.
        threshold: cosine from which two looks show the same person.
        taken: the looks to enrol.
        filled: cells.
        said: about the last look.
        refused: how many looks were refused, by reason.
    """

    name: str
    threshold: float
    taken: list[Photo] = field(default_factory=list)
    filled: set[str] = field(default_factory=set)
    said: str = ""
    refused: dict[str, int] = field(default_factory=dict)
    _dry: int = 0
    _doubts: int = 0
    _confirmed: bool = False

    def look(self, photo: Photo, shorter_px: int) -> bool:
        """Judge one look at whoever stands there; whether it was taken.

        Args:
            photo: from :func:`edgecnn.faces.photo.examine`.
            shorter_px: the shorter side of its picture.
        """
        why = self._why_not(photo, shorter_px)
        if why == ANOTHER and not self._confirmed:
            self._doubts += 1
            if self._doubts == DOUBTS:
                self.taken, self.filled, why = [], set(), ""
        if why in ("", COPY):
            self._confirmed, self._doubts = bool(self.taken), 0
        if why:
            self.said = why
            self.refused[why] = self.refused.get(why, 0) + 1
            self._dry += why == COPY
            return False
        assert photo.quality is not None
        self.filled |= cells_of(photo.quality, shorter_px, self._brightness)
        self.taken.append(photo)
        self.said, self._dry = TAKEN, 0
        return True

    def _why_not(self, photo: Photo, shorter_px: int) -> str:
        if not photo.usable or photo.embedding is None or photo.quality is None:
            return REFUSALS.get(photo.kind, photo.fate)
        if not self.taken:
            return ""
        cosines = np.array([p.embedding for p in self.taken]) @ photo.embedding
        if cosines.max() < self.threshold:
            return ANOTHER
        new = cells_of(photo.quality, shorter_px, self._brightness) - self.filled
        room = MOST - len(self.taken) > len(self.missing)
        return "" if new or (room and cosines.max() < SAME_PHOTO) else COPY

    @property
    def _brightness(self) -> float | None:
        first = self.taken[0].quality if self.taken else None
        return first.brightness if first else None

    @property
    def missing(self) -> list[str]:
        """Cells that are not filled, in the order in which they are asked for."""
        return [cell for cell in ADVICE if cell not in self.filled]

    @property
    def done(self) -> bool:
        """Whether more would not help."""
        if len(self.taken) < ENOUGH_LOOKS:
            return False
        return not self.missing or len(self.taken) >= MOST or self._dry >= DRY

    @property
    def advice(self) -> str:
        """What to do next."""
        if self.done:
            return "That is enough: more would not help."
        return ADVICE[self.missing[0]] if self.missing else "Move a little."

    def meter(self) -> Sequence[tuple[str, Sequence[tuple[str, bool]]]]:
        """Group by group, each cell's name and whether it is filled."""
        return [
            (group, [(word, cell in self.filled) for cell, word in cells.items()])
            for group, cells in GROUPS.items()
        ]

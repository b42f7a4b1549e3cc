"""Who is there now and who was, in memory alone and bounded in number and in age."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from edgecnn.camera.pipeline import Result
from edgecnn.events.schema import Label
from edgecnn.faces.quality import Quality
from edgecnn.faces.types import Recognition
from edgecnn.images import Floats, Image

MOST = 200
"""Visits that are remembered."""

LONGEST_S = 12 * 3600.0
"""So long after it was last seen a visit is forgotten, with its embedding."""

BRIEF = timedelta(seconds=60)
"""Who comes back within a minute never left, as the list of sightings has it."""

UNSURE = timedelta(seconds=3)
"""A face that was there for so long and is still not decided on counts as unknown here: somebody
may say who it is. (It stays so where it is a little like somebody enrolled, but not enough.)"""

PRESENT_S = 2.0
"""A result that is older says nothing about who is there now."""


@dataclass(eq=False)
class Visit:
    """A face from when it came to when it went.

    Attributes:
        number: names it, for forms.
        track: of the camera.
        name: None for unknown, or while it is not decided.
        decided: whether its looks sufficed, now or before.
        first, last: when, UTC.
        score: of the last look.
        seen_s: when it was last there, by the clock of :class:`Visits`: the camera's time may jump.
        tried_s: when the page last tried to take a look, by the same clock.
        embedding, quality: of its best look, once the page took one.
        face: JPEG of that look, only where pictures may be kept.
    """

    number: int
    track: int
    first: datetime
    last: datetime
    name: str | None = None
    decided: bool = False
    score: float | None = None
    seen_s: float = 0.0
    tried_s: float = -math.inf
    embedding: Floats | None = None
    quality: Quality | None = None
    face: bytes = b""

    @property
    def settled(self) -> bool:
        """Whether it has a name, is unknown, or has been undecided for long."""
        return self.decided or self.last - self.first >= UNSURE


@dataclass(frozen=True)
class Sighting:
    """Visits of one person in a row, or one of somebody unknown."""

    name: str | None
    first: datetime
    last: datetime
    visits: tuple[Visit, ...]


class Visits:
    """All visits. Any thread may call any method; none waits for more than a list to be made.

    Args:
        clock: seconds that do not go back, the same as of a frame's ``taken_s``.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._lock = threading.Lock()
        self._visits: deque[Visit] = deque(maxlen=MOST)
        self._now: list[tuple[Visit, Recognition]] = []
        self._label: Label | None = None
        self._at_s = self._removed_s = -math.inf
        self._next = 1

    def update(self, result: Result) -> None:
        """Take in the camera's newest result.

        One whose frame was taken before somebody was removed is passed over: it was recognised
        with their name.
        """
        with self._lock:
            if result.frame.taken_s < self._removed_s:
                return
            self._at_s = self._clock()
            self._purge()
            if isinstance(result.outcome, Label):
                self._label = result.outcome
                return
            open_ = {visit.track: visit for visit, _ in self._now}
            if len(open_) < len(result.outcome):
                open_ |= {v.track: v for v in self._visits}
            self._now = [
                (self._visit(face, open_.get(face.track), result.taken_at), face)
                for face in result.outcome
            ]

    def _visit(self, face: Recognition, visit: Visit | None, at: datetime) -> Visit:
        other = visit and visit.decided and face.decided and face.name != visit.name
        if visit is None or other:
            visit = Visit(self._next, face.track, at, at)
            self._next += 1
            self._visits.append(visit)
        visit.last, visit.seen_s, visit.score = at, self._at_s, face.score
        if face.decided:
            visit.name, visit.decided = face.name, True
        return visit

    def now(self) -> list[tuple[Visit, Recognition]]:
        """The faces of the newest result; nobody where it is old."""
        with self._lock:
            return [] if self._clock() - self._at_s > PRESENT_S else list(self._now)

    @property
    def label(self) -> Label | None:
        """What a bundle for images says now."""
        with self._lock:
            return None if self._clock() - self._at_s > PRESENT_S else self._label

    @property
    def runs(self) -> bool:
        """Whether results come."""
        return self._clock() - self._at_s <= PRESENT_S

    def settled(self) -> list[Visit]:
        """All visits with a name or of somebody unknown, in the order in which they came."""
        with self._lock:
            self._purge()
            return [v for v in self._visits if v.settled]

    def get(self, number: int) -> Visit | None:
        """The visit of that number, if it is remembered."""
        with self._lock:
            self._purge()
            return next((v for v in self._visits if v.number == number), None)

    def wants_look(self, result: Result) -> tuple[Visit, Recognition] | None:
        """The settled face of a result whose turn it is: the one that was tried longest ago.

        So a face that no look is good enough of does not keep others waiting, and a weak look is
        bettered as soon as the face is seen better.
        """
        if isinstance(result.outcome, Label):
            return None
        here = {id(face) for face in result.outcome}
        faces = [(v, face) for v, face in self.now() if v.settled and id(face) in here]
        if not faces:
            return None
        visit, face = min(faces, key=lambda pair: pair[0].tried_s)
        visit.tried_s = self._clock()
        return visit, face

    def forget(self, name: str) -> None:
        """Remove every visit of a person."""
        self._remove(lambda visit: visit.name == name)

    def forget_visits(self, numbers: Sequence[int]) -> None:
        """Remove these visits."""
        self._remove(lambda visit: visit.number in numbers)

    def _remove(self, goes: Callable[[Visit], bool]) -> None:
        with self._lock:
            self._removed_s = self._clock()
            self._drop(goes)

    def _purge(self) -> None:
        oldest_s = self._clock() - LONGEST_S
        self._drop(lambda visit: visit.seen_s < oldest_s)

    def _drop(self, goes: Callable[[Visit], bool]) -> None:
        self._visits = deque((v for v in self._visits if not goes(v)), MOST)
        self._now = [(v, face) for v, face in self._now if not goes(v)]


def sightings(visits: Sequence[Visit], threshold: float = 1.0, most: int = 30) -> list[Sighting]:
    """The last visits, the newest first; those of one person within a minute are one sighting.

    Args:
        threshold: cosine from which two unknown faces are one person's.
    """
    groups: list[list[Visit]] = []
    for visit in visits:
        for group in reversed(groups):
            away = visit.first - max(v.last for v in group)
            if away <= BRIEF and _same(group[-1], visit, threshold):
                group.append(visit)
                break
        else:
            groups.append([visit])
    found = [Sighting(g[0].name, g[0].first, max(v.last for v in g), tuple(g)) for g in groups]
    return sorted(found, key=lambda s: s.last, reverse=True)[:most]


def _same(a: Visit, b: Visit, threshold: float) -> bool:
    if a.name is not None or b.name is not None:
        return a.name == b.name
    if a.embedding is None or b.embedding is None:
        return False
    return float(a.embedding @ b.embedding) >= threshold


def look_name(at: datetime) -> str:
    """What a look of the camera's is called in the gallery, where a photo has its file's name.

    >>> look_name(datetime(2026, 5, 4, 9, 30, 0, 125000, timezone.utc))
    'camera 2026-05-04 09:30:00.125'
    """
    utc = at.astimezone(timezone.utc)
    return f"camera {utc:%Y-%m-%d %H:%M:%S}.{utc.microsecond // 1000:03}"


def face_jpeg(face_bgr: Image) -> bytes:
    """An aligned face as a small JPEG."""
    import cv2

    return bytes(cv2.imencode(".jpg", face_bgr, [cv2.IMWRITE_JPEG_QUALITY, 85])[1])

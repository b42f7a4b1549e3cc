"""The loop: the newest frame, who is in it, and on to the sinks.

Three things overlap: the source reads the next frame in a thread of its own
(:mod:`edgecnn.camera.sources.newest`, :mod:`edgecnn.camera.sources.ahead`), this loop recognises,
and each sink writes in its own (:mod:`edgecnn.camera.sinks.beside`). A frame is handed on as it is;
the one copy is the annotated picture, drawn by the first sink that shows it.
"""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from edgecnn.bundle import Bundle
from edgecnn.camera import overlay
from edgecnn.camera.pace import Pace
from edgecnn.camera.sinks.beside import AllBeside
from edgecnn.camera.sources.source import Frame, Source
from edgecnn.camera.stages import Stages
from edgecnn.camera.veil import Veil
from edgecnn.errors import DataError, GalleryError
from edgecnn.events.schema import Label
from edgecnn.faces.types import Recognition
from edgecnn.faces.vault import Key
from edgecnn.images import Image
from edgecnn.runtime.timing import Summary, summarise

if TYPE_CHECKING:
    from edgecnn.faces.gallery import Gallery as People

Recogniser = Callable[[Image, float], Sequence[Recognition] | Label]
"""A frame ``(H, W, 3)`` uint8 BGR and its time in seconds in; faces, or one label, out."""

KEPT_LATENCIES = 10_000
"""The loop may run for months; percentiles of the last minutes are what says how it does."""


@dataclass(eq=False)
class Result:
    """A frame and what was recognised in it.

    Attributes:
        frame: the picture as it came, but for what a veil blurred in it.
        source: the source's name.
        outcome: the faces, or the label.
        taken_at: when the picture was taken, UTC.
        latency_ms: from the picture's arrival to the outcome.
        veiled_bgr: the picture before a veil blurred faces in it, None where none did. For looking
            at faces once more, as enrolment does; never to be shown or stored.
    """

    frame: Frame
    source: str
    outcome: Sequence[Recognition] | Label
    taken_at: datetime
    latency_ms: float
    veiled_bgr: Image | None = None
    _drawing: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _drawn: Image | None = field(default=None, init=False, repr=False)

    @property
    def sharp_bgr(self) -> Image:
        """The picture that was recognised: to look at faces with, never to be shown or stored."""
        return self.frame.image_bgr if self.veiled_bgr is None else self.veiled_bgr

    @property
    def annotated_bgr(self) -> Image:
        """A copy of the picture with the outcome drawn on it; made once for all sinks."""
        with self._drawing:
            if self._drawn is None:
                self._drawn = overlay.draw(self.frame.image_bgr, self.outcome)
            return self._drawn

    @property
    def names(self) -> list[str | None]:
        """Who, or what, is there; None for unknown."""
        if isinstance(self.outcome, Label):
            return [self.outcome.label]
        return [face.name for face in self.outcome]


class Sink(Protocol):
    """Where results go. ``close`` finishes what was begun, also after an error elsewhere.

    ``write`` is called in a thread of its own; a sink's attribute ``backlog``, a
    :class:`edgecnn.camera.sinks.beside.Backlog`, says what happens where it is slow.
    """

    def write(self, result: Result) -> None:
        """Take one result."""

    def close(self) -> None:
        """Finish."""


@dataclass
class Stats:
    """What a run of the loop came to.

    Attributes:
        frames: how many were recognised.
        seconds: from the start to the last result.
        names: frames in which each name was seen; None counts frames with somebody unknown.
        latencies_ms: of the last 10,000 frames, from the picture's arrival to the outcome.
        pace: which frames were passed over.
        dropped: results that a slow sink had no room for, by its name.
        stages: where the time went.
        shadow: what a model beside this one came to, None without one; see
            :mod:`edgecnn.camera.shadow`.
    """

    frames: int = 0
    seconds: float = 0.0
    names: Counter[str | None] = field(default_factory=Counter)
    latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT_LATENCIES))
    pace: Pace = field(default_factory=Pace)
    dropped: dict[str, int] = field(default_factory=dict)
    stages: Stages = field(default_factory=Stages)
    shadow: dict[str, Any] | None = None

    @property
    def fps(self) -> float:
        """Frames a second, sinks included; 0 before the first."""
        return self.frames / self.seconds if self.seconds else 0.0

    @property
    def latency(self) -> Summary:
        """Percentiles of the latencies."""
        return summarise(list(self.latencies_ms))


def run(
    source: Source,
    recogniser: Recogniser,
    sinks: Iterable[Sink] = (),
    *,
    max_frames: int | None = None,
    on_frame: Callable[[Result], None] | None = None,
    stop: threading.Event | None = None,
    stats: Stats | None = None,
    veil: Veil | None = None,
    pace: Pace | None = None,
    note: Callable[[str], object] | None = None,
) -> Stats:
    """Recognise frame after frame until the source ends. Closes neither source nor sinks.

    When it returns, also by an error, the sinks have written all that they were given.

    Args:
        max_frames: stop after that many.
        veil: blurs the unknown on each frame before sinks and ``on_frame`` get it.
        on_frame: called with each result, after it was handed to the sinks.
        stop: once set, the frame at hand is finished and no other is begun.
        stats: counted into, so that a caller has the counts when the source breaks off.
        pace: which frames are recognised; None for all.
        note: takes a line where a sink fails that others do without.

    Raises:
        CameraError: a live source stopped for good.
        StorageError: a sink could not write.
    """
    stats = stats or Stats()
    stats.pace = pace = pace or Pace()
    stages = stats.stages
    began_s = time.monotonic()
    beside = AllBeside(sinks, source.live, stages, note)
    try:
        with beside:
            while not _is_over(stats, max_frames, stop):
                stages.enter("camera")
                frame = source.read()
                if frame is None:
                    break
                stages.enter("motion")
                wanted = pace.wants(frame)
                stats.seconds = time.monotonic() - began_s
                if not wanted:
                    continue
                stages.enter("recognise")
                outcome = recogniser(frame.image_bgr, frame.time_s)
                latency_s = time.monotonic() - frame.taken_s
                taken_at = datetime.now(timezone.utc) - timedelta(seconds=latency_s)
                stages.enter("sinks")
                result = Result(frame, source.name, outcome, taken_at, latency_s * 1e3)
                if veil is not None:
                    result = _veiled(result, veil)
                beside.write(result)
                _count(stats, result, recogniser)
                pace.recognised()
                if on_frame:
                    on_frame(result)
                stats.seconds = time.monotonic() - began_s
            stages.enter("sinks")
    finally:
        stages.enter("")
        stats.dropped = beside.dropped
    return stats


def _is_over(stats: Stats, max_frames: int | None, stop: threading.Event | None) -> bool:
    done = max_frames is not None and stats.frames >= max_frames
    return done or (stop is not None and stop.is_set())


def _count(stats: Stats, result: Result, recogniser: Recogniser) -> None:
    stats.frames += 1
    stats.latencies_ms.append(result.latency_ms)
    stats.names.update(set(result.names))
    for stage, ms in getattr(recogniser, "timings", {}).items():
        stats.stages.add(stage, ms / 1e3)


def _veiled(result: Result, veil: Veil) -> Result:
    """The result with the unknown blurred in its frame."""
    picture = result.frame.image_bgr
    if isinstance(result.outcome, Label):
        return result
    shown = veil(picture, result.outcome, result.frame.time_s)
    if shown is picture:
        return result
    return replace(result, frame=replace(result.frame, image_bgr=shown), veiled_bgr=picture)


def load(
    bundle: Bundle,
    gallery: Path | None = None,
    threads: int | None = None,
    strangers: float | None = None,
    missed: float | None = None,
    key: Key | None = None,
    note: Callable[[str], object] = lambda line: None,
    awaited: bool = False,
) -> Recogniser:
    """What a bundle recognises with.

    Args:
        gallery: of the people, for a faces bundle. The bundle's own where None; until there is that
            one nobody is enrolled, and everybody is unknown.
        strangers: the share of strangers' visits that may end with a name; None for the bundle's.
        missed: the share of enrolled people's visits that may end as unknown; None for the usual
            one, see :class:`edgecnn.faces.decide.Rates`.
        key: of an encrypted gallery.
        note: takes a line where a gallery that comes later cannot be opened.
        awaited: another gallery than the bundle's own need not be there yet, either.

    Raises:
        BundleError: the bundle is of a task that recognises nothing.
        DataError: ``strangers`` or ``missed`` for a bundle that knows no people.
        GalleryError: there is no such gallery, it is of another embedder, or the key is not its.
    """
    if bundle.manifest.task == "images":
        from edgecnn.classify import Classifier

        if strangers is not None or missed is not None:
            raise DataError(
                f"expected a bundle for faces with --strangers and --missed. {bundle.path} is for "
                "task images: leave them out"
            )

        classifier = Classifier(bundle, threads)
        return lambda frame_bgr, time_s: Label(*classifier(frame_bgr))
    from edgecnn.faces.decide import Rates
    from edgecnn.faces.embed import fingerprint
    from edgecnn.faces.gallery import Gallery
    from edgecnn.faces.recognise import Recogniser as FaceRecogniser

    rates = Rates.for_bundle(bundle, strangers, missed)
    place = gallery or bundle.gallery
    awaited = awaited or gallery is None
    held = ExitStack()

    def find() -> Gallery | None:
        if awaited and not (place.exists() and place.stat().st_size):  # empty: it is being made
            return None
        return held.enter_context(Gallery(place, fingerprint(bundle), key=key))

    recogniser = FaceRecogniser(bundle, find(), threads, rates, _patient(find, note))
    # It reads the gallery from frame to frame, and nobody else holds it: they end together.
    weakref.finalize(recogniser, held.close)
    return recogniser


RETRY_S = 1.0
"""Between two tries at a gallery that could not be opened: it is being copied, say."""


def _patient(
    find: Callable[[], People | None], note: Callable[[str], object]
) -> Callable[[], People | None]:
    """``find`` for a camera that runs, which no gallery ends: what is wrong is said once."""
    said, due_s = "", -math.inf

    def found() -> People | None:
        nonlocal said, due_s
        if time.monotonic() < due_s:
            return None
        try:
            return find()
        except (GalleryError, OSError) as e:
            due_s = time.monotonic() + RETRY_S
            if str(e) != said:
                said = str(e)
                note(f"nobody is known yet: {said}")
            return None

    return found

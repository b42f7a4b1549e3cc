"""A thread that looks at faces closely for the page: for enrolment, and to know them again.

The camera's loop hands on no embeddings, and it must not wait; so this thread takes its own look,
with its own models, a few times a second, where the processor has time for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from edgecnn.bundle import Bundle
from edgecnn.camera.pipeline import Result
from edgecnn.errors import DataError
from edgecnn.faces.align import align
from edgecnn.faces.detect import Detector
from edgecnn.faces.embed import Embedder
from edgecnn.faces.photo import Detect, Embed, examine
from edgecnn.faces.quality import LIVE, measure
from edgecnn.web.guide import Guide
from edgecnn.web.pictures import yield_the_processor
from edgecnn.web.visits import Visits, face_jpeg, look_name

EVERY_S = 0.25
"""Between two looks: four a second are enough to guide somebody, and take a few percent of a
board's processor."""

GIVEN_UP_S = 180.0
"""An enrolment that nobody finishes is dropped after so long without a page that asks for it."""


def models_of(bundle: Bundle) -> tuple[Detect, Embed]:
    """A detector and an embedder of our own, one thread each: a model serves one thread at a
    time."""
    return Detector.of(bundle, 1), Embedder.of(bundle, 1, mirror=True)


class Looker:
    """Looks at the newest result, for the visits and for an enrolment that is under way.

    Args:
        models: gives the detector and the embedder; called in the thread.
        visits: get embeddings of their faces.
        newest: the camera's newest result, or None.
        threshold: cosine from which two looks show the same person.
        keep_faces: keep a small picture of each face, too, unless a veil blurs it.
    """

    def __init__(
        self,
        models: Callable[[], tuple[Detect, Embed]],
        visits: Visits,
        newest: Callable[[], Result | None],
        threshold: float,
        keep_faces: bool = False,
        every_s: float = EVERY_S,
    ):
        self._models, self._visits, self._newest = models, visits, newest
        self._threshold, self._keep_faces, self._every_s = threshold, keep_faces, every_s
        self._lock = threading.Lock()
        self._guide: Guide | None = None
        self._asked_s = 0.0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="edgecnn-looker", daemon=True)
        self._thread.start()

    def begin(self, name: str) -> None:
        """Begin to enrol somebody.

        Raises:
            DataError: another enrolment is under way.
        """
        with self._lock:
            if self._guide is not None and self._guide.name != name:
                raise DataError(
                    f"{self._guide.name} is being enrolled: finish or cancel that first"
                )
            self._guide = Guide(name, self._threshold)
            self._asked_s = time.monotonic()

    @property
    def guide(self) -> Guide | None:
        """The enrolment that is under way; asking keeps it alive."""
        with self._lock:
            self._asked_s = time.monotonic()
            return self._guide

    def end(self) -> Guide | None:
        """End the enrolment; what there was."""
        with self._lock:
            guide, self._guide = self._guide, None
            return guide

    def close(self) -> None:
        """Stop the thread."""
        self._closed.set()
        self._thread.join(2.0)

    def _run(self) -> None:
        yield_the_processor()
        detect, embed = self._models()
        last: Result | None = None
        while not self._closed.wait(self._every_s):
            result = self._newest()
            if result is None or result is last:
                continue
            last = result
            with self._lock:
                guide = self._guide
                if guide and time.monotonic() - self._asked_s > GIVEN_UP_S:
                    guide = self._guide = None
            if guide is not None and not guide.done:
                self._guided(guide, result, detect, embed)
            else:
                self._look(result, embed)

    def _guided(self, guide: Guide, result: Result, detect: Detect, embed: Embed) -> None:
        picture = result.sharp_bgr
        photo = examine(guide.name, look_name(result.taken_at), picture, detect, embed)
        with self._lock:
            if guide is self._guide:
                guide.look(photo, min(picture.shape[:2]))

    def _look(self, result: Result, embed: Embed) -> None:
        wanted = self._visits.wants_look(result)
        if wanted is None:
            return
        visit, face = wanted
        landmarks = face.detection.landmarks_xy
        try:
            aligned = align(result.sharp_bgr, landmarks)
        except DataError:  # landmarks on one spot
            return
        quality = measure(aligned, landmarks)
        if quality.overall < LIVE or (visit.quality and quality.overall <= visit.quality.overall):
            return
        visit.embedding, visit.quality = embed(aligned), quality
        if self._keep_faces and (face.name is not None or result.veiled_bgr is None):
            visit.face = face_jpeg(aligned)

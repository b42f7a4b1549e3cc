"""A frame in, faces with names out: detect, track, align, judge, embed, match, decide."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from edgecnn.bundle import Bundle
from edgecnn.errors import DataError, GalleryError
from edgecnn.faces.align import align
from edgecnn.faces.cohort import Cohort
from edgecnn.faces.decide import Bounds, Rates
from edgecnn.faces.detect import Detector
from edgecnn.faces.embed import Embedder, fingerprint
from edgecnn.faces.gallery import Gallery
from edgecnn.faces.likelihood import MODEL_ERROR, Likelihood
from edgecnn.faces.look import is_due, is_stale
from edgecnn.faces.match import Index
from edgecnn.faces.quality import LIVE, measure, promise, wholeness
from edgecnn.faces.track import Track, Tracker
from edgecnn.faces.types import Detection, Recognition
from edgecnn.images import Floats, Image

STAGES = ("detect", "align", "embed", "match")
DOUBTS = 2
"""Looks in a row that must show another face before a track gives way to a new one. In the first
of them the face has no name; a single bad frame does not cost a track its number and its past."""


class Recogniser:
    """Names the people on the frames of one camera.

    A face is embedded where it pays (:mod:`edgecnn.faces.look`); in between, it keeps the name of
    its track. A frame too poor to tell anything (:data:`edgecnn.faces.quality.LIVE`) is no look.

    Args:
        gallery: of the people; without one everybody is unknown.
        find: asked for one at each frame while there is none: somebody may be enrolled.

    Attributes:
        threshold: cosine from which two looks show the same face; the bundle's.
        rates: of strangers who may get a name, and of enrolled people who may be missed.
        timings: milliseconds each of :data:`STAGES` took on the last frame, all faces together.

    Raises:
        GalleryError: the gallery is of another embedder than the bundle's.
    """

    def __init__(
        self,
        bundle: Bundle,
        gallery: Gallery | None,
        threads: int | None = None,
        rates: Rates | None = None,
        find: Callable[[], Gallery | None] | None = None,
    ):
        if gallery is not None and gallery.embedder_sha256 != fingerprint(bundle):
            raise GalleryError(
                f"{gallery.path} was made with the embedder {gallery.embedder_sha256[:12]}, "
                f"{bundle.path} has {fingerprint(bundle)[:12]}: enroll everybody again from "
                "photos, or use the bundle that the gallery was made with"
            )
        point = bundle.manifest.operating_point
        self._set(
            Detector.of(bundle, threads),
            Embedder.of(bundle, threads),
            gallery,
            bundle.threshold,
            rates or Rates.for_bundle(bundle),
            point.error_rate if point else MODEL_ERROR,
            Cohort.load(bundle),
            find,
        )

    @classmethod
    def from_parts(
        cls,
        detector: Callable[[Image], list[Detection]],
        embedder: Callable[[Image], Floats],
        gallery: Gallery | None,
        threshold: float,
        rates: Rates | None = None,
        cohort: Cohort | None = None,
    ) -> Recogniser:
        """From any two functions: a frame to detections, an aligned face to an embedding."""
        self = cls.__new__(cls)
        self._set(detector, embedder, gallery, threshold, rates or Rates(), MODEL_ERROR, cohort)
        return self

    def _set(
        self,
        detector: Callable[[Image], list[Detection]],
        embedder: Callable[[Image], Floats],
        gallery: Gallery | None,
        threshold: float,
        rates: Rates,
        error_rate: float,
        cohort: Cohort | None,
        find: Callable[[], Gallery | None] | None = None,
    ) -> None:
        self._detector, self._embedder, self._gallery = detector, embedder, gallery
        self._find = find
        self.threshold, self.rates = threshold, rates
        self._error_rate, self._cohort = error_rate, cohort
        self.timings = dict.fromkeys(STAGES, 0.0)
        self._tracker = Tracker()
        self._know(gallery.index() if gallery else Index([], np.zeros((0, 1), np.float32)))

    @property
    def people(self) -> list[str]:
        """Names that can be given at present."""
        return self._index.people

    def __call__(self, frame_bgr: Image, time_s: float) -> list[Recognition]:
        """Recognise the faces of the next frame.

        Args:
            frame_bgr: ``(H, W, 3)`` uint8.
            time_s: when it was taken, in seconds of any clock that does not go back.

        Returns:
            One for each face, in the detector's order.
        """
        self.timings = dict.fromkeys(STAGES, 0.0)
        with self._timed("match"):
            if self._gallery is None and self._find is not None:
                self._gallery = self._find()
            if self._gallery is not None and self._gallery.changed():
                self._know(self._gallery.index())
        with self._timed("detect"):
            detections = self._detector(frame_bgr)
        with self._timed("match"):
            tracks = self._tracker.update([d.box_xyxy for d in detections], time_s)
        return [
            self._recognise(frame_bgr, time_s, detection, track)
            for detection, track in zip(detections, tracks, strict=True)
        ]

    def _recognise(
        self, frame_bgr: Image, time_s: float, detection: Detection, track: Track
    ) -> Recognition:
        whole = wholeness(detection.box_xyxy, frame_bgr)
        promised = whole * promise(detection.landmarks_xy)
        if is_due(track, track.evidence.decided, promised, time_s):
            face, quality = self._cut_out(frame_bgr, detection)
            if face is not None:
                return self._look(face, whole * quality, promised, time_s, detection, track)
        if track.doubts or is_stale(track, time_s):
            return Recognition(detection, track.number, None, None, decided=False)
        return self._as_known(detection, track)

    def _cut_out(self, frame_bgr: Image, detection: Detection) -> tuple[Image | None, float]:
        """The aligned face and its quality; None where it tells nothing."""
        with self._timed("align"):
            try:
                face = align(frame_bgr, detection.landmarks_xy)
            except DataError:  # landmarks on one spot
                return None, 0.0
            quality = measure(face, detection.landmarks_xy).overall
        return (face if quality >= LIVE else None), quality

    def _look(
        self,
        face: Image,
        quality: float,
        promised: float,
        time_s: float,
        detection: Detection,
        track: Track,
    ) -> Recognition:
        with self._timed("embed"):
            embedding = self._embedder(face)
        with self._timed("match"):
            scores = self._index.scores(embedding)
            score = float(scores.max()) if len(scores) else None
            if not track.looks:
                track = self._tracker.rejoin(track, embedding, self.threshold)
            named = track.evidence.named
            likeness = track.likeness(embedding)
            if not (
                likeness is None
                or likeness >= self.threshold
                or (named is not None and scores[named] >= self.threshold)
            ):
                track.doubts += 1
                if track.doubts < DOUBTS:
                    return Recognition(detection, track.number, None, score, decided=False)
                track = self._tracker.replace(track, time_s)
            track.remember(embedding)
            track.doubts, track.looked_s, track.score = 0, time_s, score
            track.looks, track.best_promise = track.looks + 1, max(track.best_promise, promised)
            track.evidence.add(embedding, quality)
            scores = self._index.scores(track.evidence.mean)
            track.evidence.judge(scores, self._likelihood, self._bounds)
        return self._as_known(detection, track)

    def _as_known(self, detection: Detection, track: Track) -> Recognition:
        named = track.evidence.named
        name = None if named is None else self._index.people[named]
        return Recognition(detection, track.number, name, track.score, track.evidence.decided)

    def _know(self, index: Index) -> None:
        """Take over people who were enrolled, renamed or forgotten, here or by another process."""
        self._index = index
        likelihood = Likelihood.from_cohort(index, self._cohort) if self._cohort else None
        if likelihood is None:
            likelihood = Likelihood.from_threshold(len(index), self.threshold, self._error_rate)
        self._likelihood, self._bounds = likelihood, Bounds.of(likelihood, self.rates)
        # The looks so far count; but people go by numbers, and who is number 3 may have changed.
        for track in self._tracker.tracks:
            track.evidence.named, track.looked_s = None, None
            if track.looks:
                scores = index.scores(track.evidence.mean)
                track.evidence.judge(scores, self._likelihood, self._bounds)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.timings[stage] += (time.perf_counter() - start) * 1e3

"""A frame in, faces with names out: detect, track, align, judge, embed, match, decide."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from edgecnn.bundle import Bundle
from edgecnn.errors import DataError, GalleryError
from edgecnn.faces.align import align
from edgecnn.faces.detect import Detector
from edgecnn.faces.embed import Embedder, fingerprint
from edgecnn.faces.gallery import Gallery
from edgecnn.faces.match import Index
from edgecnn.faces.quality import measure
from edgecnn.faces.track import Track, Tracker
from edgecnn.faces.types import Detection, Recognition
from edgecnn.images import Floats, Image

STAGES = ("detect", "align", "embed", "match")
DOUBTS = 2
"""Frames in a row that must show another face before a track gives way to a new one. In the first
of them the face has no name; a single bad frame does not cost a track its number and its past."""


class Recogniser:
    """Names the people on the frames of one camera.

    Every face of every frame is embedded: a name that is carried over without a look at the face
    could end on a stranger who stepped into its place.

    Attributes:
        threshold: cosine below which a face is unknown; the bundle's.
        timings: milliseconds each of :data:`STAGES` took on the last frame, all faces together.

    Raises:
        GalleryError: the gallery is of another embedder than the bundle's.
    """

    def __init__(self, bundle: Bundle, gallery: Gallery | None, threads: int | None = None):
        if gallery is not None and gallery.embedder_sha256 != fingerprint(bundle):
            raise GalleryError(
                f"{gallery.path} was made with the embedder {gallery.embedder_sha256[:12]}, "
                f"{bundle.path} has {fingerprint(bundle)[:12]}: enroll everybody again from "
                "photos, or use the bundle that the gallery was made with"
            )
        self._set(
            Detector(bundle.model("detector", threads), bundle.entry("detector")),
            Embedder(bundle.model("embedder", threads), bundle.entry("embedder")),
            gallery,
            bundle.threshold,
        )

    @classmethod
    def from_parts(
        cls,
        detector: Callable[[Image], list[Detection]],
        embedder: Callable[[Image], Floats],
        gallery: Gallery | None,
        threshold: float,
    ) -> Recogniser:
        """From any two functions: a frame to detections, an aligned face to an embedding."""
        self = cls.__new__(cls)
        self._set(detector, embedder, gallery, threshold)
        return self

    def _set(
        self,
        detector: Callable[[Image], list[Detection]],
        embedder: Callable[[Image], Floats],
        gallery: Gallery | None,
        threshold: float,
    ) -> None:
        self._detector, self._embedder, self._gallery = detector, embedder, gallery
        self.threshold = threshold
        self.timings = dict.fromkeys(STAGES, 0.0)
        self._index = Index([], np.zeros((0, 1), np.float32))
        self._tracker = Tracker()

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
            self._follow_gallery()
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
        try:
            with self._timed("align"):
                face = align(frame_bgr, detection.landmarks_xy)
                quality = measure(face, detection.landmarks_xy).overall
        except DataError:  # landmarks on one spot: a face that cannot be looked at has no name
            return Recognition(detection, track.number, None, None)
        with self._timed("embed"):
            embedding = self._embedder(face)
        with self._timed("match"):
            scores = self._index.scores(embedding)
            score = float(scores.max()) if len(scores) else None
            named = track.evidence.named
            if not (
                track.is_alike(embedding, self.threshold)
                or (named is not None and scores[named] >= self.threshold)
            ):
                track.doubts += 1
                if track.doubts < DOUBTS:
                    return Recognition(detection, track.number, None, score)
                track = self._tracker.replace(track, time_s)
            track.doubts = 0
            track.remember(embedding)
            track.score = score
            track.evidence.add(scores, self.threshold, quality)
            named = track.evidence.named
        name = None if named is None else self._index.people[named]
        return Recognition(detection, track.number, name, score)

    def _follow_gallery(self) -> None:
        """Take over people who were enrolled, renamed or forgotten, here or by another process."""
        if self._gallery is not None and self._gallery.changed():
            self._index = Index(*self._gallery.embeddings())
            # The evidence speaks of people by their number; who is number 3 may have changed.
            for track in self._tracker.tracks:
                track.evidence = type(track.evidence)()

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.timings[stage] += (time.perf_counter() - start) * 1e3

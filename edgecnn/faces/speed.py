"""The stages of face recognition as calls to be timed one by one, without tracking."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from edgecnn.bundle import Bundle
from edgecnn.errors import DataError
from edgecnn.faces.align import SIZE, TEMPLATE, align, similarity
from edgecnn.faces.detect import Detector
from edgecnn.faces.embed import Embedder, unit
from edgecnn.faces.match import Index
from edgecnn.images import Floats, Image

Calls = dict[str, Callable[[], object]]


def stages(
    bundle: Bundle,
    frame_bgr: Image,
    people: int,
    threads: int | None,
    first_ms: dict[str, float] | None = None,
) -> tuple[Calls, int]:
    """What a frame takes: ``detect``, ``align``, ``embed``, ``match``, ``total``.

    Only the stages that the bundle has models for. Each call does the work of one whole frame, for
    every face found in it; where none can be cut out, the later stages work on one stand-in face
    in its upper left corner.

    Args:
        frame_bgr: ``(H, W, 3)`` uint8.
        people: how many to match against; random embeddings.
        first_ms: gets what each stage took the first time, before anything was warm.

    Returns:
        The calls, and how many faces were found.
    """
    calls: Calls = {}
    first_ms = {} if first_ms is None else first_ms
    marks, found = [TEMPLATE * (min(frame_bgr.shape[:2]) / SIZE)], 0
    if "detector" in bundle.manifest.models:
        detect = Detector.of(bundle, threads)
        with _timed(first_ms, "detect"):
            faces = detect(frame_bgr)
        found = len(faces)
        marks = [f.landmarks_xy for f in faces if _is_face(f.landmarks_xy)] or marks
        calls["detect"] = lambda: detect(frame_bgr)
    if "embedder" in bundle.manifest.models:
        embed = Embedder.of(bundle, threads)
        random = np.random.default_rng(0).normal(size=(people, embed.dimension))
        index = Index([f"person {i}" for i in range(people)], unit(random))
        with _timed(first_ms, "align"):
            crops = [align(frame_bgr, m) for m in marks]
        with _timed(first_ms, "embed"):
            embeddings = [embed(crop) for crop in crops]
        with _timed(first_ms, "match"):
            for embedding in embeddings:
                index.best(embedding)
        calls["align"] = lambda: [align(frame_bgr, m) for m in marks]
        calls["embed"] = lambda: [embed(crop) for crop in crops]
        calls["match"] = lambda: [index.best(e) for e in embeddings]

    def total() -> None:
        if "detect" in calls:
            calls["detect"]()
        if "embed" in calls:
            for m in marks:
                index.best(embed(align(frame_bgr, m)))

    calls["total"] = total
    return calls, found


@contextmanager
def _timed(took_ms: dict[str, float], stage: str) -> Iterator[None]:
    start_s = time.perf_counter()
    yield
    took_ms[stage] = (time.perf_counter() - start_s) * 1e3


def _is_face(landmarks_xy: Floats) -> bool:
    try:
        similarity(landmarks_xy)
    except DataError:
        return False
    return True

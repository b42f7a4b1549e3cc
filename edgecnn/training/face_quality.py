"""How bad a face may be: ``edgecnn evaluate --quality``, which the limits of
:mod:`edgecnn.faces.quality` come from.

Faces of people whom a training held out for validation are blurred, shrunk, darkened and
over-exposed by steps, with a camera's noise on top, and compared with the mean of the person's
other faces. A *hit* is at or above the cosine that 1 in 1,000 of other people's faces reaches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.bundle import Bundle
from edgecnn.data import aligned
from edgecnn.errors import DataError
from edgecnn.faces.align import TEMPLATE
from edgecnn.faces.detect import Detector
from edgecnn.faces.embed import Embedder, unit
from edgecnn.faces.quality import eye_distance, measure, pose
from edgecnn.images import Floats, Image, Preprocess

if TYPE_CHECKING:
    from edgecnn.training.fit import Progress

MOST_FACES = 8
"""Of one person, so that nobody counts for much more than others."""

PROBES = 4
"""Of these, how many are spoilt."""

FEWEST_FACES = 4

STRANGERS = 1e-3
"""Of other people's faces, how many reach the score of a hit."""

NOISE = 3.0
"""Standard deviation of a camera's noise in good light, in grey levels."""

LEFT = (0.9, 0.5)
"""Of the hits of untouched faces, the shares at which a property's value is read off: fit to enrol
from, and barely worth a look."""

EYES_PX = eye_distance(TEMPLATE)


def _blurred(face: Image, sigma: float) -> Any:
    import cv2

    return cv2.GaussianBlur(face, (0, 0), sigma) if sigma else face


def _shrunk(face: Image, eyes_px: float) -> Any:
    import cv2

    side = round(face.shape[0] * eyes_px / EYES_PX)
    small = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, face.shape[1::-1], interpolation=cv2.INTER_LINEAR)


SPOIL: dict[str, tuple[Callable[[Image, float], Any], tuple[float, ...]]] = {
    "sharpness": (_blurred, (0.0, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0)),
    "eyes_px": (_shrunk, (EYES_PX, 24, 18, 14, 10, 8, 6)),
    "contrast": (lambda face, factor: face * factor, (1.0, 0.5, 0.3, 0.2, 0.12, 0.08, 0.05)),
    "burnt_out": (lambda face, factor: face * factor, (1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0)),
}
"""Property of :class:`edgecnn.faces.quality.Quality` to what spoils it, and by how much: sigma in
pixels of the crop, pixels between the eyes, factors of the grey levels; first not at all."""

YAWS, PITCHES = (0.1, 0.2, 0.3, 0.4, 0.6), (0.4, 0.45, 0.5, 0.6, 0.65, 0.7, 0.75)
OVERALL = (0.001, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.999)
"""Edges of the groups that untouched faces are put into by pose, and all faces by the whole."""


@dataclass(frozen=True)
class Step:
    """Faces spoilt alike.

    Attributes:
        value: median of the property.
        hits: share of them, 0…1.
        faces: how many.
    """

    value: float
    hits: float
    faces: int


def evaluate(
    bundle: Bundle, folder: Path, threads: int | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """``untouched`` hits, a table of steps for each property and pose, and ``limits``.

    Args:
        folder: aligned faces with identities.

    Raises:
        DataError: nobody held out has :data:`FEWEST_FACES` faces.
    """
    embed = Embedder.of(bundle, threads)
    people = _people(folder)
    means = [np.array([embed(f, mirror=True) for f in faces]) for faces in people]
    probes = [(k, i) for k, faces in enumerate(people) for i in range(min(PROBES, len(faces)))]
    centres = {(k, i): unit(np.delete(means[k], i, axis=0).sum(axis=0)) for k, i in probes}
    plain = np.array([embed(people[k][i]) for k, i in probes])
    hit = _limit(plain, np.array([k for k, _ in probes]), unit(np.array([m.sum(0) for m in means])))
    rng = np.random.default_rng(0)
    own = np.array([plain[n] @ centres[probe] for n, probe in enumerate(probes)])
    untouched = float(np.mean(own >= hit))
    tables: dict[str, list[Step]] = {}
    overall: list[tuple[float, bool]] = []
    for done, (name, (spoil, levels)) in enumerate(SPOIL.items(), 1):
        tables[name] = []
        for level in levels:
            values, hits = [], []
            for k, i in probes:
                face = _noisy(spoil(people[k][i], level), rng)
                marks = TEMPLATE * (level / EYES_PX if name == "eyes_px" else 1)
                quality = measure(face, marks)
                values.append(getattr(quality, name))
                hits.append(bool(embed(face) @ centres[k, i] >= hit))
                overall.append((quality.overall, hits[-1]))
            tables[name].append(Step(float(np.median(values)), float(np.mean(hits)), len(hits)))
        if progress:
            progress("quality", done, len(SPOIL), {})
    detect = Detector.of(bundle, threads)
    poses = [_pose(people[k][i], detect) for k, i in probes]
    tables["yaw"] = _grouped([abs(yaw) for yaw, _ in poses], own >= hit, YAWS)
    tables["pitch"] = _grouped([pitch for _, pitch in poses], own >= hit, PITCHES)
    known = np.array([is_hit for _, is_hit in overall])
    tables["overall"] = _grouped([value for value, _ in overall], known, OVERALL)
    return {
        "faces": len(probes),
        "people": len(people),
        "hit_at": hit,
        "untouched": untouched,
        "steps": {name: [vars(step) for step in steps] for name, steps in tables.items()},
        "limits": {
            name: {f"{share:.0%}": read_off(tables[name], share * untouched) for share in LEFT}
            for name in SPOIL
        },
    }


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """What :func:`evaluate` found, for people to read."""
    yield (
        f"{found['faces']} faces of {found['people']} people, {found['untouched']:.1%} of them "
        f"hits (cosine {found['hit_at']:.3f} and above)"
    )
    for name, steps in found["steps"].items():
        yield name
        yield "  median " + "".join(f"{step['value']:>9.4g}" for step in steps)
        yield "  hits   " + "".join(f"{step['hits']:>9.1%}" for step in steps)
        yield "  faces  " + "".join(f"{step['faces']:>9,}" for step in steps)
    for name, limits in found["limits"].items():
        read = (f"{share} at {'none' if v is None else f'{v:.4g}'}" for share, v in limits.items())
        yield f"of the hits are left, {name}: {', '.join(read)}"


def read_off(steps: Sequence[Step], hits: float) -> float | None:
    """The property's value at which so many hits are left, on straight lines between steps.

    Args:
        steps: from the mildest on.

    Returns:
        None where more are left at every step, or fewer already at the first.
    """
    for better, worse in pairwise(steps):
        if worse.hits <= hits <= better.hits and worse.hits < better.hits:
            way = (better.hits - hits) / (better.hits - worse.hits)
            return better.value + way * (worse.value - better.value)
    return None


def _people(folder: Path) -> list[list[Image]]:
    index = aligned.index(folder)
    files: dict[str, list[str]] = {}
    for file, person in aligned.split(index, 0)["validation"].items():
        if person:
            files.setdefault(person, []).append(file)
    chosen = [found[:MOST_FACES] for found in files.values() if len(found) >= FEWEST_FACES]
    if len(chosen) < 2:
        raise DataError(
            f"expected at least two held-out people with {FEWEST_FACES} faces. {folder} has "
            f"{len(chosen)}: name a folder with more people"
        )
    as_is = Preprocess((112, 112), "BGR", "stretch")
    flat = [file for found in chosen for file in found]
    pixels = iter(aligned.load(folder, dict.fromkeys(flat, ""), as_is).pixels)
    return [[next(pixels) for _ in found] for found in chosen]


def _limit(faces: Floats, whose: Any, centres: Floats) -> float:
    """The score that :data:`STRANGERS` of the faces reach to other people's centres."""
    scores = faces @ centres.T
    other = whose[:, None] != np.arange(len(centres))
    return float(np.quantile(scores[other], 1 - STRANGERS))


def _noisy(face: Any, rng: np.random.Generator) -> Image:
    noise = rng.normal(0, NOISE, face.shape)
    return np.asarray(np.clip(np.rint(face + noise), 0, 255), np.uint8)


def _pose(face: Image, detect: Callable[[Image], Sequence[Any]]) -> tuple[float, float]:
    """Yaw and pitch of an aligned face as the live chain sees them; not numbers where no face is
    found."""
    import cv2

    frame = cv2.copyMakeBorder(face, 64, 64, 104, 104, cv2.BORDER_REPLICATE)
    found = detect(np.asarray(frame, np.uint8))
    return pose(found[0].landmarks_xy)[:2] if found else (np.nan, np.nan)


def _grouped(values: Sequence[float], hits: Any, edges: Sequence[float]) -> list[Step]:
    at = np.asarray(values)
    steps = []
    for low, high in zip((-np.inf, *edges), (*edges, np.inf), strict=True):
        inside = (at >= low) & (at < high)
        if inside.any():
            steps.append(
                Step(float(np.median(at[inside])), float(hits[inside].mean()), int(inside.sum()))
            )
    return steps

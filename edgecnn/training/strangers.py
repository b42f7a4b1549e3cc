"""From held-out faces to the impostor cohort of a bundle, and to the threshold it starts with.

The people that a threshold is chosen by and those that it is reported on are different ones: see
:func:`edgecnn.data.aligned.strangers`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgecnn.bundle import OperatingPoint
from edgecnn.data import aligned
from edgecnn.errors import DataError
from edgecnn.faces.cohort import LARGEST_BYTES, Cohort
from edgecnn.faces.embed import Embedder, unit
from edgecnn.faces.match import Index
from edgecnn.faces.threshold import FEWEST_PEOPLE, threshold_for
from edgecnn.images import Floats, Image, Preprocess
from edgecnn.training.run import Run

if TYPE_CHECKING:
    from edgecnn.training.fit import Progress

Predict = Callable[[Image], list[Floats]]
Ints = npt.NDArray[np.int64]
Texts = npt.NDArray[np.str_]
Bools = npt.NDArray[np.bool_]

ENROLLED = 1
"""People that the threshold of a bundle is chosen for. It tells whether two faces are one person's.
A gallery changes, and the more people are in it, the more it takes: the camera finds out how much
when it starts, by the cohort and for the same rate."""

PHOTOS = 3
"""Faces that each of them is enrolled with at most."""

GALLERIES = 60
"""People of each group, drawn from the cohort, whose thresholds are averaged."""

UPRIGHT = Preprocess((112, 112), "BGR", "stretch")
"""Faces as the camera's alignment gives them."""

CHUNK = 256
"""Faces that are decoded at once."""

SPARE_BYTES = 16 * 1024
"""What the persons and groups of a cohort, and the file around them, may take."""


@dataclass(frozen=True, eq=False)
class Embedded:
    """Embeddings of held-out faces.

    Attributes:
        plain: ``(N, D)`` as a camera's frame gives them, rows of length 1.
        enrolled: ``(N, D)`` as an enrolled photo gives them, the mirrored face added.
        persons: ``(N,)``.
        groups: ``(N,)`` the set each face is from.
    """

    plain: Floats
    enrolled: Floats
    persons: Ints
    groups: Texts

    def __getitem__(self, rows: npt.NDArray[Any]) -> Embedded:
        return Embedded(
            self.plain[rows], self.enrolled[rows], self.persons[rows], self.groups[rows]
        )


def embed(faces: aligned.AlignedFaces, predict: Predict) -> Embedded:
    """Embed aligned faces, upright and mirrored."""
    upright = predict(faces.pixels)[0]
    mirrored = predict(np.ascontiguousarray(faces.pixels[:, :, ::-1]))[0]
    groups = np.array([aligned.set_of(file, "") for file in faces.files])
    for name in np.unique(groups):
        if len(np.unique(faces.persons[groups == name])) == 1:  # a folder for a person, not a set
            groups[groups == name] = ""
    return Embedded(unit(upright), unit(upright + mirrored), faces.persons, groups)


def embed_folder(
    embedder: Embedder, folder: Path, people: Mapping[str, str], progress: Progress | None
) -> Embedded:
    """Embed faces of a folder as a board does, in the order of ``people``.

    Args:
        people: file to person; a face of nobody known is somebody of its own.
    """
    files, plain, both = list(people), list[Floats](), list[Floats]()
    for start in range(0, len(files), CHUNK):
        part = {f: people[f] for f in files[start : start + CHUNK]}
        for face in aligned.load(folder, part, UPRIGHT).pixels:
            plain.append(embedder(face, mirror=False))
            both.append(embedder(face, mirror=True))
        if progress:
            progress("faces", len(plain), len(files), {})
    whose = [person or f"\0{file}" for file, person in people.items()]
    number = {name: i for i, name in enumerate(sorted(set(whose)))}
    persons = np.array([number[name] for name in whose], np.int64)
    groups = np.array([aligned.set_of(file, person) for file, person in people.items()])
    return Embedded(np.stack(plain), np.stack(both), persons, groups)


def cohort_of(faces: Embedded, embedder_sha256: str) -> Cohort:
    """The cohort: one face of everybody first, then further ones while there is room.

    Raises:
        DataError: not even one of everybody has room: the embeddings are too long.
    """
    room = (LARGEST_BYTES - SPARE_BYTES) // faces.plain.shape[1]
    order = _one_each_first(faces.persons)[:room]
    rows = np.sort(order)
    if len(np.unique(faces.persons)) > room:
        raise DataError(
            f"expected at most {room:,} held-out people for a cohort. Received: "
            f"{len(np.unique(faces.persons)):,}: use a shorter embedding"
        )
    persons = np.unique(faces.persons[rows], return_inverse=True)[1].astype(np.int64)
    return Cohort(faces.plain[rows], persons, faces.groups[rows], embedder_sha256)


def _one_each_first(persons: Ints) -> Ints:
    seen: Counter[int] = Counter()
    turn = []
    for person in persons.tolist():
        turn.append(seen[person])
        seen[person] += 1
    return np.argsort(turn, kind="stable").astype(np.int64)


def operating_point(choose: Embedded, report: Embedded, rate: float, data: str) -> OperatingPoint:
    """The threshold for ``rate`` strangers with one person enrolled, whoever that is.

    The rate that is reported is measured on ``report``: everybody enrolled once, and the others of
    the *same* group as strangers.

    Raises:
        DataError: too few people to know such a rate by.
    """
    threshold = _needed(choose, rate)
    named, trials = 0.0, 0
    for group in _groups(report):
        for enrolled in galleries(report.persons[group], ENROLLED, np.random.default_rng(0)):
            rest = group & ~np.isin(report.persons, enrolled)
            weights = per_person(report.persons[rest])
            named += float(weights @ (_best(report, enrolled, rest) >= threshold))
            trials += len(np.unique(report.persons[rest]))
    return OperatingPoint(
        threshold,
        named / max(1, trials),
        "strangers looked at once who would be given the name of the one person enrolled, "
        f"{len(np.unique(report.persons))} held-out people of {data} by whom it was not chosen, "
        "both from the same set",
        trials,
        rate,
        ENROLLED,
    )


def by_cohort(cohort: Cohort, rate: float) -> OperatingPoint:
    """The same for another rate, where nothing is at hand but the cohort.

    Raises:
        DataError: too few people to know such a rate by.
    """
    faces = Embedded(cohort.embeddings, cohort.embeddings, cohort.persons, cohort.groups)
    threshold = _needed(faces, rate)
    named = [
        float(np.average(best >= threshold, weights=per_person(cohort.persons[rest])))
        for best, rest in _draws(faces)
    ]
    return OperatingPoint(
        threshold,
        float(np.mean(named)),
        f"strangers looked at once who would be given the name of the one person enrolled, the "
        f"{cohort.people} people of the cohort that it was chosen by",
        sum(len(np.unique(cohort.persons[rest])) for _, rest in _draws(faces)),
        rate,
        ENROLLED,
    )


def _needed(faces: Embedded, rate: float) -> float:
    """The threshold that the group of enrolled people needs, on average, that needs most."""
    found: dict[int, list[float]] = {}
    for k, group in enumerate(_groups(faces)):
        for best, rest in _drawn(faces, group):
            chosen = threshold_for(rate, best, faces.persons[rest], faces.groups[rest], draws=0)
            found.setdefault(k, []).append(chosen.value)
    return max(float(np.mean(values)) for values in found.values())


def _draws(faces: Embedded) -> Iterator[tuple[Floats, Bools]]:
    for group in _groups(faces):
        yield from _drawn(faces, group)


def _drawn(faces: Embedded, group: Bools) -> Iterator[tuple[Floats, Bools]]:
    """For people drawn from a group: everybody else's best scores, and their rows."""
    rng = np.random.default_rng(0)
    for enrolled in list(galleries(faces.persons[group], ENROLLED, rng))[:GALLERIES]:
        rest = ~np.isin(faces.persons, enrolled)
        yield _best(faces, enrolled, rest), rest


def per_person(persons: Ints) -> npt.NDArray[np.float64]:
    """Weights that add up to 1 over each person's rows."""
    _, number, faces = np.unique(persons, return_inverse=True, return_counts=True)
    return np.asarray((1 / faces)[number], np.float64)


def galleries(persons: Ints, size: int, rng: np.random.Generator) -> Iterator[Ints]:
    """Everybody once, in galleries of ``size`` people, in random order; a rest is left out.

    At most half of the people are in one, so that there are strangers.
    """
    people = rng.permutation(np.unique(persons))
    size = max(1, min(size, len(people) // 2))
    for start in range(0, len(people) - size + 1, size):
        yield people[start : start + size]


def gallery_of(faces: Embedded, enrolled: Ints, kept_back: int = 0) -> tuple[Index, Ints]:
    """The first :data:`PHOTOS` faces of some people, enrolled, and the rows that these are.

    Args:
        kept_back: how many faces of each are left to be recognised, where there are more than one.
    """
    own = [np.flatnonzero(faces.persons == p) for p in enrolled]
    rows = np.concatenate([r[: min(PHOTOS, max(1, len(r) - kept_back))] for r in own])
    names = [f"{p:08d}" for p in faces.persons[rows]]  # sorted as the numbers are
    return Index(names, faces.enrolled[rows]), rows


def _best(faces: Embedded, enrolled: Ints, rest: Bools) -> Floats:
    index, _ = gallery_of(faces, enrolled)
    return np.asarray(index.scores(faces.plain[rest]).max(axis=1), np.float32)


def _groups(faces: Embedded) -> list[Bools]:
    """The rows of each group with enough people; all rows where there is none such."""
    found = [faces.groups == name for name in np.unique(faces.groups)]
    large = [g for g in found if len(np.unique(faces.persons[g])) >= FEWEST_PEOPLE]
    return large or [np.ones(len(faces.persons), np.bool_)]


def facts(run: Run, cohort: Cohort) -> dict[str, Any]:
    """What a manifest says of the cohort it goes with."""
    settings = run.facts["settings"]
    index = aligned.index(settings["data"])
    unknown = sum(not index[f] for part in ("validation", "test") for f in run.split[part])
    people: Mapping[str, int] = {
        str(name): len(np.unique(cohort.persons[cohort.groups == name]))
        for name in np.unique(cohort.groups)
    }
    return {
        "people": cohort.people,
        "faces": len(cohort),
        "groups": people,
        "data": Path(settings["data"]).name,
        "data_sha256": aligned.fingerprint(index),
        "seed": settings["seed"],
        "chosen_from": "the people held out for validation and half of those held out for the "
        "test, who trained nothing; the other half is for reports alone",
        "left_out": f"{unknown} held-out pictures without an identity: the same person may have "
        "trained under another file",
    }

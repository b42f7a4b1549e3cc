"""``edgecnn evaluate --visits``: a bundle and a folder of aligned faces in, figures out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.bundle import Bundle
from edgecnn.data import aligned
from edgecnn.data import visits as made_up
from edgecnn.faces.align import TEMPLATE
from edgecnn.faces.cohort import Cohort
from edgecnn.faces.decide import Rates
from edgecnn.faces.embed import Embedder, fingerprint
from edgecnn.faces.quality import measure
from edgecnn.images import Image
from edgecnn.training.strangers import UPRIGHT
from edgecnn.training.visits import Visits, compare

if TYPE_CHECKING:
    from edgecnn.training.fit import Progress

PHOTOS = 2
"""Photos that people are enrolled from. Of the people held out, few have many more."""

FRAMES = 16
"""Of a visit: about a second."""

MOST_VISITS = 6
"""Of one enrolled person. A stranger comes once."""

STRANGERS = 400
"""Visits of strangers at most."""

ENROLLED = 5
"""People in a gallery unless told otherwise."""


def evaluate(
    bundle: Bundle,
    folder: Path,
    *,
    rates: Rates,
    enrolled: int = ENROLLED,
    threads: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """What :func:`edgecnn.training.visits.compare` finds for a bundle.

    The bundle's cohort judges, or, where it has none, one of the people that it would be made of.
    Nobody of these is enrolled or comes.

    Args:
        folder: aligned faces with identities, those that the embedder was trained on: the people
            held out then are held out now.

    Raises:
        DataError: too few people.
    """
    embed = Embedder.of(bundle, threads)
    people = aligned.index(folder)
    seed = int(bundle.manifest.cohort.get("seed", 0))
    held_out = made_up.held_out(people, PHOTOS, STRANGERS, seed)
    cohort = Cohort.load(bundle) or _cohort(bundle, folder, held_out.cohort, embed, progress)
    visits = embed_visits(folder, held_out, embed, progress)
    return compare(visits, cohort, rates, enrolled)


def embed_visits(
    folder: Path, held_out: made_up.HeldOut, embed: Embedder, progress: Progress | None = None
) -> Visits:
    """Make the visits and embed their frames; always the same ones for the same people."""
    sets = {aligned.set_of(f[0][0], p) for p, f in held_out.enrolled.items()}
    plan = [(p, files, min(len(files), MOST_VISITS)) for p, (_, files) in held_out.enrolled.items()]
    plan += [(p, files, 1) for p, files in held_out.strangers.items()]
    enrolled = {p: files for p, (files, _) in held_out.enrolled.items()}
    faces = _faces(folder, [f for p, files, _ in plan for f in (*enrolled.get(p, ()), *files)])
    gallery = {
        p: np.array([embed(faces[f], mirror=True) for f in files]) for p, files in enrolled.items()
    }
    rng = np.random.default_rng(0)
    rows, quality, who, near = [], [], [], []
    for done, (person, files, count) in enumerate(plan, 1):
        for _ in range(count):
            frames = list(made_up.frames([faces[f] for f in files], FRAMES, rng))
            rows.append([embed(frame) for frame in frames])
            quality.append([measure(frame, TEMPLATE).overall for frame in frames])
            who.append(person)
            near.append(aligned.set_of(files[0], person) in sets)
        if progress:
            progress("visits", done, len(plan), {})
    return Visits(
        np.array(rows, np.float32), np.array(quality, np.float32), who, gallery, np.array(near)
    )


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """What :func:`evaluate` found, for people to read."""
    rates = found["rates"]
    yield (
        f"{found['visits']} visits of {found['frames']} frames: {found['strangers']} strangers, "
        f"{found['people']} people of whom {found['enrolled']} at a time are enrolled, "
        f"{found['galleries']} times; {found['cohort_people']:,} people in the cohort"
    )
    yield f"asked for: {rates['strangers']:.2%} of strangers named, {rates['missed']:.2%} missed"
    yield "strangers: those from the sets of faces that the enrolled are from; in brackets, 95 %"
    titles = ("strangers named", "named right", "at the rate asked", "wrong person")
    yield f"{'':<12}" + "".join(f"{title:>25}" for title in titles) + f"{'frames':>8}"
    keys = ("near_strangers_named", "named_right", "named_right_at_rate", "wrong_person")
    for name, rule in found["rules"].items():
        text = "".join(f"{_percent(rule[key]):>25}" for key in keys)
        frames = rule["frames_to_name"]["p50"]
        yield f"{name.replace('_', ' '):<12}{text}{'-' if frames is None else f'{frames:g}':>8}"
    yield (
        f"two looks of a visit have a cosine of {found['likeness']:.2f}; strangers' scores spread "
        f"{found['spread']:.2f} times as much over all looks as at one; tries {found['tries']:.2f}"
    )


def _percent(share: Mapping[str, float]) -> str:
    return f"{share['share']:.2%} ({share['low']:.1%} - {share['high']:.1%})"


def _faces(folder: Path, files: Sequence[str]) -> dict[str, Image]:
    loaded = aligned.load(folder, dict.fromkeys(files, ""), UPRIGHT)
    return dict(zip(loaded.files, loaded.pixels, strict=True))


def _cohort(
    bundle: Bundle,
    folder: Path,
    people: Mapping[str, str],
    embed: Embedder,
    progress: Progress | None,
) -> Cohort:
    rows = []
    for done, face in enumerate(_faces(folder, list(people)).values(), 1):
        rows.append(embed(face))
        if progress:
            progress("cohort", done, len(people), {})
    persons = np.unique(list(people.values()), return_inverse=True)[1].astype(np.int64)
    groups = np.array([aligned.set_of(f, p) for f, p in people.items()])
    return Cohort(np.array(rows), persons, groups, fingerprint(bundle))

"""``edgecnn evaluate --open-set``: a bundle and a folder of aligned faces in, figures out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgecnn.bundle import Bundle
from edgecnn.data import aligned
from edgecnn.faces.cohort import Cohort
from edgecnn.faces.embed import Embedder
from edgecnn.faces.match import Index
from edgecnn.faces.threshold import STRANGERS, one_in
from edgecnn.training import open_set
from edgecnn.training.strangers import embed_folder

if TYPE_CHECKING:
    from edgecnn.training.fit import Progress

AGES = ((0, 12), (13, 19), (20, 39), (40, 59), (60, 120))
"""Years, first and last, of the groups by age."""

OF_A_GROUP = 10
"""People of a group that are enrolled at once where the group is looked at on its own."""


@dataclass(frozen=True, eq=False)
class OpenSet:
    """What was found.

    Attributes:
        figures: as plain JSON.
        trials: everything that was compared.
        folder, people: where the faces are, and file to person of those that were used.
    """

    figures: dict[str, Any]
    trials: open_set.Trials
    folder: Path
    people: dict[str, str]


def evaluate(
    bundle: Bundle,
    folder: str | Path,
    *,
    rate: float | None = None,
    enrolled: int | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> OpenSet:
    """Enrol some of the people in a folder of aligned faces, and let everybody come.

    Of the faces that the embedder was trained with, only people by whom neither the embedder nor
    a threshold was chosen count. The manifest knows these faces by a hash of their index.

    Args:
        rate: of strangers who may get a name; None for the one that the bundle was made for.
        enrolled: people at once; None for half of those with two faces.

    Raises:
        DataError: too few people or faces, or the cohort cannot know such a rate.
        BundleError: the bundle is damaged or has no embedder.
    """
    folder = Path(folder)
    people, notes = _people(bundle, folder)
    cohort, point = Cohort.load(bundle), bundle.manifest.operating_point
    rate = rate or (point.strangers if point else None) or STRANGERS
    if cohort is None:
        notes.append("the bundle has no cohort: its one threshold stands for every gallery")
    embedder = Embedder.of(bundle, threads)
    faces, files = embed_folder(embedder, folder, people, progress), list(people)

    def threshold(index: Index) -> float:
        return open_set.threshold_of(cohort, index, rate, bundle.threshold)

    known = np.array([bool(people[f]) for f in files])
    everybody = open_set.trials(faces, threshold, enrolled)
    found = everybody.where(known[everybody.rows])
    members = _groups(folder, people, files)
    by_group = open_set.groups(faces, everybody, members, known, threshold, OF_A_GROUP)
    names = [people[f] for f in files]
    if not known.all():
        notes.append(
            f"{int((~known).sum()):,} pictures without an identity stand in the groups alone, as "
            "strangers: should one show somebody enrolled, the rate given is too high"
        )
    figures = {
        "people": len(set(names) - {""}),
        "faces": int(known.sum()),
        "enrolled_at_once": found.enrolled,
        "galleries": found.galleries,
        "stranger_trials": found.strangers,
        "rate_asked": rate,
        "fnir": [open_set.fnir_at(found, fpir) for fpir in open_set.FPIRS],
        **open_set.at_thresholds(found),
        "confused": [
            {
                "person": names[row],
                "taken_for": names[int(np.flatnonzero(faces.persons == other)[0])],
                "score": round(score, 4),
                "named": named,
                "file": files[row],
            }
            for _, other, row, score, named in open_set.confused(found)
        ],
        "groups": by_group,
        "enrolled_in_a_group": OF_A_GROUP,
        "notes": notes,
    }
    return OpenSet(figures, found, folder, people)


def _people(bundle: Bundle, folder: Path) -> tuple[dict[str, str], list[str]]:
    """The faces that may be reported on, and what there is to say about the choice."""
    people, facts = aligned.index(folder), bundle.manifest.cohort
    if facts.get("data_sha256") != aligned.fingerprint(people):
        return people, []
    parts = aligned.strangers(aligned.split(people, facts["seed"]), facts["seed"])
    return parts["report"], [
        f"the embedder was trained with these faces: only {len(parts['report']):,} of "
        f"{len(people):,} are used, of people held out for reports, by whom nothing was chosen"
    ]


def _groups(
    folder: Path, people: Mapping[str, str], files: Sequence[str]
) -> dict[tuple[str, str], npt.NDArray[np.int64]]:
    """Rows by set and group, as the labels of the sets have it."""
    labels, members = aligned.labels(folder), dict[tuple[str, str], list[int]]()
    names = [f"age {a} to {b}" for a, b in AGES]
    for row, file in enumerate(files):
        age, sex = labels.get(file, (None, ""))
        of = [name for name, (a, b) in zip(names, AGES, strict=True) if age is not None
              and a <= age <= b]  # fmt: skip
        for name in [*of, *([sex] if sex else [])]:
            members.setdefault((aligned.set_of(file, people[file]), name), []).append(row)
    order = [*names, *sorted({group for _, group in members} - set(names))]
    keys = sorted(members, key=lambda key: (key[0], order.index(key[1])))
    return {key: np.array(members[key], np.int64) for key in keys}


def lines(figures: Mapping[str, Any]) -> list[str]:
    """The figures for a terminal."""
    named, misnamed = figures["strangers_named"], figures["enrolled_misnamed"]
    said = [
        f"{figures['enrolled_at_once']} people enrolled at once, in {figures['galleries']} "
        f"galleries; {figures['stranger_trials']:,} trials of strangers",
        *(
            f"FNIR at FPIR {100 * one['fpir']:g} %".ljust(24) + fnir_text(one)
            for one in figures["fnir"]
        ),
        f"asked for {one_in(figures['rate_asked'])} strangers: threshold "
        f"{figures['threshold']:.3f} on average",
        f"  wrong names in 1,000 visits of strangers        {_per_1000(named)}",
        f"  wrong names in 1,000 visits of the enrolled     {_per_1000(misnamed)}",
        f"  the enrolled not recognised, looked at once     "
        f"{100 * figures['enrolled_missed']:.1f} %",
    ]
    for pair in figures["confused"]:
        wrongly = "named" if pair["named"] else "not named"
        said.append(
            f"alike       {pair['person']} and {pair['taken_for']}: {pair['score']:.2f}, {wrongly}"
        )
    for group in figures["groups"]:
        said.append(
            f"group       {group['set']}, {group['group']}, {group['people']} people: strangers "
            f"named {percent(group['against_the_enrolled'])}; within the group "
            f"{percent(group['within_the_group'])}"
        )
    return said + [f"note        {note}" for note in figures["notes"]]


def fnir_text(one: Mapping[str, Any]) -> str:
    """What :func:`edgecnn.training.open_set.fnir_at` found."""
    if one["fnir"] is None:
        return (
            f"not known: {one['trials_needed']:,} trials of strangers are needed, there are "
            f"{one['trials']:,}"
        )
    return f"{100 * one['fnir']:.1f} % ({100 * one['low']:.1f} to {100 * one['high']:.1f})"


def percent(share: Mapping[str, float] | None) -> str:
    """A share with its interval, in percent."""
    if share is None:
        return "not measured"
    return f"{100 * share['rate']:.2f} % ({100 * share['low']:.2f} to {100 * share['high']:.2f})"


def _per_1000(share: Mapping[str, float]) -> str:
    return (
        f"{1000 * share['rate']:.2f} ({1000 * share['low']:.2f} to {1000 * share['high']:.2f}, "
        f"{share['trials']:,} trials)"
    )

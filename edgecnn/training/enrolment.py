"""What the rules of enrolment rest on: ``edgecnn evaluate BUNDLE --enrolment FACES``.

People with many photos are enrolled with some of them and named on the others; everybody else, who
may be enrolled in another draw, is a stranger. Who an adaptation is fitted against is not who it is
judged by. Each figure is the mean over :data:`DRAWS` galleries, in percent, at the threshold that 1
in 100 of the strangers reaches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import DataError
from edgecnn.faces.cohort import Cohort
from edgecnn.faces.embed import unit
from edgecnn.faces.fit_adaptation import consider
from edgecnn.faces.match import Index
from edgecnn.faces.redundant import ENOUGH, MOST, SAME_PHOTO, choose
from edgecnn.faces.types import Sample
from edgecnn.images import Floats
from edgecnn.training.strangers import Embedded

DRAWS = 20
"""Galleries."""

POOL = 12
"""Photos that there are to enrol each person with; those beyond are what they are named on."""

ENROLLED = 6
"""People of a gallery."""

FEW = 6
"""Photos each that an adaptation is fitted to."""

BURST = 8
"""Frames of a burst beside four single photos."""

FRAME = 0.28
"""How far the frames of a burst are apart, as the length of a random difference: the cosine of two
is about 0.93, as between a photo and itself, tilted by 2°, moved by 1 px and saved again."""

RATE = 0.01
"""Of strangers named, at which all rules are compared."""

Numbers = npt.NDArray[np.int64]
Keep = Callable[[Floats, np.random.Generator], Sequence[int]]


def rule(most: int = MOST, enough: float = ENOUGH) -> Keep:
    """The product's rule, with other bounds where given."""

    def keep(photos: Floats, rng: np.random.Generator) -> list[int]:
        return [i for i, v in enumerate(choose(photos, most=most, enough=enough)) if v.kept]

    return keep


def at_random(count: int) -> Keep:
    """Some photos, whichever."""
    return lambda photos, rng: rng.permutation(len(photos))[:count].tolist()


def everything(photos: Floats, rng: np.random.Generator) -> list[int]:
    """All photos."""
    return list(range(len(photos)))


RULES: dict[str, Keep] = {
    "all": everything,
    "the rule": rule(),
    **{f"until {e:g} like the mean": rule(enough=e) for e in (0.95, 0.97, 0.98, 0.99, 0.995)},
    **{f"at most {n}": rule(n, np.inf) for n in (2, 3, 4, 6, 8, 10)},
    **{f"{n} at random": at_random(n) for n in (2, 3, 4, 6, 8, 10)},
}
"""What is compared for :data:`edgecnn.faces.redundant.ENOUGH` and ``MOST``."""


@dataclass(frozen=True, eq=False)
class Draw:
    """One gallery.

    Attributes:
        people: who is enrolled.
        pools: :data:`POOL` rows of each.
        probes: rows on which they are to be named, and ``own``, the number of each one's person.
        strangers: rows of everybody who is never enrolled, and of those not enrolled this time.
    """

    people: Numbers
    pools: list[Numbers]
    probes: Numbers
    own: Numbers
    strangers: Numbers


def draws(faces: Embedded, pool: int = POOL, people: int = ENROLLED) -> Iterator[Draw]:
    """The galleries, the same ones for the same faces.

    Raises:
        DataError: too few people have enough photos.
    """
    rows = {int(p): np.flatnonzero(faces.persons == p) for p in np.unique(faces.persons)}
    many = [p for p, r in rows.items() if len(r) >= pool + 3]
    if len(many) < people + 2:
        raise DataError(
            f"expected {people + 2} people with {pool + 3} photos each to measure enrolment. "
            f"Received: {len(many)}: give more photos of people who trained nothing"
        )
    for number in range(DRAWS):
        rng = np.random.default_rng(number)
        chosen = rng.choice(many, people, replace=False)
        shuffled = [rng.permutation(rows[int(p)]) for p in chosen]
        left = [r[pool:] for r in shuffled]
        yield Draw(
            chosen.astype(np.int64),
            [r[:pool] for r in shuffled],
            np.concatenate(left),
            np.repeat(np.arange(people), [len(r) for r in left]),
            np.flatnonzero(~np.isin(faces.persons, chosen)),
        )


def compare_rules(faces: Embedded) -> list[dict[str, Any]]:
    """Each of :data:`RULES` on separate photos, and on four and a burst: kept and named right."""
    found: dict[str, list[tuple[float, ...]]] = {}
    for number, draw in enumerate(draws(faces)):
        rng = np.random.default_rng(number)
        apart = [faces.enrolled[pool] for pool in draw.pools]
        bursts = [np.concatenate([e[:4], _burst(e[0], rng)]) for e in apart]
        for name, keep in RULES.items():
            row = []
            for photos in (apart, bursts):
                kept = [p[list(keep(p, rng))] for p in photos]
                row += [float(np.mean([len(k) for k in kept])), _named(faces, draw, kept)]
            found.setdefault(name, []).append(tuple(row))
    names = ("kept", "named", "kept_of_burst", "named_with_burst")
    return [{"rule": name, **_means(names, rows)} for name, rows in found.items()]


def _means(names: Sequence[str], rows: Sequence[Sequence[float]]) -> dict[str, float]:
    """The mean of each column, by its name."""
    means = np.mean(rows, axis=0)
    return {name: round(float(mean), 2) for name, mean in zip(names, means, strict=True)}


def _burst(photo: Floats, rng: np.random.Generator) -> Floats:
    noise = rng.normal(size=(BURST, len(photo))) * FRAME / np.sqrt(len(photo))
    return unit(photo + noise)


def _named(faces: Embedded, draw: Draw, kept: Sequence[Floats]) -> float:
    names = [str(k) for k, photos in enumerate(kept) for _ in photos]
    index = Index(names, np.concatenate(kept))
    return 100 * _right(index, faces, draw, _threshold(index.scores(faces.plain[draw.strangers])))


def _threshold(scores: Floats) -> float:
    best = np.sort(scores.max(axis=1))[::-1]
    return float(best[int(RATE * len(best))])


def _right(index: Index, faces: Embedded, draw: Draw, threshold: float) -> float:
    scores = index.scores(faces.plain[draw.probes])
    # Index sorts by name; these are numbers below ten, so the order is theirs.
    return float(np.mean((scores.argmax(axis=1) == draw.own) & (scores.max(axis=1) > threshold)))


def same_photo(faces: Embedded) -> dict[str, float]:
    """How often different photos of one person are as alike as :data:`SAME_PHOTO`, in percent."""
    cosines = []
    for person in np.unique(faces.persons):
        mine = faces.enrolled[faces.persons == person]
        cosines.append((mine @ mine.T)[np.triu_indices(len(mine), 1)])
    pairs = np.concatenate(cosines)
    return {
        "pairs": len(pairs),
        "taken_for_one_photo": round(100 * float(np.mean(pairs >= SAME_PHOTO)), 3),
    }


def look_alikes(faces: Embedded) -> dict[str, float]:
    """What ``edgecnn teach`` does: before and after the most alike stranger of each person was
    taught by one photo, how often their other photos are given that name, and the person's own."""
    found = []
    counts = np.bincount(faces.persons)
    for draw in draws(faces):
        names = [str(k) for k, pool in enumerate(draw.pools) for _ in pool]
        matrix = faces.enrolled[np.concatenate(draw.pools)]
        index = Index(names, matrix)
        scores = index.scores(faces.plain[draw.strangers])
        threshold = _threshold(scores)
        several = counts[faces.persons[draw.strangers]] >= 2
        for person in range(len(draw.people)):
            rows = draw.strangers[several]
            alike = rows[int(scores[several, person].argmax())]
            theirs = np.flatnonzero(faces.persons == faces.persons[alike])
            others = theirs[theirs != alike]
            own = draw.probes[draw.own == person]
            taught = Index(names, matrix, ([str(person)], faces.enrolled[alike][None]))
            found.append(
                [
                    100 * float(np.mean(i.scores(faces.plain[r])[:, person] > threshold))
                    for i in (index, taught)
                    for r in (others, own)
                ]
            )
    return _means(("look_alike_before", "own_before", "look_alike_after", "own_after"), found)


def adaptation(faces: Embedded) -> dict[str, float]:
    """What ``--adapt`` does: how often it is kept, and then on photos and strangers that it never
    saw: named right, and strangers named, before and after, at one threshold."""
    found = []
    crowd = np.bincount(faces.persons)[faces.persons] < POOL
    half = crowd & (faces.persons % 2 == 0)
    numbers = np.unique(faces.persons[half], return_inverse=True)[1].astype(np.int64)
    cohort = Cohort(faces.plain[half], numbers, faces.groups[half], "")
    for draw in draws(faces, FEW, ENROLLED - 1):
        samples = [
            Sample(str(k), faces.enrolled[row], source=str(row))
            for k, pool in enumerate(draw.pools)
            for row in pool
        ]
        index = Index([s.name for s in samples], np.array([s.embedding for s in samples]))
        strangers = faces.plain[draw.strangers[~half[draw.strangers]]]
        threshold = _threshold(cohort.scores(index))
        trial = consider(samples, cohort, threshold)
        adapted = Index(
            [s.name for s in samples],
            np.array([s.embedding for s in samples]),
            adaptation=trial.adaptation,
        )
        figures = [
            100 * share
            for i in (index, adapted)
            for share in (
                _right(i, faces, draw, threshold),
                float(np.mean(i.scores(strangers).max(axis=1) > threshold)),
            )
        ]
        found.append((trial.adaptation is not None, figures))
    names = ("named_before", "strangers_before", "named_after", "strangers_after")
    kept = [figures for is_kept, figures in found if is_kept]
    out = {"galleries": float(len(found)), "kept": float(len(kept))}
    out |= _means(names, [figures for _, figures in found])
    if kept:
        out |= _means([f"{name}_where_kept" for name in names], kept)
    return out

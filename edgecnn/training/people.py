"""Turn photos of people into a gallery: ``edgecnn train DATA --task faces``.

No network is trained: the embedder of a bundle is used as it is. The run folder holds the gallery,
and what became of each photo.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.bundle import ASSETS, GALLERY, Bundle
from edgecnn.data.photos import list_people
from edgecnn.errors import DataError
from edgecnn.faces.detect import Detector
from edgecnn.faces.embed import Embedder, fingerprint
from edgecnn.faces.enrol import (
    USED,
    Detect,
    Embed,
    Photo,
    examine_file,
    likeness,
    without_copies,
    without_strangers,
)
from edgecnn.faces.gallery import Gallery, Sample
from edgecnn.faces.match import Index
from edgecnn.training.people_report import write_report
from edgecnn.training.run import Run

if TYPE_CHECKING:
    from edgecnn.training.fit import Progress

DEFAULTS: dict[str, Any] = {"seed": 0, "bundle": None}
"""Settings of this task. ``bundle``: whose detector and embedder; None for the ones that ship."""

FEW = 3
"""Photos below which a person is called weak: the mean of two says little about a third."""

WEAK = 0.8
"""Share of a person's photos that the others must recognise, else the person is called weak."""


@dataclass(frozen=True)
class Check:
    """How a photo fares against all the others: the leave-one-out test of one photo.

    Attributes:
        name, source: of the photo.
        own: cosine to the person's other photos; None where there is no other.
        other: cosine to the nearest other person; None where there is none.
        nearest: who that is.
        answer: ``right``, ``wrong`` (another person's name would be given), ``unknown``, or
            ``alone`` (the person's only photo).
    """

    name: str
    source: str
    own: float | None
    other: float | None
    nearest: str | None
    answer: str


def train(
    data: str | Path,
    out: str | Path,
    settings: Mapping[str, Any],
    *,
    resume: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Make a gallery from ``data/NAME/*`` and say how well it will do.

    People without a single usable photo are left out and named in ``metrics.json`` and the report.

    Args:
        settings: as :data:`DEFAULTS`.
        resume: an interrupted run is begun again; looking at photos takes no longer than finding
            out which are done.

    Raises:
        DataError: ``data`` has the wrong shape, or nobody has a usable photo.
        BundleError: the bundle is not one for faces.
        StorageError: ``out`` cannot be written.
    """
    people = list_people(data)
    bundle = Bundle(settings.get("bundle") or ASSETS)
    detect = Detector(bundle.model("detector"), bundle.entry("detector"))
    embed = Embedder(bundle.model("embedder"), bundle.entry("embedder"), mirror=True)
    run = Run.start(out, "faces", settings, resume=resume)
    photos = look(people, detect, embed, bundle.threshold, progress)
    run.write_split({"photos": fates(photos)})
    samples = [p.sample for p in photos if p.fate == USED]
    if not samples:
        counts = Counter(p.kind for p in photos)
        raise DataError(
            f"expected a usable photo of somebody in {data}. None of {len(photos)} is "
            f"({', '.join(f'{n} {kind}' for kind, n in counts.most_common())}): {run.path} tells "
            "of each photo why; add photos with one sharp face each"
        )
    (run.path / GALLERY).unlink(missing_ok=True)
    with Gallery(run.path / GALLERY, fingerprint(bundle), create=True) as gallery:
        gallery.add_all(samples)
    checks = leave_one_out(samples, bundle.threshold)
    metrics = summary(people, photos, checks, confusable(samples), bundle.threshold)
    run.note(labels=sorted({s.name for s in samples}), embedder_sha256=fingerprint(bundle))
    write_report(run, photos, checks, metrics)
    run.write_metrics(metrics)
    return run


def look(
    people: Mapping[str, Sequence[Path]],
    detect: Detect,
    embed: Embed,
    threshold: float,
    progress: Progress | None = None,
) -> list[Photo]:
    """Each photo and its fate: looked at one by one, then compared with each other."""
    files = [(name, path) for name, paths in people.items() for path in paths]
    photos = []
    for done, (name, path) in enumerate(files, 1):
        photos.append(examine_file(name, path, detect, embed))
        if progress:
            used = sum(p.fate == USED for p in photos)
            progress("photos", done, len(files), {"used": float(used)})
    return without_strangers(without_copies(photos), [], threshold)


def fates(photos: Sequence[Photo]) -> dict[str, dict[str, str]]:
    """Person to file to fate."""
    out: dict[str, dict[str, str]] = {}
    for photo in photos:
        out.setdefault(photo.name, {})[photo.source] = photo.fate
    return out


def leave_one_out(samples: Sequence[Sample], threshold: float) -> list[Check]:
    """Compare each photo with the gallery as it would be without that photo."""
    checks = []
    for sample in samples:
        rest = [s for s in samples if s is not sample]
        own, other, nearest = likeness(sample.name, sample.embedding, rest)
        if other is not None and other >= max(threshold, -1.0 if own is None else own):
            answer = "wrong"
        elif own is None:
            answer = "alone"
        else:
            answer = "right" if own >= threshold else "unknown"
        checks.append(Check(sample.name, sample.source, own, other, nearest, answer))
    return checks


def confusable(samples: Sequence[Sample]) -> list[tuple[str, str, float]]:
    """Pairs of people by the cosine of their mean embeddings, the most alike first."""
    index = Index([s.name for s in samples], np.array([s.embedding for s in samples]))
    cosines = index.centres @ index.centres.T
    pairs = [
        (index.people[i], index.people[j], round(float(cosines[i, j]), 4))
        for i, j in zip(*np.triu_indices(len(index), 1), strict=True)
    ]
    return sorted(pairs, key=lambda pair: -pair[2])


def summary(
    people: Mapping[str, Sequence[Path]],
    photos: Sequence[Photo],
    checks: Sequence[Check],
    pairs: Sequence[tuple[str, str, float]],
    threshold: float,
) -> dict[str, Any]:
    """``metrics.json``: counts first, then who is weak, left out, or easily confused."""
    answers = Counter(check.answer for check in checks)
    compared = sum(answers.values()) - answers["alone"]
    used = Counter(p.name for p in photos if p.fate == USED)
    right = Counter(c.name for c in checks if c.answer == "right")
    return {
        "people": len(used),
        "photos": len(photos),
        "photos_used": sum(used.values()),
        **{f"leave_one_out_{k}": answers[k] for k in ("right", "wrong", "unknown", "alone")},
        "leave_one_out_accuracy": answers["right"] / compared if compared else None,
        "threshold": threshold,
        "fates": dict(Counter(p.kind for p in photos).most_common()),
        "weak": {
            name: f"{right[name]} of {n} photos recognised by the others"
            for name, n in sorted(used.items())
            if n < FEW or right[name] < WEAK * n
        },
        "left_out": sorted(set(people) - set(used)),
        "confused": [list(pair) for pair in pairs if pair[2] >= threshold],
        "most_alike": [list(pair) for pair in pairs[:5]],
    }

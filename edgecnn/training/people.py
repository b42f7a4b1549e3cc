"""Turn photos of people into a gallery: ``edgecnn train DATA --task faces``.

No network is trained: the embedder of a bundle is used as it is, or with a linear map behind it
that was fitted to these people (``--adapt``) where that is better. The run folder holds the
gallery, and what became of each photo.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.bundle import ASSETS, GALLERY, Bundle
from edgecnn.data.photos import list_people
from edgecnn.errors import DataError
from edgecnn.faces.advice import advise
from edgecnn.faces.cohort import Cohort
from edgecnn.faces.detect import Detector
from edgecnn.faces.embed import Embedder, fingerprint
from edgecnn.faces.fit_adaptation import Trial, consider
from edgecnn.faces.gallery import Gallery
from edgecnn.faces.leave_one_out import Check, leave_one_out, weak
from edgecnn.faces.match import Index
from edgecnn.faces.photo import USED, Detect, Embed, Photo, examine_file
from edgecnn.faces.sift import without_copies, without_redundant, without_strangers
from edgecnn.faces.types import Sample
from edgecnn.training.people_report import write_report
from edgecnn.training.run import Run

if TYPE_CHECKING:
    from edgecnn.training.fit import Progress

DEFAULTS: dict[str, Any] = {"seed": 0, "bundle": None, "adapt": False}
"""Settings of this task. ``bundle``: whose detector and embedder; None for the ones that ship.
``adapt``: try a map that is fitted to these people."""


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
    cohort = _cohort(bundle) if settings.get("adapt") else None
    detect = Detector.of(bundle)
    embed = Embedder.of(bundle, mirror=True)
    run = Run.start(out, "faces", settings, resume=resume)
    photos = look(people, detect, embed, bundle.threshold, progress)
    run.write_split({"photos": fates(photos)})
    samples = [p.sample for p in photos if p.usable]
    if not samples:
        counts = Counter(p.kind for p in photos)
        raise DataError(
            f"expected a usable photo of somebody in {data}. None of {len(photos)} is "
            f"({', '.join(f'{n} {kind}' for kind, n in counts.most_common())}): {run.path} tells "
            "of each photo why; add photos with one sharp face each"
        )
    trial = consider(samples, cohort, bundle.threshold) if cohort else None
    (run.path / GALLERY).unlink(missing_ok=True)
    with Gallery(run.path / GALLERY, fingerprint(bundle), create=True) as gallery:
        gallery.add_all(p.sample for p in photos if p.fate == USED)
        gallery.adapt(trial.adaptation if trial else None)
    checks = _checks(samples, bundle.threshold, trial)
    metrics = summary(people, photos, checks, confusable(samples), bundle.threshold)
    metrics["advice"] = advise(samples, checks)
    if trial:
        metrics["adaptation"] = {"kept": trial.adaptation is not None, "why": trial.why}
    run.note(labels=sorted({s.name for s in samples}), embedder_sha256=fingerprint(bundle))
    write_report(run, photos, checks, metrics)
    run.write_metrics(metrics)
    return run


def _cohort(bundle: Bundle) -> Cohort:
    cohort = Cohort.load(bundle)
    if cohort is None:
        raise DataError(
            f"expected a bundle with strangers to adapt against. {bundle.path} has no cohort: "
            "convert its embedder again, or leave out --adapt"
        )
    return cohort


def _checks(samples: Sequence[Sample], threshold: float, trial: Trial | None) -> list[Check]:
    """The leave-one-out of the gallery as it is kept."""
    if trial is None:
        return leave_one_out(samples, threshold)
    return trial.before if trial.adaptation is None else trial.after


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
    photos = without_strangers(without_copies(photos), [], threshold)
    return without_redundant(photos)[0]


def fates(photos: Sequence[Photo]) -> dict[str, dict[str, str]]:
    """Person to file to fate."""
    out: dict[str, dict[str, str]] = {}
    for photo in photos:
        out.setdefault(photo.name, {})[photo.source] = photo.fate
    return out


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
    return {
        "people": len(used),
        "photos": len(photos),
        "photos_used": sum(used.values()),
        **{f"leave_one_out_{k}": answers[k] for k in ("right", "wrong", "unknown", "alone")},
        "leave_one_out_accuracy": answers["right"] / compared if compared else None,
        "photos_redundant": sum(p.usable and p.fate != USED for p in photos),
        "threshold": threshold,
        "fates": dict(Counter(p.kind for p in photos).most_common()),
        "weak": weak(checks),
        "left_out": sorted(set(people) - set(used)),
        "confused": [list(pair) for pair in pairs if pair[2] >= threshold],
        "most_alike": [list(pair) for pair in pairs[:5]],
    }

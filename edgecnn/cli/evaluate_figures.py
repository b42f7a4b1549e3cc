"""What ``edgecnn evaluate`` measures as plain figures, in percent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecnn.bundle import Bundle

Figures = dict[str, float]

CLEAR_PX = 24.0
"""Side of a face in the photo's pixels from which one can tell who it is, if barely."""

FALSE_BOXES = (2, 5)
"""In 100 pictures, at which the recall is told too, whatever the bundle's threshold is."""


def lfw(bundle: Bundle, folder: Path, threads: int | None) -> Figures:
    """LFW by its protocol, in percent: ten folds, original plus mirrored embedding, cosine."""
    import numpy as np

    from edgecnn.data.lfw import Faces, files_and_indices, read_pairs
    from edgecnn.faces.embed import Embedder
    from edgecnn.faces.verify import fold_accuracies, pair_scores, tar_at_far

    embedder = Embedder.of(bundle, threads, mirror=True)
    files, pairs, same = files_and_indices(read_pairs(folder))
    faces = Faces(folder)
    embeddings = np.stack([embedder(faces[f]) for f in files])
    scores = pair_scores(embeddings, pairs)
    folds = fold_accuracies(scores, same)
    return {
        "accuracy": 100 * float(folds.mean()),
        "std": 100 * float(folds.std()),
        "tar_at_far_1e-3": 100 * tar_at_far(scores, same, 1e-3),
        "false_accepts_at_threshold": 100 * float(np.mean(scores[~same] >= bundle.threshold)),
        "pairs": len(same),
    }


def scenes(
    bundle: Bundle, folder: Path, threads: int | None, not_faces: Path | None = None
) -> Figures:
    """Faces found in scenes, in percent, at the bundle's score threshold and at
    :data:`FALSE_BOXES`; then of those from :data:`CLEAR_PX` up alone.

    The fifth of the scenes that a training with seed 0 holds out is used.

    Args:
        not_faces: labels that do not count, see :meth:`edgecnn.data.scenes.Scenes.without`.
    """
    from edgecnn.data.scenes import read_scenes, split_scenes
    from edgecnn.faces.detect import Detector
    from edgecnn.faces.recall import LOWEST_SCORE, find, hits

    detector = Detector.of(bundle, threads)
    all_scenes = read_scenes(folder)
    names = split_scenes(all_scenes, seed=0)["test"]
    if not_faces is not None:
        all_scenes = all_scenes.without(not_faces)
    truth = [all_scenes.faces[n] for n in names]
    found = find(detector, all_scenes.read(names), LOWEST_SCORE)
    figures: Figures = {"pictures": len(names)}
    for smallest, suffix in ((0.0, ""), (CLEAR_PX, f"_from_{CLEAR_PX:g}px")):
        result = hits(found, truth, smallest)
        at = result.at(detector.score_threshold)
        figures |= {
            f"faces{suffix}": result.faces,
            f"recall{suffix}": 100 * at["recall"],
            f"false_boxes_per_100_pictures{suffix}": 100 * at["false_boxes"],
            f"landmark_error{suffix}": at["landmark_error"],
        }
        for rate in FALSE_BOXES:
            recall = result.at(result.threshold(rate / 100))["recall"]
            figures[f"recall{suffix}_at_{rate}_per_100"] = 100 * recall
    return figures


def lfw_end_to_end(bundle: Bundle, folder: Path, threads: int | None) -> Figures:
    """LFW's faces ready-made, and the same found and aligned by the bundle's own detector."""
    from edgecnn.data.lfw import Faces, files_and_indices, read_pairs
    from edgecnn.faces.detect import Detector
    from edgecnn.faces.embed import Embedder
    from edgecnn.faces.end_to_end import compare, on_grey

    embed = Embedder.of(bundle, threads, mirror=True)
    files, pairs, same = files_and_indices(read_pairs(folder))
    faces = Faces(folder)
    placed = (on_grey(faces[f]) for f in files)
    return compare(placed, Detector.of(bundle, threads), embed, pairs, same)


def scenes_end_to_end(
    bundle: Bundle, folder: Path, threads: int | None, not_faces: Path | None = None
) -> Figures:
    """People of scenes whom the embedder did not train on: aligned by the labels, and found.

    Args:
        not_faces: as in :func:`scenes`.
    """
    import numpy as np

    from edgecnn.data import aligned
    from edgecnn.data.scenes import read_scenes
    from edgecnn.errors import DataError
    from edgecnn.faces.align import align
    from edgecnn.faces.detect import Detector
    from edgecnn.faces.embed import Embedder
    from edgecnn.faces.end_to_end import compare
    from edgecnn.faces.verify import PAIRS, verification_pairs

    embed = Embedder.of(bundle, threads, mirror=True)
    all_scenes = read_scenes(folder)
    if not_faces is not None:
        all_scenes = all_scenes.without(not_faces)
    # Whose photo it is is certain only where nobody else is in it.
    names = [
        name
        for name, person in all_scenes.people.items()
        if len(all_scenes.faces[name]) == 1
        and aligned.part_of(person, 0, aligned.SHARES) != "train"
    ]
    if not names:
        raise DataError(
            f"expected a people.csv with people whom the embedder was not trained on. {folder} has "
            "none: name other scenes"
        )
    persons = np.unique([all_scenes.people[n] for n in names], return_inverse=True)[1]
    pairs, same = verification_pairs(persons, PAIRS, seed=0)
    marks = [all_scenes.faces[n][0, 4:].reshape(5, 2) for n in names]
    placed = (
        (align(photo, m), photo, m) for photo, m in zip(all_scenes.read(names), marks, strict=True)
    )
    return compare(placed, Detector.of(bundle, threads), embed, pairs, same)


def images(bundle: Bundle, folder: Path, threads: int | None) -> Figures:
    """A classifier on a folder for each class, in percent."""
    from edgecnn.classify import Classifier
    from edgecnn.data.folders import label_of, list_photos
    from edgecnn.images import read_image

    classify = Classifier(bundle, threads)
    names = list_photos(folder)
    _refuse_strange({label_of(n) for n in names}, classify.labels, "folders", folder)
    answers = [(label_of(n), classify(read_image(folder / n))[0]) for n in names]
    return {**_shares(answers), "pictures": len(answers)}


def texts(bundle: Bundle, table: Path, threads: int | None) -> Figures:
    """A classifier on a table that has the columns of its training, in percent."""
    from edgecnn.bundle import TEXT_CLASSIFIER
    from edgecnn.classify import TextClassifier
    from edgecnn.data.text import texts_and_labels

    classify = TextClassifier(bundle, threads)
    found, truth = texts_and_labels(table, *bundle.entry(TEXT_CLASSIFIER).facts["columns"])
    _refuse_strange(set(truth), classify.labels, "labels", table)
    answers = [(label, classify(text)[0]) for text, label in zip(found, truth, strict=True)]
    return {**_shares(answers), "texts": len(answers)}


def _refuse_strange(names: set[str], labels: Sequence[str], what: str, path: Path) -> None:
    """Raises DataError where data has classes that the bundle has not."""
    from edgecnn.errors import DataError

    if strange := sorted(names - set(labels)):
        raise DataError(
            f"expected {what} named after the bundle's classes ({', '.join(labels)}). {path} also "
            f"has: {', '.join(strange)}"
        )


def _shares(answers: Sequence[tuple[str, str | None]]) -> Figures:
    """Truth and answer of each, None for unknown, to percentages."""
    given = [(truth, label) for truth, label in answers if label is not None]
    right = sum(truth == label for truth, label in given)
    return {
        "answered": 100 * len(given) / len(answers),
        "right_of_answered": 100 * right / max(1, len(given)),
        "right_of_all": 100 * right / len(answers),
    }

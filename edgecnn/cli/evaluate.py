"""``edgecnn evaluate``: how good a bundle is, on data of your own or on a benchmark."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli.options import json_option, threads_option

if TYPE_CHECKING:
    from edgecnn.bundle import Bundle

Figures = dict[str, float]


def lfw(bundle: Bundle, folder: Path, threads: int | None) -> Figures:
    """LFW by its protocol, in percent: ten folds, original plus mirrored embedding, cosine."""
    import numpy as np

    from edgecnn.data.lfw import Faces, files_and_indices, read_pairs
    from edgecnn.faces.embed import Embedder
    from edgecnn.faces.verify import fold_accuracies, tar_at_far

    embedder = Embedder(bundle.model("embedder", threads), bundle.entry("embedder"), mirror=True)
    files, pairs, same = files_and_indices(read_pairs(folder))
    faces = Faces(folder)
    embeddings = np.stack([embedder(faces[f]) for f in files])
    scores = np.sum(embeddings[pairs[:, 0]] * embeddings[pairs[:, 1]], axis=1)
    folds = fold_accuracies(scores, same)
    return {
        "accuracy": 100 * float(folds.mean()),
        "std": 100 * float(folds.std()),
        "tar_at_far_1e-3": 100 * tar_at_far(scores, same, 1e-3),
        "false_accepts_at_threshold": 100 * float(np.mean(scores[~same] >= bundle.threshold)),
        "pairs": len(same),
    }


def scenes(bundle: Bundle, folder: Path, threads: int | None) -> Figures:
    """Faces found in scenes, in percent, at the bundle's score threshold.

    The fifth of the scenes that a training with seed 0 holds out is used.
    """
    import numpy as np

    from edgecnn.data.scenes import read_scenes, split_scenes
    from edgecnn.faces.detect import Detector
    from edgecnn.faces.recall import hits

    detector = Detector(bundle.model("detector", threads), bundle.entry("detector"))
    all_scenes = read_scenes(folder)
    names = split_scenes(all_scenes, seed=0)["test"]
    found = []
    for image in all_scenes.read(names):
        faces = detector(image)
        found.append(
            (
                np.array([f.box_xyxy for f in faces], np.float32).reshape(-1, 4),
                np.array([f.score for f in faces], np.float32),
                np.array([f.landmarks_xy for f in faces], np.float32).reshape(-1, 5, 2),
            )
        )
    result = hits(found, [all_scenes.faces[n] for n in names])
    at = result.at(0.0)
    return {
        "recall": 100 * at["recall"],
        "false_boxes_per_100_pictures": 100 * at["false_boxes"],
        "landmark_error": at["landmark_error"],
        "faces": result.faces,
        "pictures": result.pictures,
    }


def images(bundle: Bundle, folder: Path, threads: int | None) -> Figures:
    """A classifier on a folder for each class, in percent."""
    from edgecnn.classify import Classifier
    from edgecnn.data.folders import label_of, list_photos
    from edgecnn.errors import DataError
    from edgecnn.images import read_image

    classify = Classifier(bundle, threads)
    names = list_photos(folder)
    strange = sorted({label_of(n) for n in names} - set(bundle.entry("classifier").labels))
    if strange:
        raise DataError(
            f"expected folders named after the bundle's classes "
            f"({', '.join(bundle.entry('classifier').labels)}). {folder} also has: "
            f"{', '.join(strange)}"
        )
    answers = [(label_of(n), *classify(read_image(folder / n))) for n in names]
    given = [(truth, label) for truth, label, _ in answers if label is not None]
    right = sum(truth == label for truth, label in given)
    return {
        "answered": 100 * len(given) / len(answers),
        "right_of_answered": 100 * right / max(1, len(given)),
        "right_of_all": 100 * right / len(answers),
        "pictures": len(answers),
    }


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path), required=False)
@click.option("--lfw", "lfw_folder", type=click.Path(path_type=Path),
              help="A folder with LFW's pairs.txt and its faces, aligned to 112×112.")  # fmt: skip
@click.option("--scenes", "scenes_folder", type=click.Path(path_type=Path),
              help="A folder with boxes.csv and its photos.")  # fmt: skip
@click.option("--data", "data_folder", type=click.Path(path_type=Path),
              help="A folder of pictures for each class.")  # fmt: skip
@threads_option
@json_option
def command(
    bundle: Path | None,
    lfw_folder: Path | None,
    scenes_folder: Path | None,
    data_folder: Path | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Measure the int8 models of BUNDLE; without BUNDLE, the ones that ship.

    With --lfw, verification on Labeled Faces in the Wild; with --scenes, faces found; with --data,
    a classifier's answers. Percentages throughout.

    \b
    Example:
      edgecnn evaluate --lfw lfw/
      edgecnn evaluate my-bundle --data photos/ --json
    """
    from edgecnn.bundle import ASSETS, Bundle

    wanted: list[tuple[Callable[[Bundle, Path, int | None], Figures], Path]] = [
        (measure, folder)
        for measure, folder in (
            (lfw, lfw_folder), (scenes, scenes_folder), (images, data_folder)
        )
        if folder is not None
    ]  # fmt: skip
    if not wanted:
        raise click.UsageError("expected at least one of --lfw, --scenes and --data")
    opened = Bundle(bundle or ASSETS)
    figures: Figures = {}
    for measure, folder in wanted:
        figures |= measure(opened, folder, threads)
    if as_json:
        click.echo(json.dumps(figures, indent=2))
        return
    for name, value in figures.items():
        text = f"{value:,}" if isinstance(value, int) else f"{value:.2f}"
        click.echo(f"{name:<32}{text:>10}")

"""``edgecnn evaluate``: how good a bundle is, on data of your own or on a benchmark."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli.options import json_option, missed_option, strangers_option, threads_option

if TYPE_CHECKING:
    from edgecnn.bundle import Bundle

Figures = dict[str, float]

Measures = list[tuple[Callable[["Bundle", Path, int | None], Figures], Path | None]]

CLEAR_PX = 24.0
"""Side of a face in the photo's pixels from which one can tell who it is, if barely."""

PAIRS = 6000
"""As many as in LFW, of people in scenes."""


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
    """Faces found in scenes, in percent, at the bundle's score threshold; then of those from
    :data:`CLEAR_PX` up alone.

    The fifth of the scenes that a training with seed 0 holds out is used.
    """
    from edgecnn.data.scenes import read_scenes, split_scenes
    from edgecnn.faces.detect import Detector
    from edgecnn.faces.recall import find, hits

    detector = Detector.of(bundle, threads)
    all_scenes = read_scenes(folder)
    names = split_scenes(all_scenes, seed=0)["test"]
    truth = [all_scenes.faces[n] for n in names]
    found = find(detector, all_scenes.read(names), detector.score_threshold)
    figures: Figures = {"pictures": len(names)}
    for smallest, suffix in ((0.0, ""), (CLEAR_PX, f"_from_{CLEAR_PX:g}px")):
        result = hits(found, truth, smallest)
        at = result.at(0.0)
        figures |= {
            f"faces{suffix}": result.faces,
            f"recall{suffix}": 100 * at["recall"],
            f"false_boxes_per_100_pictures{suffix}": 100 * at["false_boxes"],
            f"landmark_error{suffix}": at["landmark_error"],
        }
    return figures


def lfw_end_to_end(bundle: Bundle, folder: Path, threads: int | None) -> Figures:
    """LFW's faces ready-made, and the same found and aligned by the bundle's own detector."""
    from edgecnn.data.lfw import Faces, files_and_indices, read_pairs
    from edgecnn.faces.detect import Detector
    from edgecnn.faces.embed import Embedder
    from edgecnn.faces.end_to_end import compare, on_grey

    embed = Embedder(bundle.model("embedder", threads), bundle.entry("embedder"), mirror=True)
    files, pairs, same = files_and_indices(read_pairs(folder))
    faces = Faces(folder)
    placed = (on_grey(faces[f]) for f in files)
    return compare(placed, Detector.of(bundle, threads), embed, pairs, same)


def scenes_end_to_end(bundle: Bundle, folder: Path, threads: int | None) -> Figures:
    """People of scenes whom the embedder did not train on: aligned by the labels, and found."""
    import numpy as np

    from edgecnn.data import aligned
    from edgecnn.data.scenes import read_scenes
    from edgecnn.errors import DataError
    from edgecnn.faces.align import align
    from edgecnn.faces.detect import Detector
    from edgecnn.faces.embed import Embedder
    from edgecnn.faces.end_to_end import compare
    from edgecnn.faces.verify import verification_pairs

    embed = Embedder(bundle.model("embedder", threads), bundle.entry("embedder"), mirror=True)
    all_scenes = read_scenes(folder)
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


def open_set(
    bundle: Bundle, people: Path, rate: float | None, enrolled: int | None, out: Path | None,
    threads: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Print, and with ``out`` draw, whether strangers would be named."""
    from edgecnn.cli.progress import shown
    from edgecnn.training.open_set_run import evaluate, lines

    with shown(to_stderr=True) as progress:
        found = evaluate(
            bundle, people, rate=rate, enrolled=enrolled, threads=threads, progress=progress
        )
    click.echo(json.dumps(found.figures, indent=2) if as_json else "\n".join(lines(found.figures)))
    if out is not None:
        from edgecnn.training.open_set_report import write

        path = write(found, out)
        click.echo(f"report      {path}", err=as_json)


def visits(
    bundle: Bundle, folder: Path, rate: float | None, missed: float | None, enrolled: int | None,
    threads: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Print how often made-up visits end wrongly, by the rule that decides on them."""
    from edgecnn.cli.progress import shown
    from edgecnn.faces.decide import Rates
    from edgecnn.training.visits_run import ENROLLED, evaluate, lines

    rates = Rates.for_bundle(bundle, rate, missed)
    with shown(to_stderr=True) as progress:
        found = evaluate(
            bundle, folder, rates=rates, enrolled=enrolled or ENROLLED, threads=threads,
            progress=progress,
        )  # fmt: skip
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(lines(found)))


def rests_on(module: str, bundle: Bundle, folder: Path, threads: int | None, as_json: bool) -> None:
    """Print what the rules of enrolment, or the limits of quality, rest on.

    Args:
        module: of :mod:`edgecnn.training`, with ``evaluate`` and ``lines``.
    """
    from importlib import import_module

    from edgecnn.cli.progress import shown

    measured = import_module(f"edgecnn.training.{module}")
    with shown(to_stderr=True) as progress:
        found = measured.evaluate(bundle, folder, threads, progress)
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(measured.lines(found)))


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path), required=False)
@click.argument("people", type=click.Path(path_type=Path), required=False)
@click.option("--lfw", "lfw_folder", type=click.Path(path_type=Path),
              help="A folder with LFW's pairs.txt and its faces, aligned to 112×112.")  # fmt: skip
@click.option("--scenes", "scenes_folder", type=click.Path(path_type=Path),
              help="A folder with boxes.csv and its photos.")  # fmt: skip
@click.option("--end-to-end", is_flag=True,
              help="--lfw, --scenes: what it costs to find and align the faces.")  # fmt: skip
@click.option("--data", "data_folder", type=click.Path(path_type=Path),
              help="A folder of pictures for each class.")  # fmt: skip
@click.option("--open-set", "is_open_set", is_flag=True,
              help="Enroll some of PEOPLE; is everybody else unknown?")  # fmt: skip
@click.option("--enrolled", type=click.IntRange(1), help="--open-set: people enrolled at once.  "
              "[half of those with two faces]")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, file_okay=False),
              help="--open-set: a folder for the report, open-set.html.")  # fmt: skip
@click.option("--visits", "visits_folder", type=click.Path(path_type=Path),
              help="Aligned faces: let people come, and count the wrong names.")  # fmt: skip
@click.option("--quality", "quality_folder", type=click.Path(path_type=Path),
              help="Aligned faces: spoil them by steps, and count who is still known.")  # fmt: skip
@click.option("--enrolment", "enrolment_folder", type=click.Path(path_type=Path),
              help="Aligned faces: which photos to keep, look-alikes, adaptation.")  # fmt: skip
@strangers_option
@missed_option
@threads_option
@json_option
def command(
    bundle: Path | None,
    people: Path | None,
    lfw_folder: Path | None,
    scenes_folder: Path | None,
    end_to_end: bool,
    data_folder: Path | None,
    is_open_set: bool,
    enrolled: int | None,
    out: Path | None,
    visits_folder: Path | None,
    quality_folder: Path | None,
    enrolment_folder: Path | None,
    strangers: float | None,
    missed: float | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Measure the int8 models of BUNDLE; without BUNDLE, the ones that ship.

    With --lfw, verification on Labeled Faces in the Wild; with --scenes, faces found; with --data,
    a classifier's answers. Percentages throughout. With --lfw or --scenes and --end-to-end,
    verification of faces that come aligned, and of the same faces found by the bundle's detector.

    With --open-set, who would be named wrongly: PEOPLE is a folder of aligned faces, a folder for
    each person or an index.csv (file,person,age,sex). Some people are enrolled from three faces at
    most, all others are strangers. Each is looked at once.

    With --visits, people come and stay for some frames, which the rule of the live camera and
    simpler ones decide on; with --quality, faces are blurred, shrunk, darkened and over-exposed.
    With --enrolment, which photos of a person to keep, look-alikes and adaptation. All take such a
    folder, and the people in it whom the training of the embedder held out.

    \b
    Example:
      edgecnn evaluate --lfw lfw/
      edgecnn evaluate --scenes scenes/ --end-to-end
      edgecnn evaluate my-bundle --data photos/ --json
      edgecnn evaluate my-bundle aligned/ --open-set --enrolled 5 --strangers 1/1000 --out report
      edgecnn evaluate my-bundle --visits aligned/ --strangers 1/100
      edgecnn evaluate my-bundle --quality aligned/
      edgecnn evaluate my-bundle --enrolment aligned/
    """
    from edgecnn.bundle import ASSETS, Bundle

    measures: Measures = [(lfw, lfw_folder), (scenes, scenes_folder), (images, data_folder)]
    if end_to_end:
        measures = [(lfw_end_to_end, lfw_folder), (scenes_end_to_end, scenes_folder)]
        if data_folder or bool(lfw_folder) == bool(scenes_folder):
            raise click.UsageError("expected --end-to-end with --lfw or --scenes, and nothing else")
    wanted = [(measure, folder) for measure, folder in measures if folder is not None]
    if is_open_set:
        if bundle is None or people is None or wanted:
            raise click.UsageError("expected BUNDLE PEOPLE --open-set, and no other measurement")
        open_set(Bundle(bundle), people, strangers, enrolled, out, threads, as_json)
        return
    if enrolment_folder is not None:
        if people or wanted or out or visits_folder or quality_folder:
            raise click.UsageError("expected --enrolment, and no other measurement")
        rests_on("enrolment_run", Bundle(bundle or ASSETS), enrolment_folder, threads, as_json)
        return
    if visits_folder is not None or quality_folder is not None:
        if people or wanted or out or (visits_folder is not None and quality_folder is not None):
            raise click.UsageError("expected --visits or --quality, and no other measurement")
        opened = Bundle(bundle or ASSETS)
        if visits_folder is not None:
            visits(opened, visits_folder, strangers, missed, enrolled, threads, as_json)
        elif strangers or missed or enrolled:
            raise click.UsageError("--strangers, --missed and --enrolled do not go with --quality")
        elif quality_folder is not None:
            rests_on("face_quality", opened, quality_folder, threads, as_json)
        return
    only = {"PEOPLE": people, "--enrolled": enrolled, "--out": out, "--strangers": strangers,
            "--missed": missed}  # fmt: skip
    if foreign := [name for name, value in only.items() if value is not None]:
        raise click.UsageError(f"{', '.join(foreign)} goes with --open-set or --visits only")
    if not wanted:
        raise click.UsageError("expected at least one of --lfw, --scenes, --data and --open-set")
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

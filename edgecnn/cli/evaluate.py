"""``edgecnn evaluate``: how good a bundle is, on data of your own or on a benchmark."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli.options import json_option, missed_option, strangers_option, threads_option

if TYPE_CHECKING:
    from edgecnn.bundle import Bundle
    from edgecnn.cli.evaluate_figures import Figures

    Measure = Callable[[Bundle, Path, int | None], Figures]


GOES_WITH = {
    "PEOPLE": ("--open-set",),
    "--enrolled": ("--open-set", "--visits"),
    "--out": ("--open-set",),
    "--strangers": ("--open-set", "--visits"),
    "--missed": ("--visits",),
    "--end-to-end": ("--lfw", "--scenes"),
    "--not-faces": ("--scenes",),
}
"""What means something with these measurements only."""

TOGETHER = {"--lfw", "--scenes", "--data"}
"""Measurements of which several can be asked for at once."""


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
@click.option("--not-faces", type=click.Path(path_type=Path, dir_okay=False),
              help="--scenes: a table of labels that show no face (file,x,y,w,h).")  # fmt: skip
@click.option("--end-to-end", is_flag=True,
              help="--lfw, --scenes: what it costs to find and align the faces.")  # fmt: skip
@click.option("--data", "data_folder", type=click.Path(path_type=Path),
              help="A folder of pictures for each class; for a text bundle, a table.")  # fmt: skip
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
    not_faces: Path | None,
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
    from edgecnn.cli import evaluate_figures as plain

    folders = {
        "--lfw": lfw_folder,
        "--scenes": scenes_folder,
        "--data": data_folder,
        "--open-set": people if is_open_set else None,
        "--visits": visits_folder,
        "--quality": quality_folder,
        "--enrolment": enrolment_folder,
    }
    if is_open_set and people is None:
        raise click.UsageError("expected BUNDLE PEOPLE --open-set: name both folders")
    given = {"PEOPLE": people, "--enrolled": enrolled, "--out": out, "--strangers": strangers,
             "--missed": missed, "--end-to-end": end_to_end or None,
             "--not-faces": not_faces}  # fmt: skip
    chosen = {name: folder for name, folder in folders.items() if folder is not None}
    _check(set(chosen), {name for name, value in given.items() if value is not None})
    opened = Bundle(bundle or ASSETS)
    if people is not None:
        open_set(opened, people, strangers, enrolled, out, threads, as_json)
    elif visits_folder is not None:
        visits(opened, visits_folder, strangers, missed, enrolled, threads, as_json)
    elif quality_folder is not None:
        rests_on("face_quality", opened, quality_folder, threads, as_json)
    elif enrolment_folder is not None:
        rests_on("enrolment_run", opened, enrolment_folder, threads, as_json)
    else:
        measures: dict[str, Measure] = {
            "--lfw": plain.lfw_end_to_end if end_to_end else plain.lfw,
            "--scenes": partial(
                plain.scenes_end_to_end if end_to_end else plain.scenes, not_faces=not_faces
            ),
            "--data": plain.texts if opened.manifest.task == "text" else plain.images,
        }
        figures: Figures = {}
        for name, folder in chosen.items():
            figures |= measures[name](opened, folder, threads)
        _show(figures, as_json)


def _check(chosen: set[str], given: set[str]) -> None:
    """Refuse measurements and options that do not go together."""
    if not chosen:
        names = ", ".join(["--lfw", "--scenes", "--data", "--visits", "--quality", "--enrolment"])
        raise click.UsageError(f"expected something to measure: {names} or --open-set")
    if len(chosen) > 1 and (chosen - TOGETHER or "--end-to-end" in given):
        raise click.UsageError(f"expected one measurement. Received: {', '.join(sorted(chosen))}")
    for name in sorted(given):
        if not chosen & set(GOES_WITH[name]):
            raise click.UsageError(f"{name} goes with {' or '.join(GOES_WITH[name])} only")


def _show(figures: Figures, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(figures, indent=2))
        return
    width = max(len(name) for name in figures) + 2
    for name, value in figures.items():
        text = f"{value:,}" if isinstance(value, int) else f"{value:.2f}"
        click.echo(f"{name:<{width}}{text:>8}")

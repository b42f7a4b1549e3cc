"""``edgecnn robustness``: how accuracy falls as pictures are disturbed."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import click

from edgecnn.cli.options import json_option, keys_of
from edgecnn.cli.report import refreshed

RESULT, CARD = "robustness.json", "robustness.html"


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--beside", type=click.Path(path_type=Path), multiple=True,
              help="Another run or bundle, on the same pictures; may be repeated.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Takes the card.")
@click.option(
    "--kinds",
    type=keys_of("kinds", "edgecnn.data.disturb", "KINDS"),
    metavar="KIND,…",
    help="Some disturbances only.  [all]",
)
@click.option("--pictures", "count", type=click.IntRange(10), default=500, help="At most so many.")
@click.option("--int8/--no-int8", default=True, help="Look at runs in int8, too.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Same seed, same disturbances.")
@json_option
def command(
    model: Path, data: Path, beside: tuple[Path, ...], out: Path, kinds: list[str] | None,
    count: int, int8: bool, seed: int, as_json: bool,
) -> None:  # fmt: skip
    """Disturb the pictures in DATA and see how long MODEL, a run or a bundle, is right.

    Shift, size, rotation, shear, blur, noise, light, occlusion and JPEG compression, each by itself
    and weak to strong. DATA is a folder for each class; pictures that a run was trained or chosen
    by are left out. The card has a curve for each, and says where a network holds and where not;
    where MODEL is a run, its own page then has the same.

    \b
    Example:
      edgecnn robustness run photos --out card
      edgecnn robustness cnn-run digits --beside dense-run --out card
      edgecnn robustness my-bundle more-photos --out card --kinds shift,rotation
    """
    from converters import robustness as looked_at
    from edgecnn import training
    from edgecnn.bundle import MANIFEST
    from edgecnn.cli.progress import shown
    from edgecnn.data.disturb import KINDS
    from edgecnn.data.folders import keep_outside
    from edgecnn.storage import storing, write_json
    from edgecnn.training import robustness as measured
    from edgecnn.training import robustness_report as report
    from edgecnn.training.run import Run

    keep_outside(data, out)
    training.start_keras()
    models = [model, *beside]
    with tempfile.TemporaryDirectory(prefix="edgecnn-") as work, shown(to_stderr=as_json) as show:
        taken, targets = looked_at.pictures(data, models, count, seed)
        subjects = looked_at.subjects(models, Path(work), int8)
        measured.check_labels(subjects, targets)
        with storing(out):
            out.mkdir(parents=True, exist_ok=True)
        curves = measured.measure(
            subjects, taken, targets, kinds or KINDS, seed=seed,
            progress=lambda step, done, of: show(step, done, of, {}),
        )  # fmt: skip
    names = [subject.name for subject in subjects]
    claims = [said for name in names if (said := measured.independence(curves, name))]
    found = {"data": str(data), "pictures": len(targets), "seed": seed,
             "curves": measured.as_dict(curves), "independence": claims,
             "verdicts": measured.verdicts(curves)}  # fmt: skip
    facts = {"pictures": f"{len(targets):,} of {data.resolve().name}", "seed": str(seed),
             "classifiers": ", ".join(names)}  # fmt: skip
    report.write(out / CARD, f"Robustness on {data.resolve().name}", curves, facts, taken[0])
    write_json(out / RESULT, found)
    if not (model / MANIFEST).is_file():
        refreshed(Run(model), robustness=found)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    header, rows = report.limits(curves)
    widths = [max(len(row[k]) for row in (header, *rows)) for k in range(len(header))]
    points = f"{100 * measured.HELD:g} points of accuracy"
    click.echo(f"strongest at which no more than {points} are lost:")
    for row in (header, *rows):
        click.echo("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())
    for line in claims:
        click.echo(line)
    click.echo(f"card: {out / CARD}")

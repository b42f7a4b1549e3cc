"""``edgecnn data``: look after a folder of pictures."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli.options import json_option, keys_of
from edgecnn.errors import DataError

if TYPE_CHECKING:
    from edgecnn.data.check import Finding

RESULT, PAGE = "check.json", "check.html"


@click.group()
def command() -> None:
    """Look after a folder of pictures.

    \b
    Example:
      edgecnn data check photos --out checked
    """


@command.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Takes the page.")
@click.option("--labels/--no-labels", default=True, help="Look for wrong labels: trains networks.")
@click.option("--faces", is_flag=True, help="Each picture should show a face.")
@click.option("--run", "run_path", type=click.Path(path_type=Path),
              help="Whose split to check.  [the one that train would make]")  # fmt: skip
@click.option("--fix", type=click.Path(path_type=Path), metavar="ASIDE",
              help="Move what you confirm to this folder; nothing is deleted.")  # fmt: skip
@click.option(
    "--yes",
    type=keys_of("kinds", "edgecnn.data.check", "KINDS"),
    metavar="KIND,…",
    help="With --fix: confirm these unasked.",
)
@click.option("--seed", type=click.IntRange(0), default=0, help="Same seed, same result.")
@json_option
def check(
    folder: Path, out: Path, labels: bool, faces: bool, run_path: Path | None, fix: Path | None,
    yes: list[str] | None, seed: int, as_json: bool,
) -> None:  # fmt: skip
    """Find broken, tiny, blurred, repeated and wrongly labelled pictures in FOLDER.

    FOLDER has a folder for each class. Wrong labels are found by networks that did not see the
    picture (4 folds; minutes). The page shows every finding with its picture. Nothing is changed
    without --fix, which asks kind by kind.

    \b
    Example:
      edgecnn data check photos --out checked
      edgecnn data check photos --out checked --fix photos-aside
      edgecnn data check friends --out checked --faces --no-labels
    """
    from edgecnn.cli.progress import shown
    from edgecnn.data import aside
    from edgecnn.data import check as rules
    from edgecnn.data import check_report as report
    from edgecnn.data.folders import keep_outside, list_photos
    from edgecnn.data.look import look
    from edgecnn.storage import storing, write_json
    from edgecnn.training import check as asked

    if yes and not fix:
        raise DataError("--yes confirms what --fix moves: name a side folder by --fix")
    keep_outside(folder, out)
    names = list_photos(folder)
    with storing(out):
        out.mkdir(parents=True, exist_ok=True)
    with shown(to_stderr=as_json) as show:
        seen = look(folder, names, lambda done, of: show("looking at pictures", done, of, {}))
        found = rules.by_themselves(seen)
        found += rules.repeated(seen, asked.parts_of(seen, run_path, seed))
        notes = []
        if faces:
            found += asked.faceless(folder, seen)
        if labels:
            doubts, note = asked.mislabelled(
                folder, seen, found, seed,
                progress=lambda done, of: show("asking of labels", done, of, {}),
            )  # fmt: skip
            found += doubts
            notes += [note] if note else []
    classes, uneven = rules.balance(seen)
    notes += [uneven] if uneven else []
    crossed = sum(bool(f.parts) for f in found)
    if crossed:
        notes.append(f"{crossed} pictures stand in two parts of the split: the test is too easy")
    order = list(rules.KINDS)
    found.sort(key=lambda f: order.index(f.kind))
    facts = rules.statistics(seen)
    told = {"folder": str(folder), "findings": [asdict(f) for f in found], "classes": classes,
            "statistics": facts, "notes": notes}  # fmt: skip
    report.write(out / PAGE, folder, found, classes, facts, notes)
    write_json(out / RESULT, told)
    if as_json:
        click.echo(json.dumps(told, indent=2))
    else:
        counts = Counter(f.kind for f in found)
        for kind, count in counts.items():
            click.echo(f"{kind:<16}{count:>6,}  {rules.KINDS[kind]}")
        for note in notes:
            click.echo(note)
        click.echo(f"{len(seen):,} files looked at; page: {out / PAGE}")
    if fix:
        chosen = confirmed(found, yes)
        moved = aside.move(folder, fix, [(f.name, f.kind, f.told) for f in chosen])
        click.echo(f"moved {moved:,} to {fix}", err=as_json)


def confirmed(found: list[Finding], yes: list[str] | None) -> list[Finding]:
    """The findings of the kinds that the user confirms, each asked for once."""
    kinds = list(dict.fromkeys(f.kind for f in found))
    if yes is None:
        counts = Counter(f.kind for f in found)
        yes = [k for k in kinds if click.confirm(f"move {counts[k]:,} of kind {k}?", err=True)]
    return [f for f in found if f.kind in yes]

"""``edgecnn convert --heal``: which cures a board allows, and what they did, as a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from converters.heal import Trial


def cures_for(board: str) -> list[str]:
    """Names of the cures for a board: a layer in float is none where an accelerator is to run."""
    from converters.heal import CURES, FLOAT
    from devices import get

    return [name for name in CURES if name != FLOAT or not get(board).accelerators]


def tell(trial: Trial) -> None:
    """A line to stderr, since the next trial may take minutes."""
    found = trial.note or f"drop {trial.drop:.4f}, same answer in {100 * trial.agreement:.2f} %"
    click.echo(f"{trial.what}: {found} ({trial.seconds:.0f} s)", err=True)


def healing_lines(healing: dict[str, Any]) -> Iterator[str]:
    """All trials, and what came of them.

    Args:
        healing: as it stands in ``verification.json``; nothing comes of an empty one.
    """
    if not healing:
        return
    trials = healing["trials"]
    wide = max(len(trial["what"]) for trial in trials) + 4
    yield (
        f"healing     by {healing['samples']:,} samples of {healing['part']} data, "
        f"{healing['headline']} {healing['float']:.4f} in float"
    )
    yield f"  {'':<{wide}}{'int8':>8}{'change':>9}{'same':>10}{'s':>6}"
    for trial in trials:
        text = f"  {trial['what']:<{wide}}"
        if "failed" in trial:
            yield f"{text}{trial['failed']}"
            continue
        mark = " *" if trial["helped"] and trial["cure"] != "plain" else ""
        yield (
            f"{text}{trial['int8']:8.4f}{0.0 - trial['drop']:+9.4f}"
            f"{100 * trial['agreement']:8.2f} %{trial['seconds']:6.0f}{mark}"
        )
    yield f"  {healing['outcome']}"

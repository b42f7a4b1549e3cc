"""How far a long job is: a bar on a terminal where rich is installed, else a line a step."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

Show = Callable[[str, int, int, dict[str, float]], None]
"""Called with the step (``"classifier 3/40"``), batches done, batches in all, latest figures."""


@contextmanager
def shown(*, to_stderr: bool = False) -> Iterator[Show]:
    """A function to call as the job goes on.

    Args:
        to_stderr: for a job whose outcome is printed: only on a terminal, and beside the outcome.
    """
    stream = sys.stderr if to_stderr else sys.stdout
    bars = _bars(to_stderr) if stream.isatty() else None
    if bars is None:
        yield _silent if to_stderr else _line
    else:
        with bars:
            yield _Bars(bars).show


def _silent(step: str, done: int, of: int, figures: dict[str, float]) -> None:
    pass


def _line(step: str, done: int, of: int, figures: dict[str, float]) -> None:
    if done == of:
        click.echo(f"{step}  {_text(figures)}".rstrip())


class _Bars:
    """One bar for all epochs of a stage, so that its remaining time is the stage's."""

    def __init__(self, bars: Any):
        self._bars = bars
        self._ids: dict[str, Any] = {}

    def show(self, step: str, done: int, of: int, figures: dict[str, float]) -> None:
        stage, steps_behind, steps = _overall(step)
        if stage not in self._ids:
            self._ids[stage] = self._bars.add_task(stage, total=steps, figures="", count="")
        self._bars.update(
            self._ids[stage],
            completed=steps_behind + done / max(1, of),
            count=f"{steps_behind + 1}/{steps}" if steps > 1 else f"{done}/{of}",
            figures=_text(figures),
        )


def _overall(step: str) -> tuple[str, int, int]:
    """Stage, epochs behind, epochs in all; a step without a count is one of one."""
    found = re.fullmatch(r"(.*) (\d+)/(\d+)", step)
    if not found:
        return step, 0, 1
    return found[1], int(found[2]) - 1, int(found[3])


def _text(figures: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in figures.items())


def _bars(to_stderr: bool) -> Any:
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
    except ModuleNotFoundError as e:
        if (e.name or "").partition(".")[0] != "rich":
            raise
        return None
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[figures]}"),
        console=Console(stderr=to_stderr),
    )

"""``edgecnn convert --from-tflite``: a classifier from elsewhere in, a bundle out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from edgecnn.cli.options import is_typed, spelt

if TYPE_CHECKING:
    from edgecnn.bundle import Bundle

Function = TypeVar("Function", bound=Callable[..., Any])


class Numbers(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.4 on
    """Numbers with commas between them: ``127.5`` or ``123.7,116.3,103.5``.

    Args:
        counts: how many there may be.
    """

    name = "numbers"

    def __init__(self, *counts: int):
        self.counts = counts

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """As a tuple."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(float(word) for word in value.split(","))
        except ValueError:
            numbers = ()
        if len(numbers) not in self.counts:
            wanted = " or ".join(map(str, self.counts))
            self.fail(f"expected {wanted} numbers, as in {self._like()}. Received: {value}")
        return numbers

    def _like(self) -> str:
        return ",".join(["N"] * self.counts[-1])

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """For the help."""
        return "N[,N,N]" if 1 in self.counts else self._like()


OPTIONS = (
    click.option("--from-tflite", type=click.Path(path_type=Path, dir_okay=False),
                 help="Take this full int8 classifier in place of a RUN."),
    click.option("--labels", type=click.Path(path_type=Path, dir_okay=False),
                 help="Its classes, a line each.  [those in the file]"),
    click.option("--data", type=click.Path(path_type=Path),
                 help="A folder for each class, to measure its threshold on."),
    click.option("--mean", type=Numbers(1, 3),
                 help="It sees a byte as (byte - mean) / std.  [as the file says]"),
    click.option("--std", type=Numbers(1, 3), help="One number, or one a channel, as --mean."),
    click.option("--range", "value_range", type=Numbers(2),
                 help="In place of these: what the bytes 0 and 255 become."),
    click.option("--order", type=click.Choice(["RGB", "BGR", "GRAY"]),
                 help="Its channels.  [as the file says, else RGB or GRAY]"),
)  # fmt: skip
"""Those that describe a model from elsewhere."""

FOREIGN = ("labels", "data", "mean", "std", "value_range", "order")
"""Options that only a model from elsewhere has a use for."""

OURS = ("max_drop", "calibration", "seed", "parts", "float_out", "strangers", "quantiser", "heal")
"""Options that only a run has a use for."""

IDLE = {
    "images": ("parts",),
    "text": ("parts",),
    "faces": ("max_drop", "calibration", "seed", "quantiser", "card"),
}
"""Options that have no effect on a run of a task; one of people's photos trained no network."""


def foreign_options(command: Function) -> Function:
    """Add :data:`OPTIONS` to a command."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def convert_tflite(context: click.Context, board: str, out: Path, card: str | None) -> Bundle:
    """What the command does when it was given a file.

    Raises:
        UsageError: a run, or an option for runs alone, was given as well.
    """
    given = context.params
    for name in ("run", *OURS):
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            raise click.UsageError(f"{spelt(context, name)} is not for --from-tflite: leave it out")
    from converters.foreign import Told, from_tflite

    told = Told(given["labels"], given["mean"], given["std"], given["value_range"], given["order"])
    return from_tflite(
        given["from_tflite"], board, out, data=given["data"], told=told, card=card,
        replace=given["replace"],
    )  # fmt: skip


def refuse_for_runs(context: click.Context) -> None:
    """Complain about what only makes sense with ``--from-tflite``.

    Raises:
        UsageError: it was given without, or there is no run either.
    """
    for name in FOREIGN:
        if context.params[name] is not None:
            raise click.UsageError(f"{spelt(context, name)} is for --from-tflite: leave it out")
    if context.params["run"] is None:
        raise click.UsageError("expected a RUN, or a model by --from-tflite")


def refuse_idle(context: click.Context, task: str) -> None:
    """Complain about what has no effect on a run of ``task``.

    Raises:
        UsageError: it was given on the command line.
    """
    for name in IDLE.get(task, ()):
        if is_typed(context, name):
            raise click.UsageError(
                f"{spelt(context, name)} has no effect on a run of task {task}: leave it out"
            )

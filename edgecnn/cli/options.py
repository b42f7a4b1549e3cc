"""Options that several commands share, each written once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from edgecnn.errors import DataError

_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Named(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.4 on
    """A key of a dict of ours, which is imported only when it is needed.

    Args:
        name: what it is the name of, for messages. ``module``, ``table``: where the dict stands.
    """

    def __init__(self, name: str, module: str, table: str):
        self.name, self._module, self._table = name, module, table

    def _names(self) -> tuple[str, ...]:
        return tuple(getattr(import_module(self._module), self._table))

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name itself where there is such a key."""
        return str(click.Choice(self._names()).convert(value, param, ctx))

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """All names, for the help."""
        return f"[{'|'.join(self._names())}]"


def keys_of(what: str, module: str, table: str) -> Callable[[str], list[str]]:
    """An option's type: ``a,b`` to several keys of a dict of ours, as :class:`Named` to one."""

    def keys(text: str) -> list[str]:
        known = getattr(import_module(module), table)
        names = [name.strip() for name in text.split(",")]
        if unknown := [name for name in names if name not in known]:
            raise DataError(f"expected {what} out of {', '.join(known)}. Received: {unknown[0]!r}")
        return names

    return keys


class Rate(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.4 on
    """One in so many: ``1/1000``, ``0.001`` or ``0.1%``; above 0 and below 1."""

    name = "rate"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The rate as a number."""
        if isinstance(value, float):
            return value
        share, _, of = value.strip().partition("/")
        try:
            percent = not of and share.endswith("%")
            rate = float(share.removesuffix("%")) / (100 if percent else float(of or 1))
        except (ValueError, ZeroDivisionError):
            rate = 0.0
        if not 0 < rate < 1:
            self.fail(f"expected a rate such as 1/1000 or 0.1%. Received: {value}", param, ctx)
        return rate

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """For the help."""
        return "1/N"


def gathered(
    argument: str, options: Mapping[str, _Decorator], make: Callable[..., Any]
) -> _Decorator:
    """Several options that a command gets as one argument.

    Args:
        argument: its name.
        options: what click calls each option, to the option, in the order of the help.
        make: takes the options by these names, and gives the argument.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def called(**given: Any) -> Any:
            ours = {name: given.pop(name) for name in options}
            return command(**{argument: make(**ours)}, **given)

        decorated: Callable[..., Any] = called
        for option in reversed(list(options.values())):
            decorated = option(decorated)
        return decorated

    return decorate


def spelt(context: click.Context, name: str) -> str:
    """A parameter of the command, by the name of its argument, as the user wrote it."""
    parameter = next(p for p in context.command.params if p.name == name)
    return parameter.opts[0] if isinstance(parameter, click.Option) else name.upper()


def is_typed(context: click.Context, name: str) -> bool:
    """Whether a parameter stands on the command line; the environment is for many commands."""
    return context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


gallery_option = click.option(
    "--gallery",
    type=click.Path(path_type=Path),
    envvar="EDGECNN_GALLERY",
    show_envvar=True,
    help="The people.  [default: gallery.sqlite in BUNDLE]",
)
threads_option = click.option(
    "--threads",
    type=click.IntRange(1),
    envvar="EDGECNN_THREADS",
    show_envvar=True,
    help="Threads of the models.  [default: one a processor, at most 4]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
results_option = click.option(
    "--results",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    envvar="EDGECNN_RESULTS",
    show_envvar=True,
    help="Tables of latencies, by edgecnn bench --table; a board without one is predicted.",
)
strangers_option = click.option(
    "--strangers",
    type=Rate(),
    help="One stranger in N may get a name.  [the bundle's, else 1/1000]",
)
missed_option = click.option(
    "--missed",
    type=Rate(),
    help="How many visits of enrolled people may end as unknown.  [1/20]",
)
blur_option = click.option(
    "--blur-unknown",
    is_flag=True,
    help="Blur the faces of whoever has no name, in all that is shown or recorded.",
)

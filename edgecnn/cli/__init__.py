"""The command line: one file a command, named in one dict."""

from __future__ import annotations

import importlib
import os
import sys

import click

from edgecnn import __version__
from edgecnn.errors import EdgeCNNError

COMMANDS = {
    "data": "data",
    "train": "train",
    "convert": "convert",
    "autopsy": "autopsy",
    "export": "export",
    "evaluate": "evaluate",
    "classify": "classify",
    "features": "features",
    "bench": "bench",
    "inspect": "inspect",
    "networks": "networks",
    "compare": "compare",
    "search": "search",
    "robustness": "robustness",
    "report": "report",
    "preflight": "preflight",
    "compile": "compile",
    "enroll": "enroll",
    "teach": "teach",
    "people": "people",
    "camera": "camera",
    "prune": "prune",
    "doctor": "doctor",
    "deploy": "deploy",
    "status": "status",
    "rollback": "rollback",
    "promote": "promote",
    "undeploy": "undeploy",
    "sign": "sign",
    "demo": "demo",
}
"""Command to module in ``edgecnn/cli``, in the order of the help; the module has ``command``."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"edgecnn.cli.{COMMANDS[name]}")
        command: click.Command = module.command
        _hear(command, f"EDGECNN_{name}")
        return command


def _hear(command: click.Command, prefix: str) -> None:
    """Have options stand in the environment by the name that is typed, as the help says; click goes
    by the name of the argument, which may be another."""
    for option in command.params:
        if isinstance(option, click.Option) and option.envvar is None:
            option.envvar = _variable(prefix, max(option.opts, key=len))
    for name, inner in getattr(command, "commands", {}).items():
        _hear(inner, f"{prefix}_{name}")


def _variable(prefix: str, option: str) -> str:
    return f"{prefix}_{option.lstrip('-')}".replace("-", "_").upper()


@click.group(
    cls=_Commands,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "EDGECNN",
        "show_default": True,
        "max_content_width": 100,
    },
)
@click.version_option(__version__, prog_name="edgecnn")
def cli() -> None:
    """Teach a small board to recognise people, or things, from photos.

    Every option can also stand in the environment as EDGECNN_COMMAND_OPTION.
    """


def main(args: list[str] | None = None) -> None:
    """Run the command line; a fault of the user's is one line and exit code 2."""
    # Read once, when cv2 is first imported: its warnings would stand beside our one line.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    try:
        cli.main(args, standalone_mode=False)
    except EdgeCNNError as e:
        if os.environ.get("EDGECNN_DEBUG") == "1":
            raise
        click.echo(f"edgecnn: {e}", err=True)
        sys.exit(2)
    except click.ClickException as e:
        e.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("edgecnn: stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)

"""Options that several commands share, each written once."""

from __future__ import annotations

from pathlib import Path

import click

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

"""``edgecnn people forget`` and ``traces``: somebody goes, and whether anything of them is left."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli.key_options import key_options
from edgecnn.cli.options import gallery_option
from edgecnn.cli.place import place_of

if TYPE_CHECKING:
    from edgecnn.faces.vault import Key
    from edgecnn.privacy.traces import Report


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@gallery_option
@key_options
@click.option(
    "--also",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="A file or folder to search as well; events about NAME are taken out. May be repeated.",
)
def forget(
    bundle: Path,
    names: tuple[str, ...],
    gallery: Path | None,
    key: Key | None,
    also: tuple[Path, ...],
) -> None:
    """Remove people, and every trace of them from the gallery; then look whether any is left.

    With them go the look-alikes taught as not them, and an adaptation, which was fitted to them.
    Files of events in PATH, rotated ones too, are written anew without them: the camera that writes
    there must be stopped. Queues in PATH and in your own state folder lose events about them.
    Everything else in PATH is searched for the name and the embeddings, and left as it is. Ends
    with 1 where something is left or could not be searched.

    \b
    Example:
      edgecnn people forget my-bundle Ann
      edgecnn people forget my-bundle Ann --also events.jsonl --also queue --also photos
    """
    from edgecnn.camera.sinks.receivers import default_folder
    from edgecnn.faces.gallery import Gallery
    from edgecnn.privacy.forget import forget as forget_people

    place, sha = place_of(bundle, gallery)
    if default_folder().is_dir():  # queues stand there unless --queue says otherwise
        also = (*also, default_folder())
    with Gallery(place, sha, key=key) as opened:
        done = forget_people(opened, names, also)
    click.echo(f"forgotten: {', '.join(names)} ({done.embeddings} embeddings)")
    for path, count in done.taken.items():
        click.echo(f"{path}: {count} events taken out")
    _tell(done.report)


@click.command()
@click.argument("name")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--remove", is_flag=True, help="Take events about NAME out of files of events.")
def traces(name: str, paths: tuple[Path, ...], remove: bool) -> None:
    """Look for NAME, spelled in many ways, in files and in all files of folders.

    For somebody who is forgotten already, or a name that somebody had before. Ends with 1 where
    something was found or could not be searched.

    \b
    Example:
      edgecnn people traces Ann events.jsonl queue photos
      edgecnn people traces "Ann Before" events.jsonl --remove
    """
    from edgecnn.privacy.forget import take_out
    from edgecnn.privacy.traces import Traces, files_of, search

    files = files_of(paths)
    if remove:
        for path, count in take_out(files, [name]).items():
            click.echo(f"{path}: {count} events taken out")
    _tell(search(files, [Traces.of(name)], paths))


def _tell(report: Report) -> None:
    """What was searched and found; ends the command with 1 where that is anything."""
    for hit in report.hits:
        click.echo(f"left: {hit.path}: {hit.what}, {hit.count} times")
    for path, why in report.closed:
        click.echo(f"not searched: {path} ({why})")
    if report.media:
        click.echo(f"{report.media} pictures or videos: whether a face is on them is yours to see")
    searched = f"{report.files} files ({report.size / 1e6:.1f} MB) searched"
    click.echo(f"{searched}: {'nothing is left' if report.clean else 'see above'}")
    if not report.clean:
        raise SystemExit(1)

"""``edgecnn demo``: the whole way once, on pictures that come inside installed packages."""

from __future__ import annotations

from pathlib import Path

import click

from edgecnn.errors import EdgeCNNError


@click.command()
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default="demo-out",
              help="Folder for the results; a former demo's gives way.")  # fmt: skip
@click.option("--frames", type=click.IntRange(1), default=600,
              help="Length of the synthetic camera's tour; it is gone through twice.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, help="Of the tour and the training.")
@click.option("--with", "bundle", type=click.Path(path_type=Path),
              help="Bundle to recognise faces with.  [the one that ships]")  # fmt: skip
def command(out: Path, frames: int, seed: int, bundle: Path | None) -> None:
    """Train, convert and recognise on built-in pictures, in about two minutes, offline.

    A camera moves over two portraits, of which one person is enrolled: she is named, the other
    is not, until she is enrolled too. Then a compact CNN learns digits and is converted to int8,
    beside a dense network that is as accurate. Fails where a goal is missed.

    \b
    Example:
      edgecnn demo --out demo-out
    """
    from edgecnn.cli import demo_digits, demo_faces, demo_page, demo_score
    from edgecnn.cli.progress import shown
    from edgecnn.storage import whole_folder

    demo_page.check(out)
    with whole_folder(out, replace=True) as draft, shown() as progress:
        # The camera first: in a process that has trained, its large arrays come twice as slowly.
        source, tours = demo_faces.run(draft, bundle, frames, seed, progress)
        digits = demo_digits.run(draft, seed, progress)
        faces = demo_score.figures(*tours)
        summary = demo_page.write(draft, digits, faces, source, tours)
    for line in demo_page.lines(summary, out):
        click.echo(line)
    if missed := demo_page.missed_goals(summary):
        raise EdgeCNNError(f"the demo missed a goal: {'; '.join(missed)}. See {out}/report.html")

"""``edgecnn features``: columns of text to columns of numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgecnn.cli.options import is_typed, spelt
from edgecnn.errors import DataError


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The table to write.")
@click.option("--text", "texts", multiple=True, help="A column of texts; may be given again.  "
              "[text]")  # fmt: skip
@click.option("--label", default="label", help="The column of labels.")
@click.option("--folds", type=click.IntRange(2), default=5, help="Networks a column.")
@click.option("--model", type=click.Path(path_type=Path), help="A folder to keep the networks in.")
@click.option("--with", "kept", type=click.Path(path_type=Path), help="Train nothing: use the "
              "networks that --model kept, and need no labels.")  # fmt: skip
@click.option("--epochs", type=click.IntRange(1), help="Rounds at most.  [20]")
@click.option("--vectors", type=click.Path(path_type=str), help="Word vectors to begin with.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Same seed, same result.")
@click.pass_context
def command(
    context: click.Context,
    /,
    data: Path,
    out: Path,
    texts: tuple[str, ...],
    label: str,
    folds: int,
    model: Path | None,
    kept: Path | None,
    **options: Any,
) -> None:
    """Write the table DATA with new columns: what networks say of its texts.

    DATA and --out are .csv, .tsv or .parquet. The rows are dealt into folds, and each is asked of
    a network that never saw its text, so a model that learns from the new columns does not believe
    them too much. The probability of each label is a column; of two labels, the second's.

    \b
    Example:
      edgecnn features reviews.csv --folds 5 --out features.parquet --model networks
      edgecnn features new.csv --with networks --out new-features.parquet
      edgecnn features shop.csv --text title --text review --label returned --out shop.parquet
    """
    from edgecnn import training
    from edgecnn.cli.progress import shown

    if not data.exists():
        raise DataError(f"expected a table in {data}. It does not exist: check the path")
    training.start_keras()
    from edgecnn.training import features

    if kept is not None:
        for name in ("texts", "label", "folds", "model", *options):
            if is_typed(context, name):
                raise click.UsageError(
                    f"--with trains nothing and knows its columns: leave {spelt(context, name)} out"
                )
        names = features.of_more(data, out, kept)
    else:
        settings = {name: value for name, value in options.items() if value is not None}
        with shown() as progress:
            names = features.of_table(
                data, out, texts=texts or ("text",), label=label, folds=folds, settings=settings,
                model=model, tell=lambda done, of: progress("networks", done, of, {}),
            )  # fmt: skip
    click.echo(f"{'new columns':<13}{', '.join(names)}\n{'table':<13}{out}")

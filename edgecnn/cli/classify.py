"""``edgecnn classify``: what a bundle says of single texts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from edgecnn.cli.options import json_option, threads_option
from edgecnn.errors import DataError


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@threads_option
@json_option
def command(bundle: Path, texts: tuple[str, ...], threads: int | None, as_json: bool) -> None:
    """Say which class each TEXT is of, by a text BUNDLE; without TEXT, each line of the input.

    The answer is unknown below the threshold that was measured when BUNDLE was made. Runs where
    the bundle runs, and needs no TensorFlow. --json prints an object a line.

    \b
    Example:
      edgecnn classify my-bundle "a warm and funny film" "two hours too long"
      edgecnn classify my-bundle --json < reviews.txt
    """
    from edgecnn.bundle import Bundle
    from edgecnn.classify import TextClassifier

    classifier = TextClassifier(Bundle(bundle), threads)
    for text in _readable(texts or sys.stdin):
        label, probability = classifier(text)
        if as_json:
            said = {"label": label, "probability": round(probability, 4), "text": text}
            click.echo(json.dumps(said, ensure_ascii=False))
        else:
            click.echo(f"{label or 'unknown':<16}{100 * probability:>5.1f} %  {text}")


def _readable(lines: Iterable[str]) -> Iterator[str]:
    """Texts without the end of their line; other bytes than UTF-8 are refused."""
    try:
        for line in lines:
            line.encode()  # in some locales Python lets bytes through that are none
            yield line.rstrip("\r\n")
    except UnicodeError as e:
        raise DataError(
            f"expected texts in UTF-8. Received: {e}: save them in UTF-8, or convert them by iconv"
        ) from e

"""Tables with texts in them, and word vectors, from files in the usual formats."""

from __future__ import annotations

from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.errors import DataError, needs
from edgecnn.images import Floats
from edgecnn.storage import whole_file

DELIMITERS = {".csv": ",", ".tsv": "\t"}
PARQUET = ".parquet"


def read_table(path: str | Path, strings: Sequence[str] | None = ()) -> Any:
    """A ``pyarrow.Table`` from a ``.csv`` or ``.tsv`` file with a header, in UTF-8, or from a
    ``.parquet`` file.

    Args:
        strings: columns that are text, whatever they look like; they need not exist. Of a file
            that is text itself None makes every column one, just as it stands there: ``00123``
            and ``1.10`` are no numbers then.

    Raises:
        DataError: the file is none of these, or cannot be read.
    """
    path = Path(path)
    with needs("train", "pyarrow"):
        import pyarrow
        from pyarrow import csv, parquet
    if kind_of(path) == PARQUET:

        def read() -> Any:
            return parquet.read_table(path)
    else:
        parsed = csv.ParseOptions(delimiter=DELIMITERS[kind_of(path)], newlines_in_values=True)

        def read() -> Any:
            names = strings
            if names is None:
                with csv.open_csv(path, parse_options=parsed) as begun:
                    names = begun.schema.names
            as_text = csv.ConvertOptions(column_types=dict.fromkeys(names, pyarrow.string()))
            return csv.read_csv(path, parse_options=parsed, convert_options=as_text)

    try:
        return read()
    except (OSError, pyarrow.ArrowException) as e:
        reason = " ".join(str(e).split()) or "empty"
        raise DataError(
            f"expected a table in UTF-8 with a header line. {path} cannot be read ({reason}): "
            "check the path, and save it again"
        ) from e


def write_table(table: Any, path: str | Path) -> None:
    """The inverse of :func:`read_table`, whole or not at all.

    Raises:
        DataError: another ending.
        StorageError: it cannot be written.
    """
    path = Path(path)
    kind = kind_of(path)
    with needs("train", "pyarrow"):
        from pyarrow import csv, parquet
    with whole_file(path) as draft:
        if kind == PARQUET:
            parquet.write_table(table, draft)
        else:
            csv.write_csv(table, draft, csv.WriteOptions(delimiter=DELIMITERS[kind]))


def column(table: Any, name: str) -> list[str | None]:
    """A column as text; None where a row has nothing.

    Raises:
        DataError: there is no such column, or two.
    """
    if table.column_names.count(name) != 1:
        raise DataError(
            f"expected one column {name!r}. The table has {', '.join(table.column_names)}: rename "
            "one or, to train, name another by --text or --label"
        )
    return [None if value is None else str(value) for value in table.column(name).to_pylist()]


def refuse_empty(table: Any, path: str | Path) -> None:
    """Raise where a table has a header alone.

    Raises:
        DataError: it has no row.
    """
    if not table.num_rows:
        raise DataError(f"expected rows below the header of {path}. It has none: add some")


def texts_and_labels(path: str | Path, text: str, label: str) -> tuple[list[str], list[str]]:
    """Two columns of a table; a row without a text has an empty one.

    Raises:
        DataError: the table or a column cannot be read, or a row has no label.
    """
    table = read_table(path, (text, label))
    refuse_empty(table, path)
    texts, labels = column(table, text), column(table, label)
    known = [found.strip() for found in labels if found and found.strip()]
    if len(known) < len(labels):
        first = next(i for i, found in enumerate(labels, 1) if not (found and found.strip()))
        raise DataError(
            f"expected a label in each row of {path}. Row {first} has none in column {label!r}: "
            "fill it in, or remove the row"
        )
    return [found or "" for found in texts], known


def read_vectors(path: str | Path, words: Container[str]) -> dict[str, Floats]:
    """Word vectors from a text file as word2vec, GloVe and fastText write it: a word and its
    numbers a line, and in the first line, or not, how many of both there are.

    Args:
        words: those that are wanted.

    Returns:
        Word to ``(dim,)`` float32, of the words that the file has.

    Raises:
        DataError: a line is not like that, or no word is in the file.
    """
    found: dict[str, Floats] = {}
    size = None
    try:
        with open(path, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                # From the right: a few words of GloVe's largest files have blanks in them.
                word, *numbers = line.rstrip().rsplit(" ", size or -1)
                if number == 1 and len(numbers) == 1:
                    continue
                size = size or max(1, len(numbers))
                if len(numbers) != size:
                    raise ValueError(f"line {number} has {len(numbers)} numbers and not {size}")
                if word in words:
                    found[word] = np.array(numbers, np.float32)
    except (OSError, ValueError) as e:
        raise DataError(
            f"expected a word and its numbers a line. {path} cannot be read ({e}): name a file of "
            "word vectors in text format"
        ) from e
    if not found:
        raise DataError(f"none of the words is in {path}: name vectors of the same language")
    return found


def kind_of(path: str | Path) -> str:
    """The ending of a table's name, in lower case.

    Raises:
        DataError: it is none that is read or written here.
    """
    kind = Path(path).suffix.lower()
    if kind not in (*DELIMITERS, PARQUET):
        raise DataError(f"expected a .csv, .tsv or .parquet file. Received: {path}: convert it")
    return kind

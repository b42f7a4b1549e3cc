"""What labels stand in, and pictures: a table of comma-separated values, a zip file."""

from __future__ import annotations

import csv
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from edgecnn.errors import DataError


def read_rows(table: str | Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a table by column; a row that ends early has empty cells.

    Raises:
        DataError: the file cannot be read, is no CSV in UTF-8, or lacks some of ``columns``.
    """
    try:
        # Excel puts a mark before the first column, which would be part of its name.
        with open(table, newline="", encoding="utf-8-sig") as f:
            reader = csv.DictReader(f, restval="")
            missing = [c for c in columns if c not in (reader.fieldnames or ())]
            if missing:
                raise DataError(
                    f"expected columns {' and '.join(columns)}. {table} lacks the columns "
                    f"{', '.join(missing)}: add them"
                )
            return list(reader)
    except OSError as e:
        raise DataError(f"{table} cannot be read ({e}): check its path") from e
    except (UnicodeDecodeError, csv.Error) as e:
        raise DataError(f"{table} cannot be read ({e}): save it as CSV in UTF-8") from e


def open_zip(path: str | Path) -> zipfile.ZipFile:
    """An archive of pictures.

    Raises:
        DataError: it is none, or cut off.
    """
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as e:
        raise DataError(f"{path} is not a readable zip file ({e}): copy it again") from e


def read_member(place: Path | zipfile.ZipFile, name: str) -> bytes:
    """A file of a folder, or of an archive, which several threads may read.

    Raises:
        DataError: it is not there, or damaged.
    """
    try:
        return (
            place.read(name) if isinstance(place, zipfile.ZipFile) else (place / name).read_bytes()
        )
    except (OSError, KeyError, zipfile.BadZipFile, zlib.error, RuntimeError, ValueError) as e:
        where = place.filename if isinstance(place, zipfile.ZipFile) else place
        raise DataError(
            f"{name} is labelled, but cannot be read in {where} ({e}): add it or copy it again"
        ) from e

"""Passwords and keys: from a file or the environment, never from the command line."""

from __future__ import annotations

import os
from pathlib import Path

from edgecnn.errors import DataError


def secret(file: Path | None, variable: str) -> str | None:
    """The text of a file without the end of its line, else of an environment variable, else None.

    Raises:
        DataError: the file cannot be read, or there is nothing in it.
    """
    if file is None:
        return os.environ.get(variable) or None
    try:
        text = file.read_text("utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as e:
        said = e.strerror if isinstance(e, OSError) else "not UTF-8"
        raise DataError(f"could not read the secret in {file} ({said})") from e
    if not text or "\n" in text:
        raise DataError(f"expected one line with the secret in {file}")
    return text

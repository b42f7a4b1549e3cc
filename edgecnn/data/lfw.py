"""Labeled Faces in the Wild: its 6,000 pairs, and its faces aligned to 112×112."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.data.index import open_zip, read_member
from edgecnn.errors import DataError
from edgecnn.images import Image, decode_image

Pair = tuple[str, str, bool]
"""Two files as ``NAME/NAME_0001.jpg`` and whether they show one person."""


def read_pairs(folder: str | Path) -> list[Pair]:
    """The pairs of ``pairs.txt``, fold by fold, as the protocol wants them.

    A line of three parts (name, number, number) is a pair of one person, one of four parts (name,
    number, name, number) of two. The first line, folds and pairs of a kind in each, is checked.

    Raises:
        DataError: the file is missing, or not in that form.
    """
    path = Path(folder) / "pairs.txt"
    try:
        first, *lines = path.read_text("utf-8").splitlines()
        folds, each = (int(n) for n in first.split())
        pairs = [_pair(line.split()) for line in lines if line.strip()]
    except (OSError, ValueError) as e:
        raise DataError(
            f"expected LFW's pairs.txt (folds and pairs first, then a pair a line). {path}: {e}"
        ) from e
    if len(pairs) != 2 * folds * each:
        raise DataError(
            f"expected {2 * folds * each} pairs. {path} has {len(pairs)}: it is cut off"
        )
    return pairs


def _pair(parts: list[str]) -> Pair:
    if len(parts) == 3:
        name, a, b = parts
        return _file(name, a), _file(name, b), True
    first, a, second, b = parts
    return _file(first, a), _file(second, b), False


def _file(name: str, number: str) -> str:
    return f"{name}/{name}_{int(number):04d}.jpg"


class Faces:
    """The aligned faces, in a zip file or unpacked into the folder.

    Raises:
        DataError: there is no zip file and no folder of a person, or the zip file is cut off.
    """

    def __init__(self, folder: str | Path):
        zips = sorted(Path(folder).glob("*.zip"))
        self._place = open_zip(zips[0]) if zips else Path(folder)
        if not zips and not any(Path(folder).glob("*/*.jpg")):
            raise DataError(
                f"expected LFW's aligned faces, zipped or as NAME/NAME_0001.jpg. {folder} has none"
            )

    def __getitem__(self, file: str) -> Image:
        """A face ``(112, 112, 3)`` uint8 BGR.

        Raises:
            DataError: it is missing, broken, or of another size.
        """
        face = decode_image(read_member(self._place, file), file)
        if face.shape != (112, 112, 3):
            raise DataError(f"expected aligned faces of 112×112. {file} is {face.shape[:2]}")
        return face


def files_and_indices(
    pairs: list[Pair],
) -> tuple[list[str], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Every file once, the pairs ``(N, 2)`` as indices into them, and ``(N,)`` same or not."""
    files = sorted({f for a, b, _ in pairs for f in (a, b)})
    at = {f: i for i, f in enumerate(files)}
    indices = np.array([(at[a], at[b]) for a, b, _ in pairs], np.int64).reshape(-1, 2)
    return files, indices, np.array([same for *_, same in pairs], np.bool_)

"""Aligned faces with or without identities, as the embedder learns from.

Two layouts are read. A folder with an ``index.csv`` (columns ``file`` and ``person``, the latter
empty where unknown) beside the pictures, or beside zip files of them, one zip for each first part
of ``file``; or a folder for each person with their pictures in it.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.errors import DataError
from edgecnn.images import Preprocess, decode_image

DISTINCT = ("aaf",)
"""Sets in which every picture shows another person, by their authors' word (All-Age-Faces:
13,322 pictures of 13,322 people). Elsewhere a face without identity may be anyone's."""


@dataclass(frozen=True, eq=False)
class AlignedFaces:
    """Faces as the network sees them.

    Attributes:
        files: ``N`` names, sorted as in the index.
        pixels: ``(N, H, W, 3)`` uint8, in the order of the preprocessing.
        persons: ``(N,)`` int64; the same number is the same person; -1 where unknown.
    """

    files: list[str]
    pixels: npt.NDArray[np.uint8]
    persons: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.files)


def index(folder: str | Path) -> dict[str, str]:
    """File to person of every face; the person is empty where unknown.

    Raises:
        DataError: the folder has neither layout, or no faces.
    """
    return dict(_index(Path(folder)))


def load(folder: str | Path, people: Mapping[str, str], preprocess: Preprocess) -> AlignedFaces:
    """Read and decode faces into memory.

    Args:
        people: the files to read and the person of each, as from :func:`index`.

    Raises:
        DataError: a file of the index is missing or broken.
    """
    read = _reader(Path(folder))
    files = list(people)
    pixels = np.empty((len(files), *preprocess.shape), np.uint8)

    def fill(i: int) -> None:
        pixels[i] = preprocess(decode_image(read(files[i]), files[i]))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fill, range(len(files))))
    names = sorted({person for person in people.values() if person})
    numbers = {person: i for i, person in enumerate(names)} | {"": -1}
    return AlignedFaces(files, pixels, np.array([numbers[p] for p in people.values()], np.int64))


def part_of(name: str, seed: int, shares: tuple[float, float]) -> str:
    """``"validation"``, ``"test"`` or ``"train"`` for a person or a file, by hash.

    Args:
        shares: the shares of validation and test, each 0…1.
    """
    draw = int.from_bytes(sha256(f"{seed}/{name}".encode()).digest()[:8], "big") / 2**64
    validation, test = shares
    return "validation" if draw < validation else "test" if draw < validation + test else "train"


def _index(folder: Path) -> Iterator[tuple[str, str]]:
    """File and person of every face; the person is empty where unknown."""
    table = folder / "index.csv"
    if table.exists():
        with open(table, newline="", encoding="utf-8") as f:
            reader = csv.DictReader(f)
            if not {"file", "person"} <= set(reader.fieldnames or ()):
                raise DataError(
                    f"expected columns file and person. {table} has: {reader.fieldnames}"
                )
            found = False
            for row in reader:
                found = True
                known = row["person"] or (
                    row["file"] if row["file"].partition("/")[0] in DISTINCT else ""
                )
                yield row["file"], known
        if not found:
            raise DataError(f"expected a line for each face. {table} has none: fill it in")
        return
    files = sorted(p for p in folder.glob("*/*") if p.is_file() and not p.name.startswith("."))
    if not files:
        raise DataError(
            f"expected aligned faces: an index.csv, or a folder for each person. {folder} has "
            "neither: see docs/formats.md"
        )
    for p in files:
        yield f"{p.parent.name}/{p.name}", p.parent.name


def _reader(folder: Path) -> Callable[[str], bytes]:
    zips = {p.stem: zipfile.ZipFile(p) for p in folder.glob("*.zip")}

    def read(file: str) -> bytes:
        archive = zips.get(file.partition("/")[0])
        try:
            if archive is not None and not (folder / file).exists():
                return archive.read(file)  # ZipFile.read locks: safe from several threads
            return (folder / file).read_bytes()
        except (OSError, KeyError) as e:
            raise DataError(f"{folder / file} stands in the index but cannot be read: {e}") from e

    return read

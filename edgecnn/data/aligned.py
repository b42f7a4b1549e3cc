"""Aligned faces with or without identities, as the embedder learns from.

Two layouts are read. A folder with an ``index.csv`` (columns ``file`` and ``person``, the latter
empty where unknown; ``age`` and ``sex`` where known) beside the pictures, or beside zip files of
them, one zip for each first part of ``file``; or a folder for each person with their pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.data.index import open_zip, read_member, read_rows
from edgecnn.errors import DataError
from edgecnn.images import Preprocess, decode_image

DISTINCT = ("aaf",)
"""Sets in which every picture shows another person, by their authors' word (All-Age-Faces:
13,322 pictures of 13,322 people). Elsewhere a face without identity may be anyone's."""

COLUMNS = ("file", "person")
"""Of ``index.csv``."""

SHARES = (0.03, 0.06)
"""Shares of validation and test. Whole people are held out, never some of their faces."""


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
    read = reader(folder)
    files = list(people)
    pixels = np.empty((len(files), *preprocess.shape), np.uint8)

    def fill(i: int) -> None:
        pixels[i] = preprocess(decode_image(read(files[i]), files[i]))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fill, range(len(files))))
    names = sorted({person for person in people.values() if person})
    numbers = {person: i for i, person in enumerate(names)} | {"": -1}
    return AlignedFaces(files, pixels, np.array([numbers[p] for p in people.values()], np.int64))


def labels(folder: str | Path) -> dict[str, tuple[int | None, str]]:
    """File to age in years and sex of each face of whom one of them is known, in the words of
    ``index.csv``; nothing for a folder without one."""
    table = Path(folder) / "index.csv"
    if not table.exists():
        return {}
    rows = [(r["file"], r.get("age") or "", r.get("sex") or "") for r in read_rows(table, COLUMNS)]
    known = {file: (int(age) if age.isdigit() else None, sex) for file, age, sex in rows}
    return {file: (age, sex) for file, (age, sex) in known.items() if age is not None or sex}


def set_of(file: str, person: str) -> str:
    """The set that a face is from: the first part of its file, where that is not its person."""
    first, _, rest = file.partition("/")
    return first if rest and first != person else ""


def fingerprint(people: Mapping[str, str]) -> str:
    """SHA-256 of an index: tells the faces that an embedder was trained with from others."""
    lines = (f"{file}\t{person}\n" for file, person in sorted(people.items()))
    return sha256("".join(lines).encode()).hexdigest()


def part_of(name: str, seed: int, shares: tuple[float, float]) -> str:
    """``"validation"``, ``"test"`` or ``"train"`` for a person or a file, by hash.

    Args:
        shares: the shares of validation and test, each 0…1.
    """
    draw = int.from_bytes(sha256(f"{seed}/{name}".encode()).digest()[:8], "big") / 2**64
    validation, test = shares
    return "validation" if draw < validation else "test" if draw < validation + test else "train"


def split(people: Mapping[str, str], seed: int) -> dict[str, dict[str, str]]:
    """Files and persons by part; a person, or a face of nobody known, is in one part only.

    Small sets hold out more than :data:`SHARES`: about ten people to validate with.
    """
    groups = len({p or f for f, p in people.items()})
    scale = max(1.0, 10 / (SHARES[0] * groups))
    shares = (min(0.2, SHARES[0] * scale), min(0.4, SHARES[1] * scale))
    parts: dict[str, dict[str, str]] = {"train": {}, "validation": {}, "test": {}}
    for file, person in people.items():
        parts[part_of(person or file, seed, shares)][file] = person
    return parts


def strangers(parts: Mapping[str, Mapping[str, str]], seed: int) -> dict[str, dict[str, str]]:
    """The faces that trained nothing, in two halves that share nobody.

    What a threshold is chosen by must not be what it is reported on. Faces without an identity are
    in ``report`` alone, and there for figures by age and sex only: the same person may have trained
    under another file.

    Args:
        parts: files and persons, as :func:`split` gives them.

    Returns:
        ``choose``: the people held out for validation, and half of those for the test, by a hash
        of their name; ``report``: the other half.
    """
    choose = {f: p for f, p in parts["validation"].items() if p}
    report: dict[str, str] = {}
    for file, person in parts["test"].items():
        half = part_of(f"strangers/{person}", seed, (0.5, 0.0)) if person else ""
        (choose if half == "validation" else report)[file] = person
    return {"choose": choose, "report": report}


def _index(folder: Path) -> Iterator[tuple[str, str]]:
    """File and person of every face; the person is empty where unknown."""
    table = folder / "index.csv"
    if table.exists():
        rows = read_rows(table, COLUMNS)
        if not rows:
            raise DataError(f"expected a line for each face. {table} has none: fill it in")
        for row in rows:
            known = row["person"] or (
                row["file"] if row["file"].partition("/")[0] in DISTINCT else ""
            )
            yield row["file"], known
        return
    files = sorted(p for p in folder.glob("*/*") if p.is_file() and not p.name.startswith("."))
    if not files:
        raise DataError(
            f"expected aligned faces: an index.csv, or a folder for each person. {folder} has "
            "neither: see docs/formats.md"
        )
    for p in files:
        yield f"{p.parent.name}/{p.name}", p.parent.name


def reader(folder: str | Path) -> Callable[[str], bytes]:
    """A function from a file of the index to its bytes, in the folder or in one of its zips; it
    raises DataError where the file cannot be read."""
    folder = Path(folder)
    zips = {p.stem: open_zip(p) for p in folder.glob("*.zip")}

    def read(file: str) -> bytes:
        archive = zips.get(file.partition("/")[0])
        return read_member(folder if archive is None or (folder / file).exists() else archive, file)

    return read

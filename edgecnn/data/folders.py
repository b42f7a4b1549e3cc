"""A folder per class: which pictures there are, their pixels, and a stratified split.

::

    photos/
      cat/   a.jpg  b.png  …      every class has pictures and nothing else
      dog/   c.webp  …            hidden files are ignored
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.data.pixels import room
from edgecnn.errors import DataError
from edgecnn.images import Image, Preprocess, decode_image

PARTS = ("train", "validation", "test")
LITTER = {"Thumbs.db", "desktop.ini", "@eaDir"}
"""What file managers and network drives leave behind; passed over like hidden files."""

AHEAD = 64
"""Pictures that are read ahead at most: however many there are, no more wait in memory."""

Digests = npt.NDArray[np.bytes_]
AnyDigests = Digests | npt.NDArray[np.object_]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Photos:
    """The pictures of a folder, read.

    Attributes:
        names: ``class/file``, sorted.
        pixels: ``(N, H, W, C)`` uint8, what the network gets.
        digests: ``(N,)`` SHA-256 of each file, as 64 hexadecimal digits.
        skipped: names left out, with the reason.
    """

    names: list[str]
    pixels: Image
    digests: Digests
    skipped: dict[str, str]


def label_of(name: str) -> str:
    """The class of a picture called ``class/file``."""
    return name.partition("/")[0]


def list_photos(root: str | Path) -> list[str]:
    """Names ``class/file`` of all files, sorted; nothing is opened.

    Raises:
        DataError: no such folder, files beside the class folders, folders inside them, an empty
            class, or fewer than two classes.
    """
    root = Path(root)
    shape = f"expected a folder for each class in {root}, with pictures in it"
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise DataError(f"{shape}. {root} {what}: check the path")
    classes, loose = _visible(root)
    if loose:
        raise DataError(
            f"{shape}. {_few(loose)} lie{'s' if len(loose) == 1 else ''} directly in it: "
            "move each into a folder named after its class"
        )
    if len(classes) < 2:
        raise DataError(
            f"{shape}, two classes at least. It has {len(classes)}"
            f"{' (' + classes[0] + ')' if classes else ''}: add a folder for another class"
        )
    names = []
    for label in classes:
        inner, files = _visible(root / label)
        if inner:
            raise DataError(
                f"{shape}. {label} holds folders itself ({_few(inner)}): "
                "name the folder whose folders are the classes"
            )
        if not files:
            raise DataError(f"{shape}. {label} is empty: add pictures or remove the folder")
        names += [f"{label}/{file}" for file in files]
    return names


def keep_outside(root: str | Path, out: str | Path) -> None:
    """Refuse a place among the classes, as ``runs/`` of a command that is given in the folder.

    Raises:
        DataError: ``out`` lies in ``root``, and whoever reads that next would take it for a class.
    """
    if Path(out).resolve().is_relative_to(Path(root).resolve()):
        raise DataError(f"expected --out outside {root}, where it would be a class: name another")


def read_photos(
    root: str | Path,
    names: Sequence[str],
    preprocess: Preprocess,
    *,
    skip_broken: bool = False,
    folder: str | Path | None = None,
    stream: bool | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Photos:
    """Read, check and preprocess pictures; each is decoded once.

    Args:
        folder: on whose disk the pixels lie where memory is too small, see
            :func:`edgecnn.data.pixels.room`; None keeps them in memory.
        stream: whether they lie there; None decides by their size.
        skip_broken: leave out files that are no pictures, and pictures that stand in two
            classes, instead of raising.
        progress: called with the number of files read and of all.

    Raises:
        DataError: a file is no picture, or the same picture stands in two classes.
    """

    def read(name: str) -> tuple[Image | None, str]:
        try:
            content = (Path(root) / name).read_bytes()
            return preprocess(decode_image(content, name)), sha256(content).hexdigest()
        except (DataError, OSError):
            return None, ""

    shape = (len(names), *preprocess.shape)
    pixels = np.empty(shape, np.uint8) if folder is None else room(shape, folder, stream)
    good: list[str] = []
    digests = np.empty(len(names), "S64")
    skipped: dict[str, str] = {}
    # OpenCV decodes outside the interpreter lock, so threads use every processor.
    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    try:
        for first in range(0, len(names), AHEAD):
            some = names[first : first + AHEAD]
            for name, (picture, digest) in zip(some, pool.map(read, some), strict=True):
                if picture is None:
                    skipped[name] = "not a picture that can be read"
                else:
                    pixels[len(good)], digests[len(good)] = picture, digest
                    good.append(name)
                if progress:
                    progress(len(good) + len(skipped), len(names))
    finally:
        pool.shutdown(cancel_futures=True)
    digests = digests[: len(good)]
    if skipped and not skip_broken:
        raise DataError(
            f"expected pictures only. {_few(list(skipped))} in {root} cannot be read as "
            f"{'pictures' if len(skipped) > 1 else 'a picture'}: remove or replace "
            f"{'them' if len(skipped) > 1 else 'it'}, or leave out with --skip-broken"
        )
    twice = _in_two_classes(good, digests)
    if twice and not skip_broken:
        raise DataError(
            f"expected each picture in one class. The same picture is {' and '.join(twice[:2])}"
            f"{f' (and {len(twice) - 2} more like these)' if len(twice) > 2 else ''}: "
            "keep it in one, or leave out with --skip-broken"
        )
    if twice:
        skipped |= dict.fromkeys(twice, "the same picture stands in another class")
        keep = [i for i, name in enumerate(good) if name not in skipped]
        for to, at in enumerate(keep):  # in place: the pixels may be larger than memory
            pixels[to] = pixels[at]
        good, digests = [good[i] for i in keep], digests[keep]
    if not good:
        raise DataError(f"expected pictures in {root}. None of its {len(names)} files is one")
    return Photos(good, pixels[: len(good)], digests, skipped)


def split(
    names: Sequence[str], digests: Sequence[str] | AnyDigests, *, seed: int, held_out: float = 0.15
) -> dict[str, list[str]]:
    """Share pictures out to training, validation and test, class by class.

    Files with equal digests go to the same part. A class is ordered by a hash of seed and
    content, so adding or renaming files moves few of the others.

    Args:
        digests: what tells equal files; bytes of any length as objects, of which each takes the
            memory that it needs and not that of the longest.
        held_out: the share of each class for validation, and as much for the test; one picture
            each at least.

    Returns:
        Names by part, sorted.

    Raises:
        DataError: a class has fewer than three different pictures, or ``held_out`` leaves none
            for training.
    """
    rows = split_rows(names, digests, seed=seed, held_out=held_out)
    return {part: [names[i] for i in chosen] for part, chosen in rows.items()}


def split_rows(
    names: Sequence[str], digests: Sequence[str] | AnyDigests, *, seed: int, held_out: float = 0.15
) -> dict[str, Rows]:
    """:func:`split`, as places in ``names``."""
    if not 0 < held_out < 0.5:
        raise DataError(f"expected a held-out share between 0 and 0.5. Received: {held_out}")
    if not isinstance(digests, np.ndarray):
        digests = np.asarray(digests, np.bytes_)
    classes: dict[str, list[int]] = defaultdict(list)
    for i, name in enumerate(names):
        classes[label_of(name)].append(i)
    parts: dict[str, list[int]] = {part: [] for part in PARTS}
    for label, members in sorted(classes.items()):
        different, group = np.unique(digests[members], return_inverse=True)
        if len(different) < len(PARTS):
            copies = "different " if len(members) > len(different) else ""
            raise DataError(
                f"expected three different pictures of each class at least, one each to train, "
                f"validate and test. {label} has {len(different)} {copies}"
                f"picture{'s' if len(different) > 1 else ''}: add more, or remove the class"
            )
        keys = (sha256(f"{seed} {d.decode()}".encode()).hexdigest() for d in different)
        order = np.argsort(np.fromiter(keys, "S64", len(different)), kind="stable")
        count = min(max(1, round(held_out * len(order))), (len(order) - 1) // 2)
        part_of = np.full(len(order), PARTS.index("train"))
        part_of[order[:count]] = PARTS.index("test")
        part_of[order[count : 2 * count]] = PARTS.index("validation")
        for i, part in zip(members, part_of[group], strict=True):
            parts[PARTS[part]].append(i)
    return {
        part: np.array(sorted(chosen, key=names.__getitem__), np.int64)
        for part, chosen in parts.items()
    }


def counts(parts: Mapping[str, Iterable[str]]) -> dict[str, dict[str, int]]:
    """Pictures by part and class."""
    return {part: dict(Counter(map(label_of, names))) for part, names in parts.items()}


def _visible(folder: Path) -> tuple[list[str], list[str]]:
    """Names of the folders and of the files in ``folder``, sorted, without hidden ones."""
    try:
        with os.scandir(folder) as entries:
            found = [
                (e.name, e.is_dir()) for e in entries if e.name[0] != "." and e.name not in LITTER
            ]
    except OSError as e:
        raise DataError(f"{folder} cannot be read ({e.strerror}): check its permissions") from e
    refuse_odd_names(folder, (name for name, _ in found))
    return sorted(n for n, inner in found if inner), sorted(n for n, inner in found if not inner)


def refuse_odd_names(folder: Path, names: Iterable[str]) -> None:
    """Raise where a name could not be written down, as in a report; some zip files bring such.

    Raises:
        DataError: a name is not UTF-8.
    """
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as e:
            raise DataError(
                f"{folder} has a file or folder whose name is not UTF-8 ({os.fsencode(name)!r}): "
                "rename it, or all by convmv"
            ) from e


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


def _in_two_classes(names: Sequence[str], digests: Digests) -> list[str]:
    """Names of the pictures whose content also stands in another class, copies adjacent."""
    order = np.argsort(digests, kind="stable")
    ordered = digests[order]
    again = np.flatnonzero(ordered[1:] == ordered[:-1])
    by_digest: dict[bytes, list[str]] = defaultdict(list)
    for i in np.unique([order[again], order[again + 1]]):
        by_digest[digests[i]].append(names[i])
    copies = [group for group in by_digest.values() if len({*map(label_of, group)}) > 1]
    return [name for group in copies for name in group]

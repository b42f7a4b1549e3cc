"""Scenes: photos with face boxes and five landmarks, for the detector.

::

    DATA/
      boxes.csv      one row a face; a photo without a row has no face
      people.csv     optional: file,person, so that nobody stands on both sides of a split
      scenes.zip     the photos, or the same files unpacked in DATA

Columns of ``boxes.csv``: ``file``; ``x,y,w,h`` (left, top, width, height); then x and y of
``right_eye``, ``left_eye``, ``nose``, ``mouth_right`` and ``mouth_left``, the person's own right
and left; all in pixels of the photo. Where another detector made the labels, ``score`` may tell how
sure it was, 0…1. Other columns are not read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.data.index import open_zip, read_member, read_rows
from edgecnn.errors import DataError
from edgecnn.images import Floats, Image, decode_image

BOXES, PEOPLE, PHOTOS = "boxes.csv", "people.csv", "scenes.zip"
SUFFIXES = (".webp", ".jpg", ".jpeg", ".png", ".bmp")
LANDMARKS = ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left")
COLUMNS = ("x", "y", "w", "h", *(f"{name}_{axis}" for name in LANDMARKS for axis in "xy"))
SURE = 0.8
"""Score below which a label is not learnt, and neither is its contrary. Of YuNet's labels on
CelebA's photos one in 20 lies below; of these, looked at one by one, about half show hands, clothes
or the dark."""
SHARES = {"test": 0.2, "validation": 0.1}
"""Of all photos; the rest is for training. The test fifth is for the last measurement alone."""


@dataclass(frozen=True)
class Scenes:
    """Labelled photos.

    Attributes:
        path: the folder they come from.
        names: files, sorted.
        faces: by name: ``(N, 14)`` float32, left, top, right, bottom, then the five landmarks'
            x and y in the order of :class:`edgecnn.faces.types.Detection`.
        people: by name, the person whose photo it is, where known.
        scores: by name, ``(N,)`` float32 0…1: how sure each label is; 1 where nothing is said.
    """

    path: Path
    names: tuple[str, ...]
    faces: dict[str, Floats]
    people: dict[str, str]
    scores: dict[str, Floats]

    def to_learn(self, name: str) -> Floats:
        """The ``(N, 14)`` faces of a photo; the landmarks of one whose label is not :data:`SURE`
        are not numbers, see :func:`edgecnn.data.mosaic.settle`."""
        faces = self.faces[name].copy()
        faces[self.scores[name] < SURE, 4:] = np.nan
        return faces

    def without(self, table: Path) -> Scenes:
        """The scenes without labels that show no face, as somebody has seen who looked at them.

        Args:
            table: CSV with the columns ``file,x,y,w,h``, as they stand in ``boxes.csv``.

        Raises:
            DataError: the table cannot be read, or names a label that is not there.
        """
        gone: dict[str, npt.NDArray[np.bool_]] = {}
        for line, row in enumerate(read_rows(table, ("file", *COLUMNS[:4])), start=2):
            faces = self.faces.get(row["file"], np.zeros((0, 14), np.float32))
            try:
                x, y, w, h = (float(row[c]) for c in COLUMNS[:4])
            except (TypeError, ValueError):
                x = y = w = h = math.nan
            same = np.isclose(faces[:, :4], (x, y, x + w, y + h), rtol=0, atol=0.05).all(axis=1)
            if not same.any():
                raise DataError(
                    f"{table} line {line}: {BOXES} of {self.path} has no such box of "
                    f"{row['file']}: copy file, x, y, w and h from there"
                )
            gone[row["file"]] = gone.get(row["file"], np.zeros(len(faces), np.bool_)) | same
        left = {name: ~some for name, some in gone.items()}
        return replace(
            self,
            faces=self.faces | {name: self.faces[name][stay] for name, stay in left.items()},
            scores=self.scores | {name: self.scores[name][stay] for name, stay in left.items()},
        )

    def read(self, names: Sequence[str]) -> list[Image]:
        """The photos ``names``, each ``(H, W, 3)`` uint8 BGR.

        Raises:
            DataError: one is missing, damaged or not a picture.
        """
        archive = self.path / PHOTOS
        if not archive.is_file():
            return [decode_image(read_member(self.path, n), str(self.path / n)) for n in names]
        with open_zip(archive) as photos:
            return [decode_image(read_member(photos, n), f"{archive}: {n}") for n in names]


def read_scenes(path: str | Path) -> Scenes:
    """The scenes in a folder.

    Raises:
        DataError: there are no labels or no photos, a row is broken, or it names a photo that is
            not there.
    """
    path = Path(path)
    names = _photos(path)
    rows: dict[str, list[list[float]]] = {name: [] for name in names}
    scores: dict[str, list[float]] = {name: [] for name in names}
    for line, row in enumerate(read_rows(path / BOXES, ("file", *COLUMNS)), start=2):
        if row["file"] not in rows:
            raise DataError(
                f"{path / BOXES} line {line} names {row['file']}, which is not among the "
                f"{len(names)} photos: remove the row or add the photo"
            )
        try:
            numbers = [float(row[c]) for c in COLUMNS]
            score = float(row.get("score") or 1)
        except (TypeError, ValueError):
            numbers, score = [], 0.0
        if not numbers or not np.isfinite([*numbers, score]).all() or min(numbers[2:4]) <= 0:
            raise DataError(
                f"{path / BOXES} line {line}: expected finite numbers and a width and height "
                f"above 0. Received: {[row[c] for c in COLUMNS[:4]]}: correct or remove the row"
            )
        rows[row["file"]].append(numbers)
        scores[row["file"]].append(score)
    if not any(rows.values()):
        raise DataError(f"{path / BOXES} has no rows: a detector needs labelled faces")
    people = {}
    if (path / PEOPLE).is_file():
        people = {r["file"]: r["person"] for r in read_rows(path / PEOPLE, ("file", "person"))}
    faces = {name: _faces(rows[name]) for name in names}
    return Scenes(
        path, names, faces, people, {n: np.array(s, np.float32) for n, s in scores.items()}
    )


def split_scenes(scenes: Scenes, seed: int) -> dict[str, list[str]]:
    """Names by part, ``train``, ``validation`` and ``test``; a person is in one part only.

    Raises:
        DataError: there are too few photos, or too few people, for three parts.
    """
    groups: dict[str, list[str]] = {}
    for name in scenes.names:
        # Where the person is not known each photo stands for itself.
        groups.setdefault(scenes.people.get(name) or f"file {name}", []).append(name)
    keys = sorted(groups)
    order = [groups[keys[k]] for k in np.random.default_rng(seed).permutation(len(keys))]
    parts: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for part, share in SHARES.items():
        while order and len(parts[part]) < share * len(scenes.names):
            parts[part] += order.pop()
    parts["train"] = [name for group in order for name in group]
    if not all(parts.values()):
        raise DataError(
            f"expected enough photos and people for three parts. {scenes.path} has "
            f"{len(scenes.names)} photos of {len(groups)} people: add more"
        )
    return {part: sorted(names) for part, names in parts.items()}


def _photos(path: Path) -> tuple[str, ...]:
    archive = path / PHOTOS
    names: list[str] = []
    if archive.is_file():
        with open_zip(archive) as photos:
            names = photos.namelist()
    elif path.is_dir():
        names = [f.relative_to(path).as_posix() for f in path.rglob("*") if f.is_file()]
    found = tuple(sorted(n for n in names if n.lower().endswith(SUFFIXES)))
    if not found:
        raise DataError(
            f"expected {PHOTOS} or photos ({', '.join(SUFFIXES)}) beside {BOXES}. {path} has none"
        )
    return found


def _faces(rows: list[list[float]]) -> Floats:
    table = np.array(rows, np.float32).reshape(-1, len(COLUMNS))
    table[:, 2:4] += table[:, :2]
    return table

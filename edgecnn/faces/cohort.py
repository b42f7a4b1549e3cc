"""The impostor cohort: faces of people who are not enrolled anywhere, to measure strangers by.

It travels in the bundle as ``cohort.npz``: embeddings of people who trained nothing, made by the
bundle's own int8 embedder from faces as a camera's frame gives them (not mirrored and summed as at
enrolment). Each is stored as int8, scaled so that its largest number is 127; the scale itself is
not needed, since embeddings have length 1.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edgecnn.bundle import COHORT, Bundle
from edgecnn.errors import BundleError, DataError
from edgecnn.faces.embed import fingerprint, unit
from edgecnn.faces.threshold import Threshold, threshold_for
from edgecnn.images import Floats
from edgecnn.storage import whole_file

Ints = npt.NDArray[np.int64]

LARGEST_BYTES = 512 * 1024
"""Of ``cohort.npz``: 4,000 embeddings of 128 numbers."""


class Scorer(Protocol):
    """Enrolled people: :class:`edgecnn.faces.match.Index`."""

    def scores(self, embedding: npt.NDArray[np.floating], /) -> Floats:
        """``(N, D)`` to ``(N, P)``."""


@dataclass(frozen=True, eq=False)
class Cohort:
    """Impostors.

    Attributes:
        embeddings: ``(N, D)`` float32, rows of length 1.
        persons: ``(N,)`` int64 from 0; the same number is the same person.
        groups: ``(N,)`` text, the set of faces each is from: strangers who are like the enrolled
            people come nearer to them, and a set holds people who are like each other.
        sha256: of the embedder that made them.
    """

    embeddings: Floats
    persons: Ints
    groups: npt.NDArray[np.str_]
    sha256: str

    def __len__(self) -> int:
        return len(self.embeddings)

    @property
    def people(self) -> int:
        """How many different people there are."""
        return len(np.unique(self.persons))

    @classmethod
    def load(cls, bundle: Bundle) -> Cohort | None:
        """The cohort of a bundle, or None where it has none.

        Raises:
            BundleError: it cannot be read, or belongs to another embedder.
        """
        if COHORT not in bundle.manifest.files:
            return None
        cohort = cls.read(bundle.path / COHORT)
        mine = fingerprint(bundle)
        if cohort.sha256 != mine:
            raise BundleError(
                f"expected a {COHORT} of the embedder {mine[:12]}. {bundle.path} has one of "
                f"{cohort.sha256[:12]}: convert the run again"
            )
        return cohort

    @classmethod
    def read(cls, path: str | Path) -> Cohort:
        """The inverse of :meth:`save`; the embeddings come back within the rounding of int8.

        Raises:
            BundleError: the file is missing, damaged or of another kind.
        """
        try:
            with open(path, "rb") as f, np.load(f, allow_pickle=False) as arrays:
                stored, persons, groups = (arrays[k] for k in ("embeddings", "persons", "groups"))
                sha256 = str(arrays["embedder_sha256"])
            if stored.dtype != np.int8 or stored.ndim != 2:
                raise ValueError(f"embeddings are {stored.dtype} {stored.shape}")
            if not len(stored) == len(persons) == len(groups):
                raise ValueError(f"{len(stored)} faces, {len(persons)} persons")
        except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as e:
            raise BundleError(f"{path} cannot be read ({e}): copy the bundle again") from e
        return cls(unit(stored), persons.astype(np.int64), groups, sha256)

    def save(self, path: str | Path) -> None:
        """Write ``cohort.npz``, whole or not at all.

        Raises:
            BundleError: it would be larger than :data:`LARGEST_BYTES`; nothing is written.
            StorageError: it could not be written.
        """
        largest = np.abs(self.embeddings).max(axis=1, keepdims=True)
        stored = np.rint(self.embeddings * (127 / np.maximum(largest, 1e-12))).astype(np.int8)
        with whole_file(path) as draft:
            with open(draft, "wb") as f:
                np.savez_compressed(
                    f,
                    embeddings=stored,
                    persons=self.persons.astype(np.int32),
                    groups=self.groups,
                    embedder_sha256=self.sha256,
                )
            if (size := draft.stat().st_size) > LARGEST_BYTES:
                raise BundleError(
                    f"expected a cohort of at most {LARGEST_BYTES:,} bytes. {len(self):,} faces "
                    f"make {size:,}: take fewer"
                )

    def scores(self, people: npt.NDArray[np.floating] | Scorer) -> Floats:
        """Cosine of each impostor to each enrolled person.

        Args:
            people: ``(P, D)`` rows of length 1; or an :class:`edgecnn.faces.match.Index`, which
                knows more about its people than a matrix can say (look-alikes, an adaptation).

        Returns:
            ``(N, P)`` float32, -1…1; P may be 0.
        """
        if isinstance(people, np.ndarray):
            matrix = np.asarray(people, np.float32).reshape(-1, self.embeddings.shape[1])
            return np.asarray(self.embeddings @ matrix.T, np.float32)
        return people.scores(self.embeddings)

    def threshold_for(self, rate: float, people: npt.NDArray[np.floating] | Scorer) -> Threshold:
        """The threshold at which ``rate`` of the strangers would be given a name, looked at once.

        A stranger is given a name where the best cosine over all enrolled people reaches it, so
        more people mean a higher threshold.

        Args:
            rate: above 0 and below 1, such as ``1 / 1000``.
            people: as in :meth:`scores`; at least one.

        Raises:
            DataError: nobody is enrolled, or the rate cannot be known with so few impostors.
        """
        scores = self.scores(people)
        if not scores.shape[1]:
            raise DataError("expected somebody enrolled to choose a threshold for. Nobody is")
        return threshold_for(rate, scores.max(axis=1), self.persons, self.groups)

"""The people a board knows, in one SQLite file.

:mod:`edgecnn.faces.schema` has its tables, :mod:`edgecnn.faces.gallery_file` how it is opened and
changed. Embeddings stand in it as the embedder made them; an adaptation is applied where they are
compared (:class:`edgecnn.faces.match.Index`), and goes when the people it was fitted to change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from edgecnn.errors import GalleryError
from edgecnn.faces import rows
from edgecnn.faces.adapt import Adaptation
from edgecnn.faces.gallery_file import GalleryFile
from edgecnn.faces.match import Index
from edgecnn.faces.names import clean_name, folded
from edgecnn.faces.redundant import is_same_photo
from edgecnn.faces.types import Person, Sample
from edgecnn.images import Floats


class Gallery:
    """The people in a file. One thread may use it at a time; processes may share the file.

    Names are told apart by case, and two that differ by nothing else are refused: *Ann* and *ann*
    would be a slip of the pen, and a face with two names is given neither.

    Attributes:
        path: the file.
    """

    def __init__(self, path: str | Path, embedder_sha256: str | None = None, create: bool = False):
        """Open a gallery.

        Args:
            embedder_sha256: of the embedder in use; None takes the file's, whichever that is.
            create: make the file where it does not exist; this needs ``embedder_sha256``.

        Raises:
            GalleryError: there is no file, it is not a gallery or damaged, or it belongs to
                another embedder.
            StorageError: it could not be created.
        """
        self.path = Path(path)
        self._file = GalleryFile(self.path, embedder_sha256, create)
        self._read_at: tuple[int, int, int, int] | None = None

    @property
    def embedder_sha256(self) -> str:
        """The embedder that made the embeddings."""
        return self._file.embedder_sha256

    @property
    def dimension(self) -> int:
        """Length of the embeddings; 0 while there are none."""
        with self._file.faults():
            return rows.dimension(self._file)

    def close(self) -> None:
        """Close the file; nothing is pending."""
        self._file.close()

    def __enter__(self) -> Gallery:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def people(self) -> list[Person]:
        """Everybody, by name."""
        with self._file.faults():
            found = self._file.rows(
                "SELECT name, count(*), avg(quality), min(created) FROM people "
                "JOIN embeddings ON person = people.id GROUP BY people.id ORDER BY name"
            )
        taught = self.negatives()
        return [
            Person(name, count, quality, since, tuple(n.source for n in taught if n.name == name))
            for name, count, quality, since in found
        ]

    def samples(self) -> list[Sample]:
        """All embeddings, by person and in the order in which they came."""
        with self._file.faults():
            return rows.read(self._file, "embeddings")

    def negatives(self) -> list[Sample]:
        """Faces that are not the person whose name they carry, though they may look so."""
        with self._file.faults():
            return rows.read(self._file, "negatives") if self._file.schema >= 2 else []

    def adaptation(self) -> Adaptation | None:
        """The map that was fitted to these people, where there is one."""
        with self._file.faults():
            return rows.read_adaptation(self._file) if self._file.schema >= 2 else None

    def embeddings(self) -> tuple[list[str], Floats]:
        """The person of each embedding, and the embeddings ``(N, D)`` float32, rows of length 1."""
        self._read_at = self._file.state()
        return self._matrix(self.samples())

    def index(self) -> Index:
        """What faces are compared with: people, negatives and adaptation."""
        names, matrix = self.embeddings()
        return Index(names, matrix, self._matrix(self.negatives()), self.adaptation())

    def _matrix(self, samples: Sequence[Sample]) -> tuple[list[str], Floats]:
        found = [s.embedding for s in samples]
        matrix = np.stack(found) if found else np.zeros((0, self.dimension), np.float32)
        return [s.name for s in samples], matrix

    def changed(self) -> bool:
        """Whether anybody, in this process or another, changed the gallery since it was read.

        True before the first :meth:`embeddings` or :meth:`index`. A file that was put in the place
        of the old one is opened anew.
        """
        state = self._file.state()
        if self._read_at is not None and state[:2] != self._read_at[:2]:
            self._file.close()
            self._file.open()
        return state != self._read_at

    def add(
        self,
        name: str,
        embedding: npt.NDArray[np.floating],
        quality: float = 1.0,
        source: str = "",
    ) -> None:
        """Add an embedding ``(D,)`` of length 1; whoever has none before is enrolled by it.

        Raises:
            GalleryError: the name cannot be used, or the embedding is not one of this gallery.
        """
        self.add_all([Sample(name, np.asarray(embedding, np.float32), quality, source)])

    def add_all(self, samples: Iterable[Sample], drop: Iterable[Sample] = ()) -> int:
        """Add embeddings, all or none; one that its person has already, to the bit, is skipped.

        Args:
            drop: embeddings of :meth:`samples` that give way.

        Returns:
            How many were new.

        Raises:
            GalleryError: as for :meth:`add`.
        """
        with self._file.change():
            added = self._add_all(samples)
            if sum(rows.remove(self._file, sample) for sample in drop):
                rows.write_adaptation(self._file, None)
        return added

    def take_in(
        self,
        samples: Iterable[Sample],
        negatives: Iterable[Sample],
        adaptation: Adaptation | None,
    ) -> int:
        """Add what another gallery has, all or nothing.

        The adaptation is taken over where nobody is enrolled here: it was fitted to those people.

        Returns:
            How many embeddings were new.

        Raises:
            GalleryError: as for :meth:`add`, or a negative is of nobody who is enrolled.
        """
        with self._file.change():
            empty = not self._file.one("SELECT count(*) FROM people")
            added = self._add_all(samples)
            for negative in negatives:
                person = rows.known(self._file, negative.name)
                rows.insert(self._file, "negatives", person, negative)
            if empty:
                rows.write_adaptation(self._file, adaptation)
        return added

    def _add_all(self, samples: Iterable[Sample]) -> int:
        added = 0
        for sample in samples:
            person = rows.enrolled(self._file, clean_name(sample.name))
            added += rows.insert(self._file, "embeddings", person, sample)
        if added:  # an adaptation was proved for other people
            rows.write_adaptation(self._file, None)
        return added

    def check(self, name: str) -> None:
        """Whether somebody is called so.

        Raises:
            GalleryError: nobody is.
        """
        with self._file.faults():
            rows.known(self._file, name)

    def teach(self, negative: Sample) -> bool:
        """Record a face that is not ``negative.name``'s; whether it is new.

        Raises:
            GalleryError: nobody is called so, or it is one of that person's own photos.
        """
        name, source = negative.name, negative.source
        with self._file.change():
            person = rows.known(self._file, name)
            for own, embedding in rows.of(self._file, person):
                if is_same_photo(embedding, negative.embedding):
                    raise GalleryError(
                        f"expected a photo of somebody else. {source} is one that {name} is "
                        f"enrolled with ({own}): if that is wrong, forget {name} and enroll "
                        "again without it"
                    )
            return rows.insert(self._file, "negatives", person, negative)

    def unteach(self, name: str, source: str) -> int:
        """Remove the negatives of a person that came from ``source``; how many there were.

        Raises:
            GalleryError: nobody is called so, or there is no such negative.
        """
        with self._file.change():
            count = self._file.do(
                "DELETE FROM negatives WHERE person = ? AND source = ?",
                rows.known(self._file, name), source,
            ).rowcount  # fmt: skip
            if not count:
                raise GalleryError(
                    f"no face from {source!r} was taught as not {name}: edgecnn people list "
                    "shows which were"
                )
        self._file.pack()
        return count

    def adapt(self, adaptation: Adaptation | None) -> None:
        """Keep a map that was fitted to the people in here, in the place of the one before.

        Raises:
            GalleryError: it is for embeddings of another length.
        """
        with self._file.change():
            rows.write_adaptation(self._file, adaptation)
        self._file.pack()

    def rename(self, old: str, new: str) -> None:
        """Give a person another name.

        Raises:
            GalleryError: nobody is called ``old``, somebody is called ``new``, or it cannot be
                used.
        """
        new = clean_name(new)
        with self._file.change():
            person = rows.known(self._file, old)
            for (name,) in self._file.rows(
                "SELECT name FROM people WHERE folded = ? AND id != ?", folded(new), person
            ):
                raise GalleryError(
                    f"{name} is enrolled already, so {old} cannot become {new}: "
                    "forget one of them first, or choose another name"
                )
            self._file.do(
                "UPDATE people SET name = ?, folded = ? WHERE id = ?", new, folded(new), person
            )
        self._file.pack()

    def forget(self, *names: str) -> int:
        """Remove people, all or none of ``names``, and every trace of them from the file.

        With them go the faces taught as not theirs, their photos where these were taught as not
        somebody else's, and the adaptation, which was fitted to them.

        Returns:
            How many embeddings went.

        Raises:
            GalleryError: somebody is not enrolled; nobody was removed.
        """
        count = 0
        with self._file.change():
            for person in [rows.known(self._file, name) for name in names]:
                mine = rows.of(self._file, person)
                count += len(mine)
                for number, blob in self._file.rows("SELECT id, vector FROM negatives"):
                    if any(is_same_photo(own, rows.vector(blob)) for _, own in mine):
                        self._file.do("DELETE FROM negatives WHERE id = ?", number)
                self._file.do("DELETE FROM people WHERE id = ?", person)
            rows.write_adaptation(self._file, None)
        self._file.pack()
        return count

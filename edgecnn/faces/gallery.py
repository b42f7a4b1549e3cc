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
from edgecnn.faces.names import clean_name
from edgecnn.faces.redundant import is_same_photo
from edgecnn.faces.schema import ENCRYPTED
from edgecnn.faces.types import Person, Sample
from edgecnn.faces.vault import Key
from edgecnn.images import Floats


class Gallery:
    """The people in a file. One thread may use it at a time; processes may share the file.

    Names are told apart by case, and two that differ by nothing else are refused: *Ann* and *ann*
    would be a slip of the pen, and a face with two names is given neither.

    Attributes:
        path: the file.
    """

    def __init__(
        self,
        path: str | Path,
        embedder_sha256: str | None = None,
        create: bool = False,
        key: Key | None = None,
    ):
        """Open a gallery.

        Args:
            embedder_sha256: of the embedder in use; None takes the file's, whichever that is.
            create: make the file where it does not exist; this needs ``embedder_sha256``.
            key: of an encrypted gallery; a new one is encrypted with it. Whether it is the right
                one is told by whatever reads or changes people first, by a GalleryError.

        Raises:
            GalleryError: there is no file, it is not a gallery or damaged, or it belongs to
                another embedder.
            StorageError: it could not be created.
            MissingExtra: a key was given, and the package that encrypts is not installed.
        """
        self.path = Path(path)
        self._file = GalleryFile(self.path, embedder_sha256, create, key)
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

    @property
    def encrypted(self) -> bool:
        """Whether it takes a key to read it."""
        with self._file.faults():
            return self._file.schema == ENCRYPTED

    def cells(self) -> list[bytes]:
        """Everything that stands in the file, cell by cell, as it is stored."""
        with self._file.reading():
            return rows.cells(self._file)

    def people(self) -> list[Person]:
        """Everybody, by name."""
        with self._file.reading():
            enrolled, taught = self.samples(), self.negatives()
        mine: dict[str, list[Sample]] = {}
        for sample in enrolled:
            mine.setdefault(sample.name, []).append(sample)
        return [
            Person(
                name,
                len(own),
                sum(s.quality for s in own) / len(own),
                min(s.created for s in own),
                tuple(n.source for n in taught if n.name == name),
            )
            for name, own in mine.items()
        ]

    def samples(self) -> list[Sample]:
        """All embeddings, by person and in the order in which they came."""
        with self._file.reading():
            return rows.read(self._file, "embeddings")

    def negatives(self) -> list[Sample]:
        """Faces that are not the person whose name they carry, though they may look so."""
        with self._file.reading():
            return rows.read(self._file, "negatives") if self._file.schema >= 2 else []

    def adaptation(self) -> Adaptation | None:
        """The map that was fitted to these people, where there is one."""
        with self._file.reading():
            return rows.read_adaptation(self._file) if self._file.schema >= 2 else None

    def embeddings(self) -> tuple[list[str], Floats]:
        """The person of each embedding, and the embeddings ``(N, D)`` float32, rows of length 1."""
        self._read_at = self._file.state()
        return self._matrix(self.samples())

    def index(self) -> Index:
        """What faces are compared with: people, negatives and adaptation."""
        self._read_at = self._file.state()
        with self._file.reading():
            negatives = self._matrix(self.negatives())
            return Index(*self._matrix(self.samples()), negatives, self.adaptation())

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
        with self._file.reading():
            rows.known(self._file, name)

    def check_spelling(self, name: str) -> None:
        """Whether somebody can be enrolled by this name, or is.

        Raises:
            GalleryError: somebody has the same name but for its case.
        """
        with self._file.reading():
            rows.spelt(self._file, name)

    def teach(self, negative: Sample) -> bool:
        """Record a face that is not ``negative.name``'s; whether it is new.

        Raises:
            GalleryError: nobody is called so, or it is one of that person's own photos.
        """
        name, source = negative.name, negative.source
        with self._file.change():
            person = rows.known(self._file, name)
            for own in rows.of(self._file, "embeddings", person):
                if is_same_photo(rows.vector(own.vector), negative.embedding):
                    raise GalleryError(
                        f"expected a photo of somebody else. {source} is one that {name} is "
                        f"enrolled with ({own.source}): if that is wrong, forget {name} and enroll "
                        "again without it"
                    )
            return rows.insert(self._file, "negatives", person, negative)

    def unteach(self, name: str, source: str) -> int:
        """Remove the negatives of a person that came from ``source``; how many there were.

        Raises:
            GalleryError: nobody is called so, or there is no such negative.
        """
        with self._file.removal():
            taught = rows.of(self._file, "negatives", rows.known(self._file, name))
            count = rows.drop(self._file, "negatives", [n.id for n in taught if n.source == source])
            if not count:
                raise GalleryError(
                    f"no face from {source!r} was taught as not {name}: edgecnn people list "
                    "shows which were"
                )
        return count

    def adapt(self, adaptation: Adaptation | None) -> None:
        """Keep a map that was fitted to the people in here, in the place of the one before.

        Raises:
            GalleryError: it is for embeddings of another length.
        """
        with self._file.removal():
            rows.write_adaptation(self._file, adaptation)

    def rename(self, old: str, new: str) -> None:
        """Give a person another name.

        Raises:
            GalleryError: nobody is called ``old``, somebody is called ``new``, or it cannot be
                used.
        """
        new = clean_name(new)
        with self._file.removal():
            person = rows.known(self._file, old)
            taken = rows.called(self._file, new)
            if taken and taken[0] != person:
                raise GalleryError(
                    f"{taken[1]} is enrolled already, so {old} cannot become {new}: "
                    "forget one of them first, or choose another name"
                )
            rows.set_name(self._file, person, new)

    def relock(self, key: Key | None) -> None:
        """Encrypt with this key from now on, or keep plain where it is None; all or nothing.

        Nothing of what stood in the file under the key before, or plain, is left in it. Copies,
        exports and backups made before are as they were.

        Raises:
            GalleryError: the gallery's own key is missing or wrong, or the new one too short.
            StorageError: it could not be written.
            MissingExtra: the package that encrypts is not installed.
        """
        with self._file.removal():
            rows.relock(self._file, key)

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
        with self._file.removal():
            for person in [rows.known(self._file, name) for name in names]:
                mine = rows.of(self._file, "embeddings", person)
                count += len(mine)
                theirs = [
                    negative.id
                    for negative in rows.of(self._file, "negatives")
                    if any(_same_photo(own, negative) for own in mine)
                ]
                rows.drop(self._file, "negatives", theirs)
                rows.drop(self._file, "people", [person])
            rows.write_adaptation(self._file, None)
        return count


def _same_photo(one: rows.Row, other: rows.Row) -> bool:
    return is_same_photo(rows.vector(one.vector), rows.vector(other.vector))

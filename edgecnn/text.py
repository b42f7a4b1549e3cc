"""Text in, the bytes of a network's input out: words, and the table of their vectors.

A text is to a network what a picture is: ``(length, 1, dim)`` bytes, a row a word, in the range of
:func:`edgecnn.images.to_network`. So the table is looked up outside the network, which is then
nothing but convolutions, and converts, verifies and runs like any other.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import DataError
from edgecnn.images import OWN_MEAN, OWN_STD, ZERO_BYTE, Preprocess
from edgecnn.storage import whole_file

VOCABULARY = "vocabulary.npz"
"""File of the words and their vectors, in a run and in a bundle."""

NO_WORD = 0
"""Number of what follows the last word, and of every word that is not in the vocabulary: its
vector is zero."""

Bytes = npt.NDArray[np.uint8]
Ids = npt.NDArray[np.int32]

# After clean_str of Kim 2014 (github.com/yoonkim/CNN_sentence, process_data.py), for all alphabets.
_WORD = re.compile(
    r"n't|'(?:s|ve|re|d|ll)\b"  # don't → do n't, it's → it 's
    r"|[^\W_]+?(?=n't)|[^\W_]+"  # letters and digits
    r"|[(),!?]"
)


def words_of(text: str) -> list[str]:
    """The words of a text, in lower case, as Kim 2014 cuts it.

    A word is a run of letters and digits; ``n't``, ``'s``, ``'ve``, ``'re``, ``'d`` and ``'ll`` are
    words of their own, and so is each of ``( ) , ! ?``. Everything else parts words.

    >>> words_of("It's GOOD, isn't it?")
    ['it', "'s", 'good', ',', 'is', "n't", 'it', '?']
    """
    return _WORD.findall(text.lower().replace("’", "'"))


def ids_of(texts: Iterable[str], numbers: Mapping[str, int], length: int) -> Ids:
    """Numbers of the first words of each text: ``(N, length)``, :data:`NO_WORD` behind the last
    word and for a word that has none."""
    rows = [[numbers.get(word, NO_WORD) for word in words_of(text)[:length]] for text in texts]
    ids = np.full((len(rows), length), NO_WORD, np.int32)
    for row, known in zip(ids, rows, strict=True):
        row[: len(known)] = known
    return ids


@dataclass(frozen=True)
class TextInput:
    """What a network of texts takes: the first ``length`` words, ``dim`` bytes each.

    Attributes:
        mean, std: the network sees a byte ``b`` as ``(b - mean) / std``.
    """

    length: int
    dim: int
    mean: tuple[float, ...] = OWN_MEAN
    std: tuple[float, ...] = OWN_STD

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns and channels of the input."""
        return self.length, 1, self.dim

    def to_dict(self) -> dict[str, Any]:
        """As it stands in a manifest or a run folder."""
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std)}


def input_from(facts: Mapping[str, Any]) -> Preprocess | TextInput:
    """The input of a model of texts or of pictures, from its ``to_dict``.

    Raises:
        DataError: a fact is missing, unknown, or of another normalisation.
    """
    if "length" not in facts:
        return Preprocess.from_dict(dict(facts))
    try:
        found = TextInput(int(facts["length"]), int(facts["dim"]))
        if found.to_dict() != dict(facts) or min(found.shape) < 1:
            raise ValueError
        return found
    except (KeyError, TypeError, ValueError) as e:
        raise DataError(
            f"expected length, dim, mean and std {ZERO_BYTE} for an input of text. "
            f"Received: {facts}"
        ) from e


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Words and their vectors.

    Attributes:
        words: their numbers begin with 1.
        table: ``(len(words) + 1, dim)`` uint8; the row of :data:`NO_WORD` is all
            :data:`edgecnn.images.ZERO_BYTE`.
    """

    words: tuple[str, ...]
    table: Bytes

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Word to number."""
        return {word: i for i, word in enumerate(self.words, 1)}

    def __call__(self, texts: Iterable[str], length: int) -> Bytes:
        """Texts to ``(N, length, 1, dim)`` uint8."""
        return self.table[ids_of(texts, self.numbers, length)][:, :, None]

    def save(self, path: str | Path) -> None:
        """Write it, whole or not at all.

        Raises:
            StorageError: it cannot be written.
        """
        listed = np.frombuffer("\n".join(self.words).encode(), np.uint8)
        with whole_file(path) as draft, open(draft, "wb") as f:
            np.savez_compressed(f, words=listed, table=self.table)

    @classmethod
    def load(cls, path: str | Path) -> Vocabulary:
        """The inverse of :meth:`save`.

        Raises:
            DataError: there is none, or it is damaged.
        """
        try:
            with open(path, "rb") as f, np.load(f, allow_pickle=False) as arrays:
                table = np.asarray(arrays["table"])
                words = tuple(arrays["words"].tobytes().decode().split("\n"))
            if table.dtype != np.uint8 or table.ndim != 2 or len(table) != len(words) + 1:
                raise ValueError(f"{len(words)} words, vectors {table.shape} {table.dtype}")
            return cls(words, table)
        except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as e:
            raise DataError(f"{path} cannot be read as a vocabulary ({e}): copy it again") from e

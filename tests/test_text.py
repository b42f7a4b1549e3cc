"""From a text to words, and to the bytes of a network's input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.errors import DataError
from edgecnn.images import Preprocess
from edgecnn.text import TextInput, Vocabulary, ids_of, input_from, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("...  --  ", []),
        ("Good film", ["good", "film"]),
        ("It's GOOD, isn't it?", ["it", "'s", "good", ",", "is", "n't", "it", "?"]),
        ("don’t", ["do", "n't"]),
        ("we've they're I'd she'll", ["we", "'ve", "they", "'re", "i", "'d", "she", "'ll"]),
        ("(so-so!)", ["(", "so", "so", "!", ")"]),
        ("rock'n'roll", ["rock", "n", "roll"]),
        ("snake_case 21st", ["snake", "case", "21st"]),
        ("Çok güzel, größer ЛУЧШЕ", ["çok", "güzel", ",", "größer", "лучше"]),
        ("n't", ["n't"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_a_word_of_a_million_letters_takes_no_longer_than_a_million_words() -> None:
    assert len(words_of("a" * 1_000_000)) == 1  # quadratic time would take hours


def test_ids() -> None:
    ids = ids_of(["b a, b", "", "c a b a b"], {"a": 1, "b": 2}, 3)
    assert ids.dtype == np.int32
    assert ids.tolist() == [[2, 1, 0], [0, 0, 0], [0, 1, 2]]
    assert ids_of([], {}, 3).shape == (0, 3)


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary(("good", "größer"), np.array([[128, 128], [0, 255], [7, 8]], np.uint8))


def test_texts_become_rows_of_bytes(vocabulary: Vocabulary) -> None:
    found = vocabulary(["Good. Größer!", "bad"], 3)
    assert found.shape == (2, 3, 1, 2) and found.dtype == np.uint8
    nothing = [[128, 128]]
    assert found.tolist() == [[[[0, 255]], [[7, 8]], nothing], [nothing] * 3]


def test_a_vocabulary_comes_back(vocabulary: Vocabulary, tmp_path: Path) -> None:
    vocabulary.save(tmp_path / "v.npz")
    found = Vocabulary.load(tmp_path / "v.npz")
    assert found.words == vocabulary.words
    np.testing.assert_array_equal(found.table, vocabulary.table)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
        lambda path: np.savez(path, words=np.zeros(3, np.uint8)),
        lambda path: np.savez(path, words=np.full(1, 97, np.uint8), table=np.zeros((3, 2), "u1")),
        lambda path: np.savez(path, words=np.full(1, 97, np.uint8), table=np.zeros((2, 2))),
        lambda path: np.savez(path, words=np.full(1, 255, np.uint8), table=np.zeros((2, 2), "u1")),
    ],
)
def test_a_damaged_vocabulary_is_told(vocabulary: Vocabulary, tmp_path: Path, spoil: Any) -> None:
    path = tmp_path / "v.npz"
    vocabulary.save(path)
    spoil(path)
    with pytest.raises(DataError, match=r"v\.npz cannot be read as a vocabulary.*copy it again"):
        Vocabulary.load(path)


def test_inputs_come_back_by_kind() -> None:
    for one in (TextInput(40, 64), Preprocess((8, 6), "GRAY")):
        assert input_from(one.to_dict()) == one
    assert TextInput(40, 64).shape == (40, 1, 64)


@pytest.mark.parametrize(
    "change", [{"dim": None}, {"dim": 0}, {"mean": [0.0]}, {"length": "x"}, {"more": 1}]
)
def test_an_unknown_input_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="expected length, dim, mean and std 128"):
        input_from({**TextInput(4, 2).to_dict(), **change})

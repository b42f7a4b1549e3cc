"""A network of texts while it learns: with the table of its word vectors in front."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.text import read_vectors
from edgecnn.errors import DataError, needs
from edgecnn.images import ZERO_BYTE, Floats
from edgecnn.networks import build
from edgecnn.text import NO_WORD, Ids, Vocabulary, ids_of, words_of

with needs("train", "keras", "tensorflow"):
    import keras

Labels = npt.NDArray[np.int64]

SPREAD = 0.25
"""New vectors are uniform from minus this to this: Kim 2014, process_data.py."""

LONGEST, COVERED = 64, 99
"""Words of an input at most, and percent of the texts that it holds whole, unless told."""


EAGER = 20
"""Steps below which no graph is made."""


class Learner:
    """Words, table and network of a training.

    The network proper is ``(length, 1, dim)`` to logits. While it learns the table stands in front
    of it; in the end :meth:`vocabulary` takes the table out, as bytes.

    Attributes:
        model: word numbers ``(B, length)`` int32 to logits ``(B, classes)``, compiled.
        network: its part behind the table.
        words: number 1 first, the most frequent first.
        length, dim: words of an input, and numbers of a word.
        seed: the settings'.

    Args:
        settings: ``seed``, ``length``, ``dim``, ``least_count``, ``vectors``, ``widths``,
            ``filters``, ``dropout`` and ``learning_rate`` as :mod:`edgecnn.training.text` has them.

    Raises:
        DataError: no word is as frequent as asked, or the vectors cannot be read.
    """

    def __init__(
        self,
        texts: Sequence[str],
        targets: Labels,
        classes: int,
        settings: Mapping[str, Any],
    ):
        self.seed = settings["seed"]
        keras.utils.set_random_seed(self.seed)
        split = [words_of(text) for text in texts]
        counts = Counter(word for words in split for word in words)
        least = settings["least_count"]
        self.words = tuple(word for word, count in counts.most_common() if count >= least)
        if not self.words:
            raise DataError(
                f"expected words that occur {least} times or more. There are none in "
                f"{len(texts)} texts: add texts, or lower --least-count"
            )
        self._numbers = {word: i for i, word in enumerate(self.words, 1)}
        usual = np.percentile([len(words) for words in split], COVERED)
        self.length = settings["length"] or int(
            np.clip(np.ceil(usual), max(settings["widths"]), LONGEST)
        )
        rng = np.random.default_rng(self.seed)
        if settings["vectors"]:
            table = _given(settings["vectors"], self.words, rng)
        else:
            table = _new(self.ids(texts), targets, classes, len(self.words), settings["dim"], rng)
        self.dim = table.shape[1]
        self.network = build(
            "text", input_shape=(self.length, 1, self.dim), classes=classes,
            **{name: settings[name] for name in ("widths", "filters", "dropout")},
        )  # fmt: skip
        ids = keras.Input((self.length,), dtype="int32", name="ids")
        self._table = keras.layers.Embedding(len(table), self.dim, name="table")
        known = keras.ops.cast(keras.ops.not_equal(ids, NO_WORD), "float32")[..., None]
        rows = keras.layers.Reshape((self.length, 1, self.dim))(self._table(ids) * known)
        self.model = keras.Model(ids, self.network(rows))
        self._table.set_weights([table])
        self.model.compile(
            keras.optimizers.Adam(settings["learning_rate"]),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            # To make a graph takes as long as some steps without one.
            run_eagerly=settings["epochs"] * len(texts) < EAGER * settings["batch_size"],
        )

    def ids(self, texts: Sequence[str]) -> Ids:
        """Texts to ``(N, length)`` int32."""
        return ids_of(texts, self._numbers, self.length)

    def logits(self, ids: Ids) -> Floats:
        """``(N, length)`` to ``(N, classes)`` float32, as far as it has learnt."""
        parts = [ids[start : start + 256] for start in range(0, len(ids), 256)]
        return np.concatenate(
            [np.asarray(self.model(part, training=False), np.float32) for part in parts]
        )

    def begin(self, epoch: int) -> None:
        """Have an epoch leave out the same numbers whether or not it is the first since a start."""
        for layer in self.network.layers:
            if isinstance(layer, keras.layers.Dropout) and layer.rate:
                layer.seed_generator.state.assign([self.seed, epoch])

    def vocabulary(self) -> Vocabulary:
        """Words and table, in bytes; :attr:`network` is made to fit, once.

        The largest number becomes the largest byte, and the first weights take the factor up.
        """
        (table,) = self._table.get_weights()
        table[NO_WORD] = 0
        factor = max(float(np.abs(table).max()), 1e-6)
        for layer in self.network.layers:
            if isinstance(layer, keras.layers.Conv2D):
                kernel, *rest = layer.get_weights()
                layer.set_weights([kernel * factor, *rest])
        stored = np.rint(table / factor * ZERO_BYTE) + ZERO_BYTE
        return Vocabulary(self.words, np.clip(stored, 0, 255).astype(np.uint8))


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Shuffled batches of word numbers ``(B, length)`` and targets ``(B,)``.

    Attributes:
        epoch: set before each epoch, so that a resumed one sees what it would have seen.
    """

    def __init__(self, learner: Learner, texts: Sequence[str], targets: Labels, size: int):
        super().__init__()
        self._learner, self._ids, self._targets = learner, learner.ids(texts), targets
        self._size = size
        self.epoch = 0

    @property
    def epoch(self) -> int:
        return self._epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._epoch = epoch
        self._order = np.random.default_rng([self._learner.seed, epoch]).permutation(len(self._ids))
        self._learner.begin(epoch)

    def __len__(self) -> int:
        return -(-len(self._ids) // self._size)

    def __getitem__(self, index: int) -> tuple[Ids, Labels]:
        rows = self._order[index * self._size : (index + 1) * self._size]
        return self._ids[rows], self._targets[rows]


def log_count_ratios(ids: Ids, targets: Labels, classes: int, words: int) -> Floats:
    """How much more often each word stands in the texts of a class than in the others.

    Wang and Manning, "Baselines and Bigrams" (ACL 2012), equation 1, of binary counts with 1 added.

    Args:
        ids: ``(N, length)``. ``targets``: ``(N,)``. ``words``: how many there are.

    Returns:
        ``(words + 1, classes)``, natural logarithm.
    """
    counts = np.ones((classes, words + 1), np.float32)
    for row, target in zip(ids, targets, strict=True):
        counts[target, np.unique(row)] += 1
    shares = counts / counts.sum(axis=1, keepdims=True)
    others = counts.sum(axis=0) - counts
    return np.asarray(np.log(shares) - np.log(others / others.sum(axis=1, keepdims=True))).T


def _new(
    ids: Ids, targets: Labels, classes: int, words: int, dim: int, rng: np.random.Generator
) -> Floats:
    """A table that knows nothing but, in its first numbers, which class a word speaks for: with a
    class less than there are, since the last one's ratio follows from the others'."""
    table = rng.uniform(-SPREAD, SPREAD, (words + 1, dim)).astype(np.float32)
    ratios = log_count_ratios(ids, targets, classes, words)[:, 1:][:, : dim // 2]
    table[:, : ratios.shape[1]] = SPREAD * ratios
    return table


def _given(path: str, words: Sequence[str], rng: np.random.Generator) -> Floats:
    """A table of vectors from a file; of words that it lacks, random ones of the same variance."""
    vectors = read_vectors(path, set(words))
    known = np.stack(list(vectors.values()))
    spread = float(known.std()) * np.sqrt(3)  # of a uniform distribution
    table = rng.uniform(-spread, spread, (len(words) + 1, known.shape[1])).astype(np.float32)
    for number, word in enumerate(words, 1):
        table[number] = vectors.get(word, table[number])
    return table

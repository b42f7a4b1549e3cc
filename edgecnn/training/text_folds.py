"""Networks that learn a column of text fold by fold, so that none answers what it learnt from.

What a network says of a text that it learnt from is too good to be true, and a model that is fed
with it believes it. So the rows are dealt into folds, and each is asked of the network that learnt
from the others (Wolpert, "Stacked Generalization", 1992).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import DataError
from edgecnn.images import Floats, to_network
from edgecnn.networks import load
from edgecnn.text import Vocabulary, words_of
from edgecnn.training.measures import cross_entropy, softmax
from edgecnn.training.text import AT_ONCE
from edgecnn.training.text_learner import Batches, Learner

Labels = npt.NDArray[np.int64]
Tell = Callable[[int, int], None]
"""Called with networks trained and in all."""

STOPPED_BY = 0.1
"""Share of a fold's training texts by which it is known when to stop: Kim 2014, section 3."""

DIGEST_BYTES = 8
"""Of a text, by which it is known again: two of a million texts share theirs once in 10 million
tables."""


@dataclass(frozen=True, eq=False)
class Network:
    """A trained network and the words it knows."""

    network: Any
    vocabulary: Vocabulary

    def probabilities(self, texts: Sequence[str]) -> Floats:
        """``(N, classes)`` float32."""
        length, found = self.network.input.shape[1], []
        for start in range(0, len(texts), AT_ONCE):
            pixels = self.vocabulary(texts[start : start + AT_ONCE], length)
            found.append(softmax(np.asarray(self.network(to_network(pixels), training=False))))
        return np.concatenate(found)


@dataclass(frozen=True, eq=False)
class Folds:
    """The networks of a column, one a fold, and which fold each text of the training was in.

    Attributes:
        networks: number k learnt from all folds but k.
        known: digest of a text to its fold; equal texts are in the same.
    """

    networks: tuple[Network, ...]
    known: Mapping[bytes, int]

    def fold_of(self, text: str) -> int:
        """In which fold a text was; -1 for one that was not in the training."""
        return self.known.get(_digest(text), -1)

    def probabilities(self, texts: Sequence[str]) -> Floats:
        """``(N, classes)`` float32: of a text of the training by the network that did not see it,
        of any other the mean of all networks."""
        folds = np.array([self.fold_of(text) for text in texts])
        classes = self.networks[0].network.output.shape[1]
        found = np.zeros((len(texts), classes), np.float32)
        for number, network in enumerate(self.networks):
            rows = np.flatnonzero((folds == number) | (folds < 0))
            if len(rows):
                found[rows] += network.probabilities([texts[int(i)] for i in rows])
        found[folds < 0] /= len(self.networks)
        return found

    def save(self, folder: Path, name: str) -> None:
        """Write the networks and the digests into files of a folder that begin with ``name``."""
        for k, fold in enumerate(self.networks):
            fold.network.save(folder / f"{name}-{k}.keras")
            fold.vocabulary.save(folder / f"{name}-{k}.npz")
        joined = np.frombuffer(b"".join(self.known), np.uint8)
        np.savez(
            folder / f"{name}-known.npz",
            digests=joined.reshape(-1, DIGEST_BYTES),
            folds=np.array(list(self.known.values()), np.int64),
        )

    @classmethod
    def load(cls, folder: Path, name: str, folds: int) -> Folds:
        """The inverse of :meth:`save`.

        Raises:
            OSError, ValueError, KeyError, DataError: a file is missing or damaged.
        """
        networks = tuple(
            Network(load(folder / f"{name}-{k}.keras"), Vocabulary.load(folder / f"{name}-{k}.npz"))
            for k in range(folds)
        )
        with np.load(folder / f"{name}-known.npz", allow_pickle=False) as arrays:
            digests = [row.tobytes() for row in arrays["digests"]]
            return cls(networks, dict(zip(digests, arrays["folds"].tolist(), strict=True)))


def learn_folds(
    texts: Sequence[str], targets: Labels, classes: int, folds: int, settings: Mapping[str, Any],
    tell: Tell = lambda done, of: None,
) -> Folds:  # fmt: skip
    """Train a network for each fold.

    Args:
        targets: ``(N,)`` class numbers.
        settings: as :class:`edgecnn.training.text_learner.Learner` takes them, and ``epochs``,
            ``batch_size`` and ``patience``.

    Raises:
        DataError: there are fewer different texts than folds.
    """
    digests = [_digest(text) for text in texts]
    first = {digest: row for row, digest in reversed(list(enumerate(digests)))}
    dealt = _dealt(targets[list(first.values())], folds, settings["seed"])
    known = dict(zip(first, dealt.tolist(), strict=True))
    where = np.array([known[digest] for digest in digests])
    networks = []
    for fold in range(folds):
        rows = np.random.default_rng([settings["seed"], fold]).permutation(
            np.flatnonzero(where != fold)
        )
        if len(rows) < 2:
            raise DataError(
                f"expected 2 rows outside of each fold, to learn from. Received: {len(rows)}: add "
                "rows, or ask for fewer folds"
            )
        stopping = max(1, round(STOPPED_BY * len(rows)))
        networks.append(_learn(texts, targets, classes, rows[stopping:], rows[:stopping], settings))
        tell(fold + 1, folds)
    return Folds(tuple(networks), known)


def _dealt(targets: Labels, folds: int, seed: int) -> Labels:
    """Fold of each different text, ``(N,)``: every class spread over the folds as far as it goes,
    since a class of one text is no reason to refuse a table."""
    if len(targets) < folds:
        raise DataError(
            f"expected {folds} different texts in a column, one for each fold. Received: "
            f"{len(targets)}: leave the column out, or ask for fewer folds"
        )
    shuffled = np.random.default_rng(seed).permutation(len(targets))
    found = np.empty(len(targets), np.int64)
    found[shuffled[np.argsort(targets[shuffled], kind="stable")]] = np.arange(len(found)) % folds
    return found


def _learn(
    texts: Sequence[str], targets: Labels, classes: int, rows: Labels, stopping: Labels,
    settings: Mapping[str, Any],
) -> Network:  # fmt: skip
    learnt = [texts[int(i)] for i in rows]
    learner = Learner(learnt, targets[rows], classes, settings)
    batches = Batches(learner, learnt, targets[rows], settings["batch_size"])
    asked = learner.ids([texts[int(i)] for i in stopping])
    best, best_epoch, weights = np.inf, -1, learner.model.get_weights()
    for epoch in range(settings["epochs"]):
        if epoch - best_epoch > settings["patience"]:
            break
        batches.epoch = epoch
        learner.model.fit(batches, verbose=0, shuffle=False)
        loss = cross_entropy(learner.logits(asked), targets[stopping])
        if loss < best:
            best, best_epoch, weights = loss, epoch, learner.model.get_weights()
    learner.model.set_weights(weights)
    vocabulary = learner.vocabulary()
    return Network(learner.network, vocabulary)


def _digest(text: str) -> bytes:
    """Equal for texts that are equal to a network."""
    return sha256(" ".join(words_of(text)).encode()).digest()[:DIGEST_BYTES]

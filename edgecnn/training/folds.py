"""What networks say of pictures that they have not seen: each is asked of one that was trained on
the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.batches import Batches
from edgecnn.errors import DataError, needs
from edgecnn.images import Floats, Image, to_network
from edgecnn.networks import build
from edgecnn.training.measures import softmax

with needs("train", "keras", "tensorflow"):
    import keras

FOLDS, EPOCHS, BATCH = 4, 15, 32
LEARNING_RATE = 3e-3

Labels = npt.NDArray[np.int64]
Ask = Callable[[int, int], None]


def folds_of(targets: Labels, folds: int, seed: int) -> Labels:
    """Number of the fold of each row, ``(N,)``: every class spread over all folds.

    Raises:
        DataError: a class has fewer members than there are folds.
    """
    counts = np.bincount(targets)
    if counts.min() < folds:
        raise DataError(
            f"expected {folds} pictures of each class at least, one for each fold. One class has "
            f"{counts.min()}: add more, or ask for fewer folds"
        )
    rng = np.random.default_rng(seed)
    found = np.empty(len(targets), np.int64)
    for label in range(len(counts)):
        rows = rng.permutation(np.flatnonzero(targets == label))
        found[rows] = np.arange(len(rows)) % folds
    return found


def out_of_fold(
    pixels: Image, targets: Labels, classes: int, *, folds: int = FOLDS, epochs: int = EPOCHS,
    seed: int = 0, progress: Ask | None = None,
) -> Floats:  # fmt: skip
    """Probabilities ``(N, classes)`` by compact networks, none of which saw the row it is asked of.

    Args:
        pixels: ``(N, H, W, C)`` uint8. ``targets``: ``(N,)`` class numbers.
        progress: called with epochs done and in all.

    Raises:
        DataError: a class has fewer members than there are folds.
    """
    found = np.zeros((len(targets), classes), np.float32)
    for rows, probabilities in fold_by_fold(
        pixels, targets, classes, folds=folds, epochs=epochs, seed=seed, progress=progress
    ):
        found[rows] = probabilities
    return found


def fold_by_fold(
    pixels: Image, targets: Labels, classes: int, *, folds: int = FOLDS, epochs: int = EPOCHS,
    seed: int = 0, progress: Ask | None = None, network: str = "compact", **options: Any,
) -> Iterator[tuple[Labels, Floats]]:  # fmt: skip
    """The rows of each fold in turn, and what the network trained on all others says of them.

    Args:
        network: one of :data:`edgecnn.networks.CLASSIFIERS`; ``options`` are its own.

    Raises:
        DataError: a class has fewer members than there are folds, or the network has no such
            option.
    """
    where = folds_of(targets, folds, seed)
    settings: dict[str, Any] = {"seed": seed, "batch_size": BATCH, "balance": True,
                                "augment": True, "mirror": False}  # fmt: skip
    for fold in range(folds):
        learnt, asked = np.flatnonzero(where != fold), np.flatnonzero(where == fold)
        keras.utils.set_random_seed(seed + fold)
        model = build(network, input_shape=pixels.shape[1:], classes=classes, **options)
        batches = Batches(pixels, targets, classes, settings, learnt)
        schedule = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, epochs * len(batches))
        model.compile(
            keras.optimizers.AdamW(schedule, weight_decay=0.01),
            keras.losses.CategoricalCrossentropy(from_logits=True),
        )
        for epoch in range(epochs):
            batches.epoch = epoch
            model.fit(batches, verbose=0, shuffle=False)
            if progress:
                progress(fold * epochs + epoch + 1, folds * epochs)
        logits = model.predict(to_network(pixels[asked]), batch_size=256, verbose=0)
        yield asked, softmax(np.asarray(logits))


def doubtful(probabilities: Floats, targets: Labels) -> Labels:
    """Rows whose label is probably wrong, the most doubtful first.

    Confident learning (Northcutt et al. 2021, "Confident Learning: Estimating Uncertainty in
    Dataset Labels"). A picture counts for a class where it is at least as sure as the pictures
    labelled so are on the mean (section 3.1). The shares so counted, of all pictures of each class,
    say how many labels are wrong (3.2); these are the rows in which the likeliest other class
    exceeds the given one by most (3.3, by noise rate, over all classes at once).

    Args:
        probabilities: ``(N, C)`` of :func:`out_of_fold`. ``targets``: ``(N,)`` the labels given.
    """
    members = {int(c): targets == c for c in np.unique(targets)}
    usual = np.full(probabilities.shape[1], 2.0)  # of a class without pictures nothing is as sure
    for c, own in members.items():
        usual[c] = probabilities[own, c].mean()
    counted = np.where(probabilities >= usual, probabilities, -1)
    known, taken_for = counted.max(axis=1) >= 0, counted.argmax(axis=1)
    wrong = 0.0
    for c, own in members.items():
        if (known & own).any():
            wrong += np.count_nonzero(own) * float(np.mean(taken_for[known & own] != c))
    rows = np.arange(len(targets))
    given = probabilities[rows, targets]
    others = probabilities.copy()
    others[rows, targets] = -1
    margin = others.max(axis=1) - given
    most = np.argsort(-margin, kind="stable")[: round(wrong)]
    return np.asarray(most[margin[most] > 0], np.int64)

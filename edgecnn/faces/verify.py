"""How well embeddings tell people apart: the LFW protocol, TAR at a FAR, thresholds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgecnn.errors import DataError
from edgecnn.images import Floats

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

PAIRS = 6000
"""Verification pairs to draw from held-out people: as many as LFW's protocol has."""


def pair_scores(embeddings: Floats, pairs: Ints) -> Floats:
    """Cosines of pairs: ``(P,)`` float32.

    Args:
        embeddings: ``(N, D)`` of unit length. ``pairs``: ``(P, 2)`` indices into them.
    """
    return np.asarray(np.sum(embeddings[pairs[:, 0]] * embeddings[pairs[:, 1]], axis=1), np.float32)


def fold_accuracies(scores: Floats, same: Bools, folds: int = 10) -> Floats:
    """The LFW protocol (Huang et al. 2007): accuracy of each fold at the others' best threshold.

    Args:
        scores: ``(N,)`` similarities, higher is more alike; pairs stand fold by fold.
        same: ``(N,)`` whether the pair shows one person.
        folds: N must be a multiple.

    Returns:
        ``(folds,)`` accuracies, 0…1.
    """
    if len(scores) != len(same) or len(scores) == 0 or len(scores) % folds:
        raise DataError(
            f"expected as many scores as labels, in {folds} equal folds. "
            f"Received: {len(scores)} scores, {len(same)} labels"
        )
    fold = np.repeat(np.arange(folds), len(scores) // folds)
    accuracies = [
        np.mean((scores[fold == k] >= best_threshold(scores[fold != k], same[fold != k]))
                == same[fold == k])
        for k in range(folds)
    ]  # fmt: skip
    return np.array(accuracies, np.float32)


def best_threshold(scores: Floats, same: Bools) -> float:
    """The threshold at which ``scores >= threshold`` agrees most often with ``same``."""
    order = np.argsort(-scores, kind="stable")
    s = scores[order]
    # Accepting the first k pairs: k's true ones, and the rest's false ones, are right.
    right = np.concatenate([[0], np.cumsum(np.where(same[order], 1, -1))])
    last_of_ties = np.concatenate([[True], s[1:] != s[:-1], [True]])
    k = int(np.argmax(np.where(last_of_ties, right, right.min() - 1)))
    if k == 0:
        return float(np.nextafter(s[0], np.inf))
    return float(s[k - 1] if k == len(s) else (s[k - 1] + s[k]) / 2)


def tar_at_far(scores: Floats, same: Bools, far: float) -> float:
    """The share of same-person pairs above the score that ``far`` of the impostors exceed.

    With 3,000 impostor pairs and a FAR of 1e-3 that is the 4th-highest impostor score.
    """
    impostors = np.sort(scores[~same])[::-1]
    if not len(impostors) or not same.any():
        raise DataError("expected pairs of one person and pairs of two. One kind is missing")
    limit = impostors[min(int(far * len(impostors)), len(impostors) - 1)]
    return float(np.mean(scores[same] > limit))


def threshold_at(impostor_scores: Floats, far: float) -> float:
    """The lowest threshold that at most ``far`` of the impostor scores reach.

    Raises:
        DataError: too few scores to measure that rate: at least ``1 / far`` are needed.
    """
    n = len(impostor_scores)
    allowed = int(far * n + 1e-9)  # n times 1/n may round to less than 1
    if not allowed:
        raise DataError(
            f"expected at least {int(1 / far)} impostor comparisons for a rate of {far:g}. "
            f"Received: {n}"
        )
    limit = np.sort(impostor_scores)[::-1][allowed]
    return float(np.nextafter(np.float32(limit), np.float32(2)))


def impostor_scores(embeddings: Floats, persons: Ints, block: int = 2048) -> Floats:
    """Similarities of all pairs of different known persons.

    Args:
        embeddings: ``(N, D)`` of unit length.
        persons: ``(N,)``; negative where unknown, and then left out.
    """
    known = persons >= 0
    e, p = embeddings[known], persons[known]
    scores = [np.zeros(0, np.float32)]
    for i in range(0, len(e), block):
        s = e[i : i + block] @ e.T
        rows = np.arange(i, min(i + block, len(e)))
        other = (p[i : i + block, None] != p[None]) & (np.arange(len(e))[None] > rows[:, None])
        scores.append(s[other])
    return np.concatenate(scores)


def verification_pairs(persons: Ints, count: int, seed: int) -> tuple[Ints, Bools]:
    """Pairs as in LFW, from labelled faces: half of one person, half of two.

    Returns:
        ``(count, 2)`` indices and ``(count,)`` whether they show one person, in random order.

    Raises:
        DataError: no person has two faces, or there is only one person.
    """
    rng = np.random.default_rng(seed)
    by_person = [np.flatnonzero(persons == p) for p in np.unique(persons[persons >= 0])]
    several = [i for i in by_person if len(i) >= 2]
    if not several or len(by_person) < 2:
        raise DataError(
            "expected at least two people, one of them with two faces, to measure verification. "
            f"Received: {len(by_person)} people"
        )
    same, other = [], []
    for _ in range(count - count // 2):
        same.append(rng.choice(several[rng.integers(len(several))], 2, replace=False))
    for _ in range(count // 2):
        a, b = rng.choice(len(by_person), 2, replace=False)
        other.append((rng.choice(by_person[a]), rng.choice(by_person[b])))
    pairs = np.array([*same, *other], np.int64).reshape(-1, 2)
    order = rng.permutation(count)
    return pairs[order], (np.arange(count) < len(same))[order]

"""How good a classifier is: accuracies, confusion, and the threshold below which it says unknown.

Pure numpy; logits and probabilities are ``(N, K)``, targets ``(N,)`` integers below K.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.classify import softmax as softmax
from edgecnn.images import Floats

Counts = npt.NDArray[np.int64]

ERROR_RATE = 0.01
"""Share of wrong answers allowed among those at or above the threshold of the operating point."""


def cross_entropy(logits: Floats, targets: Counts) -> float:
    """Mean of -log of the probability given to the target, in nats."""
    largest = logits.max(axis=1)
    log_sum = np.log(np.exp(logits - largest[:, None]).sum(axis=1)) + largest
    return float(np.mean(log_sum - logits[np.arange(len(targets)), targets]))


def confusion(answers: Counts, targets: Counts, classes: int) -> Counts:
    """``(K, K)``: how often class ``row`` was taken for class ``column``."""
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (targets, answers), 1)
    return table


def accuracies(table: Counts) -> dict[str, float]:
    """``accuracy`` over all samples and ``balanced_accuracy``, the mean over the classes that
    have samples; 0 without samples."""
    right, of = np.diag(table), table.sum(axis=1)
    shares = right[of > 0] / of[of > 0]
    return {
        "accuracy": float(right.sum() / max(1, of.sum())),
        "balanced_accuracy": float(shares.mean()) if len(shares) else 0.0,
    }


BINS = 15
"""Bins of the expected calibration error: Guo et al., ICML 2017, section 5."""


def reliability(sureness: Floats, right: npt.NDArray[np.bool_], bins: int = BINS) -> Floats:
    """How often answers are right, by how sure they are, in bins of equal width.

    Args:
        sureness: ``(N,)`` 0…1; bin m holds what is above (m - 1) / bins and at most m / bins
            (Guo et al. 2017, equation 1; 0 goes to the first bin).
        right: ``(N,)``.

    Returns:
        ``(bins, 3)``: answers in the bin, their mean sureness and the share of them that is
        right; 0 where a bin is empty.
    """
    edges = np.arange(1, bins) / bins
    place = np.digitize(np.asarray(sureness, np.float64), edges, right=True)
    count = np.bincount(place, minlength=bins)
    sums = [np.bincount(place, np.asarray(w, np.float64), bins) for w in (sureness, right)]
    shares = [s / np.maximum(1, count) for s in sums]
    return np.stack([count, *shares], axis=1).astype(np.float32)


def calibration_error(sureness: Floats, right: npt.NDArray[np.bool_], bins: int = BINS) -> float:
    """Expected calibration error, 0…1: the mean distance of sureness and share right over the bins
    of :func:`reliability`, weighted by their answers (Guo et al. 2017, equation 3). 0 of none."""
    count, sure, share = reliability(sureness, right, bins).T
    return float(np.sum(count * np.abs(sure - share)) / max(1.0, float(count.sum())))


def interval(right: int, of: int, z: float = 1.959964) -> tuple[float, float]:
    """The interval of a share: Wilson, J. Amer. Stat. Assoc. 22 (1927) 209; (0, 1) of 0.

    Args:
        z: how wide, in standard deviations of a normal distribution: 1.96 for 95 %.
    """
    if of == 0:
        return 0.0, 1.0
    share = right / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def least_threshold(
    probabilities: Floats, targets: Counts, *, error_rate: float = ERROR_RATE
) -> dict[str, Any]:
    """The smallest threshold at which few of the answers given are wrong.

    An answer is given where the highest probability is at or above the threshold; only
    probabilities that occurred are candidates, so at most the least sure answer seen is given.

    Args:
        error_rate: the share of wrong answers among those given that is allowed. Where no
            threshold gets there, the one with the smallest share is chosen.

    Returns:
        ``threshold``, the ``error_rate`` measured at it, and ``trials``, the answers given.
    """
    if len(targets) == 0:
        return {"threshold": 1.0, "error_rate": 0.0, "trials": 0}
    sureness = probabilities.max(axis=1)
    wrong = probabilities.argmax(axis=1) != targets
    order = np.argsort(-sureness, kind="stable")
    sureness, rates = sureness[order], np.cumsum(wrong[order]) / np.arange(1, len(order) + 1)
    # Equal probabilities are given or withheld together: only the last of a run counts.
    last = np.flatnonzero(np.append(sureness[1:] != sureness[:-1], True))
    allowed = last[rates[last] <= max(error_rate, rates[last].min())]
    at = int(allowed[-1])
    return {
        "threshold": float(sureness[at]),
        "error_rate": float(rates[at]),
        "trials": at + 1,
    }

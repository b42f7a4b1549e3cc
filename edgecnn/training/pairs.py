"""An embedder proved on pairs of held-out faces: one person, or two?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from edgecnn.data.aligned import AlignedFaces
from edgecnn.faces import verify
from edgecnn.images import Floats
from edgecnn.report import pictures
from edgecnn.training.answers import Answers, Vectors


def verification(embeddings: Floats, persons: npt.NDArray[np.int64], seed: int) -> dict[str, float]:
    """``accuracy`` of ten folds, the headline, and ``tar_at_far_1e-3``, both 0…1.

    Args:
        embeddings: ``(N, D)`` of unit length.
        persons: ``(N,)`` the person of each, -1 where unknown.
    """
    pairs, same = verify.verification_pairs(persons, verify.PAIRS, seed)
    return _figures(verify.pair_scores(embeddings, pairs), same)


def answers(
    faces: AlignedFaces, people: Mapping[str, str], embeddings: Floats, seed: int
) -> Answers:
    """Each pair of :func:`verification`, decided at the threshold at which most are right.

    Every network gets its own threshold, as it does in a bundle.

    Args:
        people: file to person of at least these faces.
        embeddings: ``(N, D)`` of unit length, of ``faces``.
    """
    pairs, same = verify.verification_pairs(faces.persons, verify.PAIRS, seed)
    scores = verify.pair_scores(embeddings, pairs)
    accepted = scores >= verify.best_threshold(scores, same)
    who = [people[file] for file in faces.files]

    def draw(i: int) -> bytes:
        a, b = pairs[i]
        return pictures.picture(np.hstack([faces.pixels[a], faces.pixels[b]]), side=224)

    return Answers(
        figures=_figures(scores, same),
        names=[f"{faces.files[a]}, {faces.files[b]}" for a, b in pairs],
        groups=[tuple(dict.fromkeys((who[a], who[b]))) for a, b in pairs],
        said=["one person" if yes else "two people" for yes in accepted],
        notes=[f"{score:.2f}" for score in scores],
        faults=(accepted != same).astype(np.int64),
        draw=draw,
        vectors=Vectors(faces.files, embeddings, lambda i: pictures.picture(faces.pixels[i])),
        sensitive=True,
    )


def _figures(scores: Floats, same: npt.NDArray[np.bool_]) -> dict[str, float]:
    return {
        "accuracy": float(verify.fold_accuracies(scores, same).mean()),
        "tar_at_far_1e-3": verify.tar_at_far(scores, same, 1e-3),
    }

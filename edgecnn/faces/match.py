"""Who is nearest: cosine to each person's mean embedding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgecnn.faces.adapt import Adaptation
from edgecnn.faces.embed import unit
from edgecnn.images import Floats

NOT_THEM = 0.0
"""The highest score of a face that is nearer to one taught as not that person: what any stranger's
face has on average, so that it counts as one, and not as a sign of something rarer."""


class Index:
    """The enrolled people as one matrix.

    A person is the mean of their embeddings, scaled to length 1. The nearest single embedding
    would be the other choice: the more photos, the more chances for a stranger. Measured on 266
    CelebA people with a public int8 MobileFaceNet, five people enrolled with ten photos each, at
    one threshold for both: strangers named 0.07 % by the mean and 0.21 % by the nearest photo,
    the enrolled 87.8 % and 87.5 %. By the mean, the rate hardly depends on how many photos there
    are, so a threshold that was measured on pairs holds.

    A negative is compared as it is, not by a mean: those of one person need not be one person.
    Measured by ``edgecnn evaluate --enrolment`` on people of CelebA that trained nothing, with the
    first embedder that shipped: the stranger most like a person is given that name on 5.9 % of
    their other photos, and on 1.6 % once one photo was taught; the person is on 92.8 and 92.2 %.
    With a public int8 MobileFaceNet 2.0 and 0.1 %, and 98.8 and 98.7 %.

    This is the one place where an adaptation and negatives come in: whatever is compared with
    people, a camera's face or an impostor of the cohort, goes through :meth:`scores`.

    Attributes:
        people: names in order.
        centres: ``(P, D)`` float32, rows of length 1, behind the adaptation where there is one.
        counts: ``(P,)`` embeddings of each.
        lengths: ``(P,)`` length of their mean, 0…1: below 1 as far as they differ.
        adaptation: the map, or None.
    """

    def __init__(
        self,
        names: Sequence[str],
        matrix: npt.NDArray[np.floating],
        negatives: tuple[Sequence[str], npt.NDArray[np.floating]] | None = None,
        adaptation: Adaptation | None = None,
    ):
        """
        Args:
            names: the person of each row; people may have several.
            matrix: ``(N, D)`` embeddings of length 1.
            negatives: faces that are not the people whose names stand beside them, as names and
                ``(M, D)``; those of nobody in ``names`` count for nothing.
            adaptation: fitted to these people.
        """
        self.people: list[str] = sorted(set(names))
        self.adaptation = adaptation
        number = {name: i for i, name in enumerate(self.people)}
        sums = np.zeros((len(self.people), *np.shape(matrix)[1:]), np.float32)
        rows = np.array([number[name] for name in names], np.intp)
        np.add.at(sums, rows, self._mapped(matrix))
        self.counts = np.bincount(rows, minlength=len(self.people))
        self.lengths = np.linalg.norm(sums, axis=1) / np.maximum(self.counts, 1)
        self.centres = unit(sums)
        whose, faces = negatives or ((), np.zeros((0, sums.shape[-1]), np.float32))
        kept = [i for i, name in enumerate(whose) if name in number]
        self._not = np.array([number[whose[i]] for i in kept], np.intp)
        self._negatives = self._mapped(np.asarray(faces, np.float32)[kept])

    def __len__(self) -> int:
        return len(self.people)

    def _mapped(self, embeddings: npt.NDArray[np.floating]) -> Floats:
        embeddings = np.asarray(embeddings, np.float32)
        return self.adaptation(embeddings) if self.adaptation and embeddings.size else embeddings

    def scores(self, embedding: npt.NDArray[np.floating]) -> Floats:
        """How much a face is like each person: the cosine to their mean embedding.

        With an adaptation, the cosine behind it less its shift, which keeps thresholds where they
        are. Where a face is nearer to a negative than to the person, at most :data:`NOT_THEM`.

        Args:
            embedding: ``(D,)`` of length 1, or ``(N, D)``.

        Returns:
            ``(P,)`` float32, or ``(N, P)``.
        """
        probe = np.asarray(embedding, np.float32)
        if not self.people:
            return np.zeros((*probe.shape[:-1], 0), np.float32)
        probe = self._mapped(probe)
        scores = probe @ self.centres.T
        is_not = self._is_not(probe, scores) if len(self._not) else None
        if self.adaptation:
            scores = scores - np.float32(self.adaptation.shift)
        if is_not is not None:
            scores = np.where(is_not, np.minimum(scores, NOT_THEM), scores)
        return np.asarray(scores, np.float32)

    def _is_not(self, probe: Floats, scores: Floats) -> npt.NDArray[np.bool_]:
        """Where a face is nearer to a negative than to the person, shaped as ``scores``."""
        nearest = np.full_like(scores, -np.inf)
        likeness = probe @ self._negatives.T
        for person in set(self._not.tolist()):
            nearest[..., person] = likeness[..., self._not == person].max(axis=-1)
        return np.asarray(nearest > scores, np.bool_)

    def best(self, embedding: npt.NDArray[np.floating]) -> tuple[str, float] | tuple[None, None]:
        """The nearest person and the score; the first by name where two are equally near, and
        ``(None, None)`` where there is nobody.

        Args:
            embedding: ``(D,)`` of length 1.
        """
        if not self.people:
            return None, None
        scores = self.scores(embedding)
        nearest = int(scores.argmax())
        return self.people[nearest], float(scores[nearest])

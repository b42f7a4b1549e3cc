"""Unknown faces that belong together: the visits of one stranger, told by likeness alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from edgecnn.faces.embed import unit
from edgecnn.images import Floats
from edgecnn.web.visits import Visit


@dataclass(frozen=True)
class Cluster:
    """Visits of probably one person, in the order in which they came."""

    visits: tuple[Visit, ...]

    @property
    def first(self) -> datetime:
        """When the first began, UTC."""
        return min(v.first for v in self.visits)

    @property
    def last(self) -> datetime:
        """When the last one ended, UTC."""
        return max(v.last for v in self.visits)

    @property
    def best(self) -> Visit:
        """The visit with the best look."""
        return max(self.visits, key=lambda v: v.quality.overall if v.quality else 0.0)


def clusters(visits: Sequence[Visit], threshold: float) -> list[Cluster]:
    """Put unknown visits together, one after the other: to the cluster whose mean is most alike,
    where that reaches the threshold, else into one of its own. The last seen comes first.

    Args:
        visits: those without an embedding, and those with a name, are left out.
        threshold: cosine from which two faces are taken for one person's.
    """
    groups: list[list[Visit]] = []
    for visit in visits:
        if visit.name is not None or not visit.settled or visit.embedding is None:
            continue
        means = [unit(np.sum([_embedding(v) for v in g], axis=0)) for g in groups]
        scores = [float(mean @ visit.embedding) for mean in means]
        if scores and max(scores) >= threshold:
            groups[int(np.argmax(scores))].append(visit)
        else:
            groups.append([visit])
    return sorted((Cluster(tuple(g)) for g in groups), key=lambda c: c.last, reverse=True)


def _embedding(visit: Visit) -> Floats:
    assert visit.embedding is not None
    return visit.embedding

"""A linear map over the embedding, fitted to the people of one gallery."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.faces.embed import unit
from edgecnn.images import Floats


@dataclass(frozen=True, eq=False)
class Adaptation:
    """A last layer.

    Attributes:
        matrix: ``(D, D)`` float32; an embedding ``x`` becomes ``matrix @ x``, scaled to length 1.
        shift: what a cosine behind the map is too high by: the threshold at which as many
            strangers come with the map as come without it at the threshold it was fitted for, less
            that one.
        facts: how it was fitted and what it gained; plain JSON.
    """

    matrix: Floats
    shift: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)

    def __call__(self, embeddings: npt.NDArray[np.floating]) -> Floats:
        """``(..., D)`` to ``(..., D)`` float32, rows of length 1."""
        return unit(np.asarray(embeddings, np.float32) @ self.matrix.T)

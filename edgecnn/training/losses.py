"""Losses of the embedder, in ``keras.ops``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgecnn.errors import needs
from edgecnn.images import Floats

with needs("train", "keras", "tensorflow"):
    import keras
    from keras import ops

Loss = Callable[[Any, Any], Any]


def cosine_distance(target: Any, embedding: Any) -> Any:
    """``1 - cosine`` of ``(B, D)`` and ``(B, D)``, as ``(B,)``; 0…2."""
    a = ops.normalize(target, axis=-1)
    return 1.0 - ops.sum(a * ops.normalize(embedding, axis=-1), axis=-1)


def relative_error(features: Floats) -> Loss:
    """Mean squared error over the target's variance, so that every stage weighs alike.

    Args:
        features: ``(N, h, w, c)`` targets from which the variance of each channel is taken.
    """
    variance = features.var(axis=(0, 1, 2)) + 1e-6

    def loss(target: Any, output: Any) -> Any:
        return ops.mean(ops.square(target - output) / variance, axis=(1, 2, 3))

    return loss


def angular_margin(margin: float = 0.35, scale: float = 32.0) -> Loss:
    """Additive angular margin softmax (Deng et al. 2019, ArcFace, eq. 3) over cosines.

    Margin and scale are milder than the paper's 0.5 and 64, which assume clean identities with
    many pictures each.

    Returns:
        A loss of labels ``(B,)`` (a negative one contributes nothing useful: weigh it with 0) and
        the ``(B, n)`` outputs of :class:`AngularHead`, as ``(B,)``.
    """

    def loss(labels: Any, cosines: Any) -> Any:
        own = ops.one_hot(ops.cast(ops.reshape(labels, (-1,)), "int32"), cosines.shape[-1])
        # Away from ±1, where the slope of arccos is infinite.
        angle = ops.arccos(ops.clip(cosines, -1 + 1e-6, 1 - 1e-6))
        with_margin = ops.cos(ops.minimum(angle + margin, np.pi))
        logits = scale * (cosines + own * (with_margin - cosines))
        return ops.logsumexp(logits, axis=-1) - ops.sum(own * logits, axis=-1)

    return loss


class AngularHead(keras.layers.Layer):  # type: ignore[misc]
    """Cosines of embeddings to a learnt centre of each person; used in training only.

    Input shape:
        ``(batch, dimension)``

    Output shape:
        ``(batch, persons)``, -1…1
    """

    def __init__(self, persons: int, **options: Any):
        super().__init__(**options)
        self.persons = persons

    def build(self, input_shape: tuple[int, ...]) -> None:
        self.centres = self.add_weight(
            shape=(input_shape[-1], self.persons), initializer="glorot_uniform", name="centres"
        )

    def call(self, embeddings: Any) -> Any:
        centres = ops.normalize(self.centres, axis=0)
        return ops.matmul(ops.normalize(embeddings, axis=-1), centres)

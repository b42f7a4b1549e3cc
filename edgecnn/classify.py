"""A picture in, a class or *unknown* out: the classifier of an images bundle."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgecnn.bundle import Bundle
from edgecnn.errors import BundleError
from edgecnn.images import Floats, Image

PROBABILITIES = "probabilities"
"""Fact ``output`` of a classifier that ends in a softmax of its own, as others' do."""


def softmax(logits: npt.NDArray[np.floating]) -> Floats:
    """Logits ``(..., C)`` to probabilities along the last axis, float32."""
    # Less the largest first: e to the power of a large logit overflows.
    powers = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)


class Classifier:
    """The classifier of an images bundle.

    Attributes:
        labels: class names in the order of the outputs.
        threshold: probability below which the answer is unknown; the bundle's.

    Raises:
        BundleError: the bundle has no classifier, or not as many outputs as labels.
    """

    def __init__(self, bundle: Bundle, threads: int | None = None):
        entry = bundle.entry("classifier")
        self.labels = entry.labels
        self.threshold = bundle.threshold
        self._preprocess = entry.input
        self._gives_probabilities = entry.facts.get("output") == PROBABILITIES
        self._model = bundle.model("classifier", threads)
        shapes = [t.shape for t in self._model.outputs]
        if shapes != [(1, len(self.labels))]:
            raise BundleError(
                f"expected a classifier with one output (1, {len(self.labels)}), one for each "
                f"label. {bundle.path / entry.file} has {shapes}: convert the run again"
            )

    def probabilities(self, image_bgr: Image) -> Floats:
        """``(H, W, 3)`` uint8 BGR to ``(C,)`` float32 in the order of :attr:`labels`."""
        outputs = self._model(self._preprocess(image_bgr))[0][0]
        return outputs if self._gives_probabilities else softmax(outputs)

    def __call__(self, image_bgr: Image) -> tuple[str | None, float]:
        """The likeliest class, or None below the threshold, and its probability."""
        probabilities = self.probabilities(image_bgr)
        best = int(probabilities.argmax())
        probability = float(probabilities[best])
        return (self.labels[best] if probability >= self.threshold else None), probability

"""A picture or a text in, a class or *unknown* out: the classifiers of images and text bundles."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgecnn.bundle import TEXT_CLASSIFIER, Bundle
from edgecnn.errors import BundleError
from edgecnn.images import Floats, Image

PROBABILITIES = "probabilities"
"""Fact ``output`` of a classifier that ends in a softmax of its own, as others' do."""


def softmax(logits: npt.NDArray[np.floating]) -> Floats:
    """Logits ``(..., C)`` to probabilities along the last axis, float32."""
    # Less the largest first: e to the power of a large logit overflows.
    powers = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)


class _Classifier:
    """What a bundle answers by.

    Attributes:
        labels: class names in the order of the outputs.
        threshold: probability below which the answer is unknown; the bundle's.

    Raises:
        BundleError: the bundle has no such model, or not as many outputs as labels.
    """

    def __init__(self, bundle: Bundle, name: str, threads: int | None):
        entry = bundle.entry(name)
        self.labels = entry.labels
        self.threshold = bundle.threshold
        self._gives_probabilities = entry.facts.get("output") == PROBABILITIES
        self._model = bundle.model(name, threads)
        shapes = [t.shape for t in self._model.outputs]
        if shapes != [(1, len(self.labels))]:
            raise BundleError(
                f"expected a classifier with one output (1, {len(self.labels)}), one for each "
                f"label. {bundle.path / entry.file} has {shapes}: convert the run again"
            )

    def _of(self, pixels: npt.NDArray[np.uint8]) -> Floats:
        """A network's input to probabilities."""
        outputs = self._model(pixels)[0][0]
        return outputs if self._gives_probabilities else softmax(outputs)

    def _answer(self, probabilities: Floats) -> tuple[str | None, float]:
        best = int(probabilities.argmax())
        probability = float(probabilities[best])
        return (self.labels[best] if probability >= self.threshold else None), probability


class Classifier(_Classifier):
    """The classifier of an images bundle; attributes and errors as above."""

    def __init__(self, bundle: Bundle, threads: int | None = None):
        self._preprocess = bundle.entry("classifier").picture
        super().__init__(bundle, "classifier", threads)

    def probabilities(self, image_bgr: Image) -> Floats:
        """``(H, W, 3)`` uint8 BGR to ``(C,)`` float32 in the order of :attr:`labels`."""
        return self._of(self._preprocess(image_bgr))

    def __call__(self, image_bgr: Image) -> tuple[str | None, float]:
        """The likeliest class, or None below the threshold, and its probability."""
        return self._answer(self.probabilities(image_bgr))


class TextClassifier(_Classifier):
    """The classifier of a text bundle; attributes and errors as above."""

    def __init__(self, bundle: Bundle, threads: int | None = None):
        super().__init__(bundle, TEXT_CLASSIFIER, threads)
        self._vocabulary, self._length = bundle.vocabulary(), self._model.inputs[0].shape[1]

    def probabilities(self, text: str) -> Floats:
        """``(C,)`` float32 in the order of :attr:`labels`."""
        return self._of(self._vocabulary([text], self._length)[0])

    def __call__(self, text: str) -> tuple[str | None, float]:
        """The likeliest class, or None below the threshold, and its probability."""
        return self._answer(self.probabilities(text))

"""From logits to a class or unknown."""

from types import SimpleNamespace

import numpy as np
import pytest

from edgecnn.bundle import Bundle, Manifest, ModelEntry, OperatingPoint
from edgecnn.classify import Classifier, softmax
from edgecnn.errors import BundleError
from edgecnn.images import Preprocess
from edgecnn.storage import sha256_of


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        ([0.0, 0.0], [0.5, 0.5]),
        ([np.log(3), 0.0], [0.75, 0.25]),
        ([1000.0, 0.0], [1.0, 0.0]),
        ([-1000.0, -1000.0], [0.5, 0.5]),
        ([[0.0], [5.0]], [[1.0], [1.0]]),
    ],
)
def test_softmax(logits, expected):
    np.testing.assert_allclose(softmax(np.array(logits)), expected, atol=1e-6)


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    (tmp_path / "model.tflite").write_bytes(b"model")
    manifest = Manifest(
        task="images",
        models={"classifier": ModelEntry("model.tflite", Preprocess((2, 2)), ("cat", "dog"))},
        target="virtual",
        operating_point=OperatingPoint(0.8, 0.01, "test", 100),
        files={"model.tflite": sha256_of(tmp_path / "model.tflite")},
    )
    (tmp_path / "manifest.json").write_text(manifest.to_json())

    class Brightness:
        """Logits: half the mean of red, and 0."""

        outputs = (SimpleNamespace(shape=(1, 2)),)

        def __call__(self, pixels):
            assert pixels.shape == (2, 2, 3)
            return [np.array([[pixels[..., 0].mean() / 2, 0]], np.float32)]

    monkeypatch.setattr(Bundle, "model", lambda *args: Brightness())
    return Bundle(tmp_path)


def test_a_sure_answer_and_an_unsure_one(bundle):
    classifier = Classifier(bundle)
    red = np.zeros((10, 10, 3), np.uint8)
    assert classifier(red) == (None, pytest.approx(0.5))
    red[..., 2] = 20
    assert classifier(red) == ("cat", pytest.approx(1, abs=1e-3))
    assert classifier.probabilities(red).shape == (2,)


def test_as_many_labels_as_outputs(bundle, monkeypatch):
    three = SimpleNamespace(outputs=[SimpleNamespace(shape=(1, 3))])
    monkeypatch.setattr(Bundle, "model", lambda *args: three)
    with pytest.raises(BundleError, match=r"\(1, 2\).*\(1, 3\)"):
        Classifier(bundle)

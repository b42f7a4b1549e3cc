"""From logits to a class or unknown."""

import io
import sys
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


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
@pytest.mark.parametrize("texts", [(), ("caf\udce9",)])
def test_texts_that_are_not_utf_8(tmp_path, monkeypatch, edgecnn, errors, texts):
    monkeypatch.setattr("edgecnn.bundle.Bundle", lambda path: None)
    monkeypatch.setattr("edgecnn.classify.TextClassifier", lambda *args: lambda text: ("good", 0.9))
    lines = io.TextIOWrapper(io.BytesIO(b"fine\ncaf\xe9\n"), "utf-8", errors)
    monkeypatch.setattr(sys, "stdin", lines)
    code, _, err = edgecnn("classify", tmp_path, *texts)
    assert code == 2 and "expected texts in UTF-8" in err and err.count("\n") == 1

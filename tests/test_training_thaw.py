"""The weights of an int8 file, back in a network that is trained further."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("keras")

from edgecnn.bundle import ASSETS
from edgecnn.errors import ModelError
from edgecnn.images import to_network
from edgecnn.networks import build
from edgecnn.runtime.interpreter import Model
from edgecnn.training.thaw import LEAST_VARIANCE, thaw

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


def pictures(size: tuple[int, int], count: int) -> Pixels:
    """Soft blobs: every channel of the network sees something."""
    import cv2

    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (count, 9, 9, 3), np.uint8)
    return np.stack([cv2.resize(c, size, interpolation=cv2.INTER_CUBIC) for c in coarse])


@pytest.fixture(scope="module")
def embedder() -> Any:
    network = build("embedder")
    thaw(ASSETS / "face-embedder.tflite", network, to_network(pictures((112, 112), 16)))
    return network


def outputs(network: Any, pixels: Pixels, training: bool = False) -> list[Any]:
    found = network(to_network(pixels), training=training)
    return [np.asarray(o) for o in (found if isinstance(found, list) else [found])]


def cosines(a: Any, b: Any) -> Any:
    return np.sum(a * b, 1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def test_an_embedder_says_what_its_file_says(embedder: Any) -> None:
    pixels = pictures((112, 112), 4)
    model = Model(ASSETS / "face-embedder.tflite", threads=1)
    stored = np.concatenate([model(p)[0] for p in pixels])
    assert cosines(outputs(embedder, pixels)[0], stored).min() > 0.98


def test_it_is_ready_to_be_trained(embedder: Any) -> None:
    # Normalising by the batch itself changes nothing: the moments are those of these pictures.
    pixels = pictures((112, 112), 16)
    alike = cosines(outputs(embedder, pixels)[0], outputs(embedder, pixels, training=True)[0])
    assert alike.min() > 0.999
    norms = [layer for layer in embedder.layers if hasattr(layer, "moving_variance")]
    assert len(norms) > 30
    for norm in norms:
        variance = np.asarray(norm.moving_variance)
        assert ((abs(variance - 1) < 0.3) | (variance < LEAST_VARIANCE)).all(), norm.name


def test_a_detector_says_what_its_file_says() -> None:
    network = build("detector", size_wh=(160, 128))  # its weights serve every size
    thaw(ASSETS / "face-detector.tflite", network, to_network(pictures((160, 128), 8)))
    whole = build("detector")
    whole.set_weights(network.get_weights())
    pixels = pictures((320, 256), 2)
    model = Model(ASSETS / "face-detector.tflite", threads=1)
    stored = {o.shape: o for o in model(pixels[0])}
    for said in outputs(whole, pixels[:1]):
        away = np.abs(said - stored[said.shape]).mean()
        assert away < 0.05 * max(1.0, float(np.ptp(said))), said.shape


@pytest.mark.parametrize(
    ("file", "options", "says"),
    [
        ("face-embedder.tflite", {"stem": 16}, r"\(16, 3, 3, 3\).*stem_conv.*\(32, 3, 3, 3\)"),
        ("face-detector.tflite", {}, "stem_conv.*Found none"),
    ],
)
def test_another_network(file: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        thaw(ASSETS / file, build("embedder", **options), np.zeros((1, 112, 112, 3), np.float32))


def test_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "cut.tflite").write_bytes((ASSETS / "face-embedder.tflite").read_bytes()[:5000])
    with pytest.raises(ModelError, match=r"cut\.tflite"):
        thaw(tmp_path / "cut.tflite", build("embedder"), np.zeros((1, 112, 112, 3), np.float32))

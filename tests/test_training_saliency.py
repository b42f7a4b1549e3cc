"""Grad-CAM and its like against networks whose maps are known, and against random weights."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from photo_folder import make_photos

from edgecnn import training
from edgecnn.networks import CLASSIFIERS, build

training.start_keras()
import keras  # noqa: E402

from edgecnn.training import images, saliency  # noqa: E402

BYTES = np.random.default_rng(3).integers(0, 256, (2, 4, 4, 2), np.uint8)
VALUES = (BYTES.astype(np.float32) - 128) / 128


def hand_made(flat: bool = False) -> tuple[Any, np.ndarray]:
    """ReLU of the channels, then logits of their means or of every cell; and the weights."""
    inputs = keras.Input((4, 4, 2))
    maps = keras.layers.ReLU(name="maps")(inputs)
    pool = keras.layers.Flatten() if flat else keras.layers.GlobalAveragePooling2D()
    logits = keras.layers.Dense(3, name="logits")
    network = keras.Model(inputs, logits(pool(maps)))
    kernel = np.random.default_rng(4).uniform(-1, 3, logits.kernel.shape).astype(np.float32)
    logits.set_weights([kernel, np.ones(3, np.float32)])
    return network, kernel


def expected_cam(kernel: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """By hand: the mean over the cells of the logit's derivative weighs each map."""
    weights = kernel.reshape(-1, 2, 3).sum(axis=0).T[classes] / 16
    return np.maximum(0, np.einsum("nhwc,nc->nhw", np.maximum(0, VALUES), weights))


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("classes", [(0, 2), (1, 1)])
def test_grad_cam_of_a_network_whose_map_is_known(flat: bool, classes: tuple[int, int]) -> None:
    network, kernel = hand_made(flat)
    wanted = np.array(classes)
    found = saliency.grad_cam(network, BYTES, wanted)
    np.testing.assert_allclose(found, expected_cam(kernel, wanted), rtol=1e-5, atol=1e-7)
    assert found.shape == (2, 4, 4) and found.max() > 0


def test_the_input_gradient_of_a_network_whose_gradient_is_known() -> None:
    network, kernel = hand_made(flat=True)
    found = saliency.input_gradient(network, BYTES, np.array([0, 2]))
    cells = np.stack([kernel[:, 0], kernel[:, 2]]).reshape(2, 4, 4, 2)
    np.testing.assert_allclose(found, np.abs(cells * (VALUES > 0)).max(axis=-1), rtol=1e-6)


def test_a_gradient_is_exact_and_leaves_the_network_alone() -> None:
    at = np.array([[-2.0, 0.5], [3.0, 0.0]], np.float32)
    np.testing.assert_allclose(saliency.gradient(lambda x: x**3, at), 3 * at**2, rtol=1e-6)
    network = build("compact", input_shape=(12, 12, 1), classes=3, channels=[4, 8])
    before, flags = network.get_weights(), [w.trainable for w in network.weights]
    saliency.saliency(network, np.zeros((2, 12, 12, 1), np.uint8), np.array([0, 1]))
    assert all(np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True))
    assert [w.trainable for w in network.weights] == flags


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_classifier_has_maps(name: str) -> None:
    options = {} if name == "dense" else {"width": 0.25}
    if name in ("residual", "separable"):
        options["depth"] = 8
    network = build(name, input_shape=(16, 12, 3), classes=3, **options)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 16, 12, 3), np.uint8)
    maps = saliency.saliency(network, pixels, np.array([0, 2]))
    assert maps.shape[0] == 2 and maps.ndim == 3 and (maps >= 0).all() and np.isfinite(maps).all()
    assert (saliency.feature_layer(network) is None) == (name == "dense")
    assert (maps.shape[1:] == (16, 12)) == (name == "dense")
    filters = saliency.first_filters(network)
    assert filters.shape[1:] == ((16, 12, 3) if name == "dense" else (3, 3, 3))
    stages = saliency.feature_maps(network, pixels[0])
    assert (stages == {}) == (name == "dense") and len(stages) <= 3
    for stage, of in stages.items():
        assert of.shape == tuple(network.get_layer(stage).output.shape[1:])


def test_a_dense_unit_is_shown_as_large_as_the_picture() -> None:
    network = build("dense", input_shape=(8, 8, 1), classes=2, channels=[5])
    kernel = np.asarray(network.get_layer("hidden1").get_weights()[0])
    filters = saliency.first_filters(network)
    assert filters.shape == (5, 8, 8, 1)
    np.testing.assert_array_equal(filters[3].ravel(), kernel[:, 3])


def test_random_weights_give_other_maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = make_photos(tmp_path / "photos", each=14)
    settings = {"epochs": 6, "batch_size": 8, "channels": [8, 16]}
    run = images.train(photos, tmp_path / "run", settings)
    network, (pixels, targets) = run.load_model(), images.samples(run, "test")
    assert abs(saliency.sanity(network, pixels, targets)) < 0.5
    monkeypatch.setattr(keras.models, "clone_model", lambda same: same)
    assert saliency.sanity(network, pixels, targets) == pytest.approx(1)


def test_jax_finds_the_same_map() -> None:
    code = (
        "import numpy as np, test_training_saliency as t\n"
        "assert t.keras.backend.backend() == 'jax'\n"
        "t.test_grad_cam_of_a_network_whose_map_is_known(False, (0, 2))\n"
        "t.test_the_input_gradient_of_a_network_whose_gradient_is_known()\n"
    )
    here = Path(__file__).resolve().parent
    env = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": f"{here}:{here.parent}"}
    subprocess.run([sys.executable, "-c", code], check=True, env=env)

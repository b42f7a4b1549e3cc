"""Our layers compute what Keras's own do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from edgecnn import networks  # noqa: E402
from edgecnn.networks.layers import BatchNormalization, Enlarge  # noqa: E402


def gradients(layer: keras.Layer, x: np.ndarray) -> list[np.ndarray]:
    """Of the squared outputs with respect to gamma and beta."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x, training=True) ** 3)
    return [np.asarray(g) for g in tape.gradient(loss, layer.trainable_variables)]


def test_batch_normalisation_learns_as_keras_own_does() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, (8, 5, 7, 4)).astype(np.float32)
    ours, theirs = BatchNormalization(momentum=0.5), keras.layers.BatchNormalization(momentum=0.5)
    for layer in (ours, theirs):
        layer.build(x.shape)
        layer.set_weights([np.arange(1, 5, dtype=np.float32), np.full(4, 0.5, np.float32),
                           np.ones(4, np.float32), np.full(4, 2, np.float32)])  # fmt: skip
    for a, b in zip(gradients(ours, x), gradients(theirs, x), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-2)
    moved = [np.array(w) for w in ours.get_weights()[2:]]
    assert np.all(np.abs(moved[0] - 1) > 0.5), "the moving mean did not move"
    n = 8 * 5 * 7  # the fused operation divides by n - 1
    np.testing.assert_allclose(moved[0], theirs.get_weights()[2], rtol=1e-4)
    np.testing.assert_allclose(moved[1], theirs.get_weights()[3], rtol=2 / n)
    np.testing.assert_allclose(ours(x, training=True), theirs(x, training=True), atol=1e-4)


def test_batch_normalisation_at_inference_leaves_the_statistics() -> None:
    layer = BatchNormalization()
    x = np.full((2, 3, 3, 2), 7, np.float32)
    layer.build(x.shape)
    before = layer.get_weights()
    np.testing.assert_allclose(layer(x), 7, rtol=1e-3)
    for a, b in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_frozen_batch_normalisation_stays_as_it_is() -> None:
    layer = BatchNormalization()
    x = np.full((2, 3, 3, 2), 7, np.float32)
    layer.build(x.shape)
    layer.trainable = False
    np.testing.assert_allclose(layer(x, training=True), 7, rtol=1e-3)
    np.testing.assert_array_equal(layer.get_weights()[2], 0)


def test_a_saved_network_finds_our_layers_again(tmp_path: Path) -> None:
    inputs = keras.Input((4, 4, 3))
    x = BatchNormalization()(inputs)
    x = Enlarge()([keras.layers.AveragePooling2D(2)(x), x])
    keras.Model(inputs, x).save(tmp_path / "model.keras")
    loaded = networks.load(tmp_path / "model.keras")
    assert {"BatchNormalization", "Enlarge"} <= {type(layer).__name__ for layer in loaded.layers}
    assert loaded(np.zeros((1, 4, 4, 3), np.float32)).shape == (1, 4, 4, 3)


def test_a_network_for_another_size_sees_the_same() -> None:
    network = networks.build("detector", size_wh=(96, 64), channels=[8] * 5, depths=[0] * 4, head=8)
    twin = networks.resized(network, (96, 64, 3))
    for a, b in zip(network.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert twin.output[0].shape[1:3] == (12, 8)
    pixels = np.zeros((1, 64, 96, 3), np.float32)
    pixels[0, 8:24, 8:24] = 1
    turned = np.zeros((1, 96, 64, 3), np.float32)
    turned[0, 8:24, 8:24] = 1
    for a, b in zip(network(pixels)[:3], twin(turned)[:3], strict=True):
        np.testing.assert_allclose(a[0, :4, :4], b[0, :4, :4], atol=1e-5)
    assert not np.allclose(network(pixels)[0][0, :4, :4], network(pixels)[0][0, 7, 7])

"""A run whose network is deliberately hard to quantise: ``python tests/hard_run.py OUT``.

A depthwise network learns scikit-learn's digits; then each channel between two layers is scaled by
a factor of its own, log-uniform over :data:`SPAN`, and the next layer's weights for it by its
inverse. ReLU(s · x) = s · ReLU(x), so the network computes what it did; but an activation's
channels share one int8 scale, and the smaller ones round to 0. Networks like this come out of
training without weight decay, of pruning, and of batch normalisations that were folded in.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.cli.demo_digits import write_digits
from edgecnn.data.folders import list_photos, read_photos, split
from edgecnn.images import Preprocess, to_network
from edgecnn.training.measures import accuracies, confusion
from edgecnn.training.run import Run

SPAN = 1000.0
"""The largest factor, divided by the smallest."""

EPOCHS = 20
BLOCKS = ((32, 2), (48, 1), (64, 2))
"""Channels and stride of each depthwise-separable block."""


def network(relu: float | None = None) -> Any:
    """8×8×1 to 10 logits; 8,266 parameters.

    Args:
        relu: where the ReLUs end.
    """
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)

    def normalised(x: Any, name: str) -> Any:
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
        return layers.ReLU(relu, name=f"{name}_relu")(x)

    x = pixels = keras.Input((8, 8, 1), name="pixels")
    x = layers.Conv2D(24, 3, padding="same", use_bias=False, name="stem")(x)
    x = normalised(x, "stem")
    for i, (channels, stride) in enumerate(BLOCKS, 1):
        x = layers.DepthwiseConv2D(
            3, stride, padding="same", use_bias=False, name=f"block{i}_depthwise"
        )(x)
        x = normalised(x, f"block{i}_depthwise")
        x = layers.Conv2D(channels, 1, use_bias=False, name=f"block{i}_pointwise")(x)
        x = normalised(x, f"block{i}_pointwise")
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(pixels, layers.Dense(10, name="logits")(x), name="separable")


def unbalance(trained: Any, span: float = SPAN, seed: int = 0) -> Any:
    """The same function with channels of very different sizes.

    Args:
        trained: a chain of layers, as :func:`network` is.
    """
    from converters import graph

    folded, rng = graph.fold(trained), np.random.default_rng(seed)
    layers = [layer for layer in folded.layers if graph.is_weighted(layer)]
    for layer, reader in pairwise(layers):
        kernel, bias = layer.get_weights()
        factors = span ** rng.uniform(-0.5, 0.5, len(bias)).astype(np.float32)
        shape = [kernel.shape[a] for a in graph.channel_axis(layer)]
        layer.set_weights([kernel * factors.reshape(shape), bias * factors])
        kernel, bias = reader.get_weights()
        reader.set_weights([kernel / factors[:, None], bias])
    return folded


def make(out: Path, span: float = SPAN, epochs: int = EPOCHS, relu: float | None = None) -> Run:
    """Train on the digits, unbalance, and leave a finished run in ``out``."""
    import keras

    preprocess, digits = Preprocess((8, 8), "GRAY"), out.parent / f"{out.name}-digits"
    write_digits(digits)
    photos = read_photos(digits, list_photos(digits), preprocess)
    parts = split(photos.names, photos.digests, seed=0)
    labels = sorted({name.partition("/")[0] for name in photos.names})
    rows = {part: [photos.names.index(n) for n in names] for part, names in parts.items()}
    pixels = {part: photos.pixels[r] for part, r in rows.items()}
    targets = {p: np.array([labels.index(n[0]) for n in names]) for p, names in parts.items()}

    learner = network(relu)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    learner.compile(keras.optimizers.Adam(2e-3), loss)
    learner.fit(
        to_network(pixels["train"]), targets["train"], epochs=epochs, batch_size=64, verbose=0
    )
    hard = unbalance(learner, span)
    chosen = hard.predict(to_network(pixels["test"]), verbose=0).argmax(axis=1)

    run = Run.start(out, "images", {"data": str(digits.resolve()), "seed": 0, "epochs": epochs})
    run.write_split({**parts, "skipped": {}})
    run.note(labels=labels, input=preprocess.to_dict())
    run.save_model(hard)
    run.write_metrics(accuracies(confusion(chosen, targets["test"], len(labels))))
    return run


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("python tests/hard_run.py OUT")
    made = make(Path(sys.argv[1]))
    print(f"{made.path}: accuracy {made.metrics['accuracy']:.4f} in float")

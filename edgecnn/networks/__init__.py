"""Keras networks, one file each, and the one dict that names them.

Every network takes pixels, or words as :mod:`edgecnn.text` makes them, in the range of
:func:`edgecnn.images.to_network` and is built from layers that the Edge TPU takes: convolutions,
batch normalisation, ReLU6, pooling, addition.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgecnn.errors import DataError, needs

NETWORKS = {
    "compact": "edgecnn.networks.compact:compact",
    "residual": "edgecnn.networks.residual:residual",
    "separable": "edgecnn.networks.separable:separable",
    "dense": "edgecnn.networks.dense:dense",
    "text": "edgecnn.networks.text:text",
    "embedder": "edgecnn.networks.embedder:embedder",
    "detector": "edgecnn.networks.detector:detector",
}
"""Name to ``module:function``; the function takes options and returns a ``keras.Model``."""

CLASSIFIERS = ("compact", "residual", "separable", "dense")
"""Those of a picture's class, built with ``input_shape`` and ``classes``; the first unless told
otherwise."""

DEPTHS: dict[str, tuple[int | None, ...]] = {
    "compact": (5, 7, 10),
    "residual": (30, 50, 100),
    "separable": (30, 50, 100),
    "dense": (None,),
}
"""Weight layers of each that is listed and timed; None where it has no such option."""


def build(name: str, **options: Any) -> Any:
    """Build the network ``name``, untrained; an option that is None counts as not given.

    Raises:
        DataError: there is no such network, or it has no such option.
    """
    if name not in NETWORKS:
        raise DataError(f"expected a network out of {', '.join(NETWORKS)}. Received: {name!r}")
    module, _, function = NETWORKS[name].partition(":")
    builds = getattr(importlib.import_module(module), function)
    given = {option: value for option, value in options.items() if value is not None}
    known = inspect.signature(builds).parameters
    if foreign := sorted(given.keys() - known.keys()):
        raise DataError(f"the network {name} has no {foreign[0]}: leave it out")
    return builds(**given)


def load(path: str | Path) -> Any:
    """A saved network, ready to predict or to be trained further.

    Raises:
        OSError, ValueError: the file is missing or not a network.
    """
    with needs("train", "keras", "tensorflow"):
        import keras
    importlib.import_module("edgecnn.networks.layers")  # makes our layers known
    return keras.saving.load_model(path, compile=False)


def resized(network: Any, shape: Sequence[int], batch: int | None = None) -> Any:
    """A convolutional network with the same weights for pictures of another size.

    Args:
        shape: height, width and channels. ``batch``: pictures at a time, None for any number.
    """
    with needs("train", "keras", "tensorflow"):
        import keras
    picture = keras.Input(tuple(shape), batch_size=batch, dtype="float32")
    twin = keras.models.clone_model(network, input_tensors=picture)
    twin.set_weights(network.get_weights())
    return twin

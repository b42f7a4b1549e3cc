"""Where a classifier looks: Grad-CAM, input gradients, and whether these can be trusted.

Only ``keras`` and numpy: runs under TensorFlow and under JAX alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import needs
from edgecnn.images import Floats, Image, to_network

with needs("train", "keras", "tensorflow"):
    import keras

Labels = npt.NDArray[np.int64]


def feature_layer(network: Any) -> Any | None:
    """The last layer that still says where in the picture: its output has rows and columns.

    None for a network without, such as a dense one.
    """
    maps = [layer for layer in network.layers if _is_map(layer)]
    return maps[-1] if maps else None


def grad_cam(network: Any, pixels: Image, classes: Labels) -> Floats:
    """Where the evidence for a class lies: Selvaraju et al., ICCV 2017, equations 1 and 2.

    Args:
        network: a classifier that gives logits and has a :func:`feature_layer`.
        pixels: ``(N, H, W, C)`` uint8.
        classes: ``(N,)`` which class is asked for, of each picture.

    Returns:
        ``(N, h, w)``, as large as the feature maps: 0 and above, in logits for each cell of the map
        but for a constant factor; larger is more evidence.
    """
    layer = feature_layer(network)
    assert layer is not None
    maps = _ask(keras.Model(network.input, layer.output), to_network(pixels))
    rest = keras.Model(layer.output, network.output)
    weights = gradient(_score(rest, classes), maps).mean(axis=(1, 2), keepdims=True)
    return np.asarray(np.maximum(0, (weights * maps).sum(axis=-1)), np.float32)


def input_gradient(network: Any, pixels: Image, classes: Labels) -> Floats:
    """How far each pixel moves the class's logit: Simonyan et al. 2013, section 3.

    Args:
        network, pixels, classes: as for :func:`grad_cam`; any network will do.

    Returns:
        ``(N, H, W)``, 0 and above: the largest among the channels.
    """
    found = gradient(_score(network, classes), to_network(pixels))
    return np.asarray(np.abs(found).max(axis=-1), np.float32)


def saliency(network: Any, pixels: Image, classes: Labels) -> Floats:
    """:func:`grad_cam` where the network has feature maps, else :func:`input_gradient`."""
    method = input_gradient if feature_layer(network) is None else grad_cam
    return method(network, pixels, classes)


def sanity(network: Any, pixels: Image, classes: Labels, seed: int = 0) -> float:
    """Whether the maps depend on what was learnt: Adebayo et al., NeurIPS 2018, section 4.

    Returns:
        Mean Spearman rank correlation, -1…1, of each picture's map with that of the same network
        with random weights. Near 1, the map shows the picture, not the network.
    """
    with needs("train", "scipy"):
        from scipy.stats import rankdata

    keras.utils.set_random_seed(seed)
    maps = [saliency(n, pixels, classes) for n in (network, keras.models.clone_model(network))]
    pairs = [[rankdata(of[i]).ravel() for of in maps] for i in range(len(pixels))]
    # A map that is the same everywhere ranks nothing.
    known = [np.corrcoef(a, b)[0, 1] if np.ptp(a) and np.ptp(b) else 0.0 for a, b in pairs]
    return float(np.mean(known))


def gradient(of: Callable[[Any], Any], at: Floats) -> Floats:
    """The derivative of a sum over ``of(at)`` by ``at``, exact, through any back end of Keras.

    Keras has no gradient of its own. Its training has: one step of plain gradient descent at a rate
    of 1, by which a shift of ``at`` grows from 0 to just this.

    Args:
        of: a tensor like ``at`` to a tensor of any shape, in Keras's operations.
        at: float32.
    """
    step = _Step(of, at.shape)
    step.compile(optimizer=keras.optimizers.SGD(1.0), run_eagerly=True)
    step.train_on_batch(at)
    return np.asarray(keras.ops.convert_to_numpy(step.shift), np.float32)


class _Step(keras.Model):  # type: ignore[misc]
    def __init__(self, of: Callable[[Any], Any], shape: tuple[int, ...]):
        super().__init__()
        # In a function, so that the networks inside are none of what this one trains.
        self._of: Callable[[Any], Any] = lambda x: of(x)
        self.shift = self.add_weight(shape=shape, initializer="zeros", name="shift")

    def call(self, inputs: Any) -> Any:
        return self._of(inputs + self.shift)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, *_: Any, **__: Any
    ) -> Any:
        return -keras.ops.sum(y_pred)


def _score(network: Any, classes: Labels) -> Callable[[Any], Any]:
    """The logit of each picture's class."""
    wanted = keras.ops.one_hot(classes, network.output.shape[-1])
    return lambda x: network(x, training=False) * wanted


def first_filters(network: Any) -> Floats:
    """What each filter, or unit, of the first layer with weights responds to most.

    Returns:
        ``(N, h, w, C)``; a dense unit's are as large as the picture.
    """
    layer = next(layer for layer in network.layers if any(len(w.shape) > 1 for w in layer.weights))
    kernel = keras.ops.convert_to_numpy(next(w for w in layer.weights if len(w.shape) > 1))
    if kernel.ndim == 2:
        kernel = kernel.reshape(*network.input.shape[1:], -1)
    return np.asarray(np.moveaxis(kernel, -1, 0), np.float32)


def feature_maps(network: Any, pixels: Image, stages: int = 3) -> dict[str, Floats]:
    """What the first stages make of one picture.

    Args:
        pixels: ``(H, W, C)`` uint8.
        stages: at most so many; a stage ends where the maps change their size or number.

    Returns:
        Name of each stage's last layer to its ``(h, w, channels)`` output.
    """
    last: dict[tuple[int, ...], Any] = {}
    for layer in network.layers:
        if _is_map(layer):
            last[tuple(layer.output.shape[1:])] = layer
    chosen = list(last.values())[:stages]
    if not chosen:
        return {}
    outputs = _ask(
        keras.Model(network.input, [layer.output for layer in chosen]), to_network(pixels[None])
    )
    return {layer.name: maps[0] for layer, maps in zip(chosen, outputs, strict=True)}


def _is_map(layer: Any) -> bool:
    is_input = isinstance(layer, keras.layers.InputLayer)
    return not is_input and not isinstance(layer.output, list) and len(layer.output.shape) == 4


def _ask(network: Any, inputs: Floats) -> Any:
    """Called as it is: for one batch, tracing a graph takes longer than computing."""
    outputs = network(inputs, training=False)
    if isinstance(outputs, list | tuple):
        return [np.asarray(keras.ops.convert_to_numpy(o), np.float32) for o in outputs]
    return np.asarray(keras.ops.convert_to_numpy(outputs), np.float32)

"""Begin with what an earlier run learnt: its layers, and new logits where classes are others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgecnn.errors import DataError, needs
from edgecnn.images import Preprocess
from edgecnn.networks import resized
from edgecnn.training.run import Run

with needs("train", "keras", "tensorflow"):
    import keras

OF_THE_RUN = ("network", "channels", "depth", "width", "colour")
"""Settings that the earlier run decided."""


def earlier(start: str) -> Run:
    """The run of pictures' classes in ``start``.

    Raises:
        DataError: there is none, or it is one of another task, or it has not even read its photos.
    """
    run = Run(start)
    if run.task != "images" or "input" not in run.facts:
        of = f"task {run.task!r}" if run.task != "images" else "them that broke off at its start"
        raise DataError(f"expected a run of --task images. {start} is one of {of}: name another")
    return run


def input_of(run: Run, size_wh: tuple[int, int] | None) -> Preprocess:
    """How a run that begins with ``run`` sees its pictures: the same, unless a size was asked."""
    before = Preprocess.from_dict(run.facts["input"])
    return before if size_wh is None else Preprocess(size_wh, before.order)


def transferred(run: Run, input_shape: Sequence[int], labels: Sequence[str], frozen: bool) -> Any:
    """The run's network for other pictures.

    Args:
        input_shape: height, width and channels.
        labels: the classes. The run's logits stay where its classes are these, in this order.
        frozen: only logits learn; all else stays as it was, its normalisation's statistics too.

    Raises:
        DataError: the network is for pictures of one size, and this is another.
    """
    network = run.load_model()
    if tuple(network.input.shape[1:]) != tuple(input_shape):
        if any(isinstance(layer, keras.layers.Flatten) for layer in network.layers):
            height, width = network.input.shape[1:3]
            raise DataError(
                f"expected --size {width}x{height}, since each pixel has weights of its own in the "
                f"network of {run.path}. Received: {input_shape[1]}x{input_shape[0]}"
            )
        network = resized(network, input_shape)
    *body, logits = network.layers
    for layer in body:
        layer.trainable = not frozen
    if list(labels) == run.facts["labels"]:
        return network
    fresh = keras.layers.Dense(len(labels), name="logits")
    return keras.Model(network.input, fresh(logits.input), name=network.name)


def refuse_foreign(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Options that mean nothing beside, or without, ``start``.

    Raises:
        DataError: one of them was given.
    """
    if settings["start"] is None:
        if settings["freeze"]:
            raise DataError("--freeze keeps what --start brings: name a run by --start")
        return
    for name in OF_THE_RUN:
        if settings[name] != defaults[name]:
            raise DataError(f"--{name} is decided by the run of --start: leave one of them out")

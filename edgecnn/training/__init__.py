"""Fit, losses, distillation, and the run folder that is a training's outcome."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from edgecnn.errors import DataError, needs

TASKS = {
    "images": "edgecnn.training.images",
    "text": "edgecnn.training.text",
    "embedder": "edgecnn.training.embedder",
    "detector": "edgecnn.training.detector",
    "faces": "edgecnn.training.people",
}
"""Task to module, which has ``DEFAULTS`` (its settings) and ``train``; where it trains a network
also ``samples`` and ``originals`` to calibrate with, ``answers`` and ``score`` to verify with."""

# Both are read once, when Keras and TensorFlow are first imported; the user's own choice stands.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if not os.environ.get("KERAS_BACKEND"):
    only_jax = find_spec("tensorflow") is None and find_spec("jax") is not None
    os.environ["KERAS_BACKEND"] = "jax" if only_jax else "tensorflow"


def settings_for(
    task: str, defaults: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """``defaults`` with what was ``given`` in their place.

    Raises:
        DataError: something was given that the task has no setting for, or not of that kind.
    """
    # Where the default is a dict of options, a plain value as from the command line means nothing.
    known = {k for k, v in defaults.items() if not isinstance(v, dict) or k not in given}
    known |= {k for k, v in given.items() if isinstance(v, dict) and k in defaults}
    if unknown := [_option(name) for name in given if name not in known]:
        one = len(unknown) == 1
        raise DataError(
            f"{', '.join(unknown)} {'is' if one else 'are'} not for task {task}: leave "
            f"{'it' if one else 'them'} out; edgecnn train --help tells which task takes what"
        )
    return {**defaults, **{name: _like(defaults[name], value) for name, value in given.items()}}


def start_keras() -> None:
    """Import Keras and wake its back end, without what their C++ parts write to stderr meanwhile.

    Raises:
        MissingExtra: Keras, or the back end it is set to, is not installed.
    """
    with _quiet_stderr(), needs("train", "keras", os.environ["KERAS_BACKEND"]):
        import keras

        keras.ops.zeros(1)


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """File descriptor 2 to nowhere: absl logs there before any log level reaches it."""
    sys.stderr.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


def _like(default: Any, value: Any) -> Any:
    """One side as width and height where a task wants both, and the other way round."""
    if isinstance(default, list) and isinstance(value, int):
        return [value] * 2
    if isinstance(default, int) and isinstance(value, list):
        if len(set(value)) != 1:
            raise DataError(f"expected one number, as in --size {default}. Received: {value}")
        return value[0]
    return value


def _option(setting: str) -> str:
    """As the command line spells it, which calls a bundle to work with the same everywhere."""
    return "--with" if setting == "bundle" else "--" + setting.replace("_", "-")

"""Proof that the int8 file still does what the float network did."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from converters.compare import Comparison
from converters.faults import Finding
from edgecnn import networks
from edgecnn.errors import ConversionError
from edgecnn.images import Floats, Image, to_network
from edgecnn.runtime.interpreter import Model, Tensor
from edgecnn.training.answers import Answers
from edgecnn.training.run import Run

MAX_DROP = 0.01
"""How much of the headline figure, a share of 1, an int8 file may lose unless told otherwise."""

UNLIKE = 0.02
"""How much less float may reach than when it was trained; another back end rounds differently."""

Predict = Callable[[Image], list[Floats]]
"""``(N, H, W, C)`` uint8 to one float32 array an output, batch first."""


class Loaded(Protocol):
    """A model file that was opened: :class:`Model`, or one of another format."""

    inputs: list[Tensor]

    def __call__(self, pixels: npt.NDArray[np.uint8]) -> list[Floats]:
        """One picture ``(H, W, C)`` uint8 to its outputs, with a leading dimension of 1."""


def float_predict(network: Any, batch: int = 64) -> Predict:
    """A Keras network as a function of bytes; pictures may have another size than its input where
    its weights fit."""
    fitting = {tuple(network.input.shape[1:]): network}

    def predict(pixels: Image) -> list[Floats]:
        shape = pixels.shape[1:]
        if shape not in fitting:
            fitting[shape] = networks.resized(network, shape)
        learner = fitting[shape]
        parts = []
        for start in range(0, len(pixels), batch):
            outputs = learner.predict_on_batch(to_network(pixels[start : start + batch]))
            parts.append(outputs if isinstance(outputs, list | tuple) else [outputs])
        return [np.concatenate([np.asarray(p) for p in output]) for output in zip(*parts)]  # noqa: B905

    return predict


def int8_predict(*models: Loaded) -> Predict:
    """Model files as the same function, de-quantised, one picture after the other. Each file
    takes the pictures of its own size; others raise ConversionError."""
    fitting = {model.inputs[0].shape[1:]: model for model in models}

    def predict(pixels: Image) -> list[Floats]:
        model = fitting.get(pixels.shape[1:])
        if model is None:
            # The run time would take the bytes in another order, without a word.
            raise ConversionError(
                f"expected pictures of shape {' or '.join(map(str, fitting))}. Received: "
                f"{pixels.shape[1:]}: convert a file for these too"
            )
        runs = [model(one) for one in pixels]
        return [np.concatenate(output) for output in zip(*runs)]  # noqa: B905

    return predict


def held_out(run: Run) -> str:
    """The part of the data to prove it on: ``"test"``, or ``"validation"`` where none was kept."""
    return "test" if run.split.get("test") else "validation"


def verify(
    task: Any,
    run: Run,
    network: Any,
    files: Iterable[str | Path],
    findings: Sequence[Finding] = (),
    healing: Mapping[str, Any] | None = None,
) -> Comparison:
    """Ask the float network and the int8 file, or files, the same held-out samples.

    Args:
        task: the run's module in ``edgecnn.training``; the first of its ``answers``' figures is
            the headline, higher being better.
        network: the Keras network that ``files`` were converted from, each for another size.
        findings: what is known to be doubtful already.
        healing: which cures were tried, as :meth:`converters.heal.Case.facts` gives it.
    """
    part = held_out(run)
    before = task.answers(run, float_predict(network), part)
    after = task.answers(run, int8_predict(*map(Model, files)), part)
    found = [*findings, *_unlike_training(run, before, part)]
    return Comparison(part, before, after, found, dict(healing or {}))


def judge(comparison: Comparison, max_drop: float = MAX_DROP) -> None:
    """Compare the headline figures.

    Raises:
        ConversionError: int8 fell by more than ``max_drop`` below float, or is no number.
    """
    name, part = comparison.headline, comparison.part
    before, after = (a.figures[name] for a in (comparison.before, comparison.after))
    # Written so that a figure that is no number fails too; the slack is that of a float's text.
    if not comparison.drop <= max_drop + 1e-9:
        raise ConversionError(
            f"int8 lost too much: {name} on the {part} data was {before:.4f} in float and is "
            f"{after:.4f} in int8, a drop of {comparison.drop:.4f}, at most {max_drop:g} is "
            f"allowed{_worst(comparison)}: see verification.html in the run, {_advice(comparison)}"
        )


def _advice(comparison: Comparison) -> str:
    if comparison.healing:
        return "which lists the cures that were tried, train longer, or raise --max-drop"
    return "try --heal, train longer, or raise --max-drop"


def _worst(comparison: Comparison) -> str:
    if not comparison.groups:
        return ""
    worst = comparison.groups[0]
    return (
        f"; worst is {worst.name}, {worst.before:.4f} in float and {worst.after:.4f} in int8 of "
        f"{worst.samples}"
    )


def _unlike_training(run: Run, before: Answers, part: str) -> list[Finding]:
    """Whether float still does what it did when it was trained: the figure falls where pictures
    or preprocessing are others than then."""
    name = next(iter(before.figures))
    then, now = run.metrics.get(name), before.figures[name]
    if part != "test" or then is None or then - now <= UNLIKE:
        return []
    return [
        Finding(
            "training",
            f"the float network reaches a {name} of {now:.4f} on the {part} data, but {then:.4f} "
            "when it was trained: have its pictures or its input changed since? Train it again",
        )
    ]

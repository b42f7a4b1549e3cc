"""An int8 network that lost too much, and the cures for it: tried in order of cost, the best kept.

Each cure starts from the best so far. It learns from training pictures, and whether it helps is
measured on data that it saw nothing of and that the report is not made from: the validation part,
or, where the report needs that, training pictures held out here.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from converters import autopsy, verify
from converters.autopsy_match import matched
from converters.compare import Comparison
from converters.cut import Network
from converters.models import Made, Recipe, make
from edgecnn import networks
from edgecnn.errors import ConversionError
from edgecnn.images import Image, Preprocess
from edgecnn.runtime.interpreter import Model
from edgecnn.text import TextInput
from edgecnn.training.answers import Answers
from edgecnn.training.run import Run

MORE = 4
"""Times as many calibration pictures."""

PERCENTILES = (99.99, 99.9)
"""Of a layer's values that its range holds; Wu et al. 2020 (arXiv 2004.09602), §5.2, try these."""

HELD_OUT = 5
"""One training picture in so many is held out to choose by, where validation is for the report."""

LOOKED_AT = 32
"""Pictures by which the worst layer is found."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One way to convert the network, and how it did on the data to choose by.

    Attributes:
        cure: its name in :data:`CURES`; ``plain`` for the first.
        what: what was done, in words.
        recipe: how, on top of what had helped before.
        made: its files; None where it could not be done, and ``note`` says why.
        figure, drop: headline figure of the int8 file, and what it is below float.
        agreement: share of the samples with float's answer.
        helped: it was the best when it was tried.
    """

    cure: str
    what: str
    recipe: Recipe
    made: dict[str, Made] | None
    figure: float = math.nan
    drop: float = math.inf
    agreement: float = 0.0
    helped: bool = False
    seconds: float = 0.0
    note: str = ""

    @property
    def badness(self) -> tuple[float, float]:
        """Smaller is better: the drop, which below 0 is luck; of equals, other answers."""
        return (max(self.drop, 0.0) if self.drop == self.drop else math.inf, -self.agreement)


@dataclass(eq=False)
class Case:
    """A run on its way, what cures work with.

    Attributes:
        task: the run's module in ``edgecnn.training``.
        run: its training part is what cures may see, ``part`` what they are chosen by.
        kind: the model's name in the bundle.
        inputs: of each view; that of ``kind`` is the network's own.
        tolerance: the drop that is good enough, a share of 1.
        trials: plain conversion first.
    """

    task: Any
    run: Run
    part: str
    kind: str
    inputs: Mapping[str, Preprocess | TextInput]
    seed: int
    folder: Path
    tolerance: float
    trials: list[Trial] = field(default_factory=list)

    @property
    def best(self) -> Trial:
        """The last that helped."""
        return next(trial for trial in reversed(self.trials) if trial.helped)

    @property
    def healthy(self) -> bool:
        """Nothing more needs to be done."""
        return self.best.drop <= self.tolerance + 1e-9

    @cached_property
    def float_answers(self) -> Answers:
        """What the network said before."""
        predict = verify.float_predict(self.run.load_model())
        answers: Answers = self.task.answers(self.run, predict, self.part)
        return answers

    @property
    def pixels(self) -> Image:
        """What the best so far was calibrated on."""
        assert self.best.made is not None
        return self.best.made[self.kind].calibration.pixels

    def network(self) -> Any:
        """That of the best so far, its batch normalisation folded.

        Raises:
            ConversionError: it has layers that Keras does not build again.
        """
        from converters import graph

        try:
            return graph.fold(networks.load(self.best.recipe.network))
        except (TypeError, ValueError, AttributeError, LookupError) as e:
            reason = (str(e).splitlines() or [repr(e)])[0]
            raise ConversionError(f"the network cannot be taken apart ({reason})") from e

    def saved(self, network: Any) -> Recipe:
        """The best recipe so far with another network in it."""
        path = self.folder / f"{len(self.trials)}.keras"
        network.save(path)
        return dataclasses.replace(self.best.recipe, network=path)

    def facts(self) -> dict[str, Any]:
        """For ``verification.json``."""
        headline = next(iter(self.float_answers.figures))
        return {
            "part": self.part,
            "samples": len(self.float_answers),
            "headline": headline,
            "float": self.float_answers.figures[headline],
            "tolerance": self.tolerance,
            "gain": self.trials[0].drop - self.best.drop,
            "enough": self.healthy,
            "cures": self.helped(),
            "outcome": self.outcome(),
            "trials": [_row(trial) for trial in self.trials],
        }

    def helped(self) -> list[str]:
        """What the best is made by, in words as it was tried: ranges that other ones took the
        place of are left out."""
        helped = [trial for trial in self.trials if trial.helped]
        last = helped[-1].recipe.percentile
        return [
            now.what
            for before, now in pairwise(helped)
            if now.recipe.percentile in (before.recipe.percentile, last)
        ]

    def outcome(self) -> str:
        """What was kept and by how much it is better, in words."""
        kept, allowed = self.helped(), f"{100 * self.tolerance:g} points"
        if not kept and self.healthy:
            return f"nothing to heal: plain conversion loses no more than {allowed} there"
        if not kept:
            return "no cure helped, plain conversion it is"
        gain = 100 * (self.trials[0].drop - self.best.drop)
        words = f"kept: {', '.join(kept)}; {gain:.2f} points better than plain conversion"
        if self.healthy:
            return f"{words} and within {allowed} of float, so no more was tried"
        return f"{words}; all were tried, and it still loses more than {allowed}"


Cure = Callable[[Case], Iterator[tuple[str, Recipe]]]
"""Yields what it did, in words, and a recipe to try; it sees what became of the one before."""


def calibration(case: Case) -> Iterator[tuple[str, Recipe]]:
    """More pictures, then ranges that leave the rarest values out."""
    recipe = case.best.recipe
    if len(case.pixels) >= recipe.count:  # else the run has no more
        yield (
            f"{MORE * recipe.count:,} calibration pictures",
            dataclasses.replace(recipe, count=MORE * recipe.count),
        )
    for percentile in PERCENTILES:
        yield (
            f"ranges hold {percentile} % of the values",
            dataclasses.replace(case.best.recipe, percentile=percentile),
        )


def equalisation(case: Case) -> Iterator[tuple[str, Recipe]]:
    """Channels made alike in size; see :mod:`converters.equalise`."""
    from converters import equalise

    network, pairs = equalise.equalise(case.network(), case.pixels)
    if not pairs:
        raise ConversionError("it has no two layers with only a ReLU between them")
    what, recipe = f"{pairs} pairs of layers equalised", case.saved(network)
    if recipe.percentile:  # outliers are what equalisation removes: there may be none left to cut
        yield f"{what}, ranges hold all values", dataclasses.replace(recipe, percentile=None)
    yield what, recipe


def biases(case: Case) -> Iterator[tuple[str, Recipe]]:
    """See :mod:`converters.bias_correction`."""
    from converters import bias_correction

    yield "biases corrected", case.saved(bias_correction.correct(case.network(), case.pixels))


def fine_tuning(case: Case) -> Iterator[tuple[str, Recipe]]:
    """See :mod:`converters.qat`."""
    from converters import qat

    pixels = _training_pictures(case, qat.PICTURES)
    teacher = case.run.load_model()
    network = qat.tune(case.network(), teacher, pixels, case.pixels, case.seed)
    yield f"fine-tuned with rounding, {qat.EPOCHS} epochs", case.saved(network)


def float_layer(case: Case) -> Iterator[tuple[str, Recipe]]:
    """The layer that hurts most by :mod:`converters.autopsy` is not quantised."""
    best = case.best
    assert best.made is not None
    made = best.made[case.kind]
    pixels = _training_pictures(case, LOOKED_AT)
    worst = autopsy.worst(autopsy.layers(made.float_file, made.file, pixels))
    yield (
        f"layer {worst.name} kept in float",
        dataclasses.replace(best.recipe, float_layers=(in_float(made, worst.tensor),)),
    )


CURES: dict[str, Cure] = {
    "calibration": calibration,
    "equalisation": equalisation,
    "bias-correction": biases,
    "fine-tuning": fine_tuning,
    "float-layer": float_layer,
}
"""In order of cost. Those that need Keras import it when they are called."""

FLOAT = "float-layer"
"""Not for an Edge TPU, which takes no float."""


def heal(
    case: Case,
    recipe: Recipe,
    cures: Sequence[str] = tuple(CURES),
    watch: Callable[[Trial], None] = lambda trial: None,
) -> Trial:
    """Convert, and try cures until the drop is within the case's tolerance or none is left.

    Args:
        recipe: of the plain conversion.
        cures: which of :data:`CURES` to try.
        watch: is told each trial as it ends.

    Returns:
        The best; ``case.trials`` has all.

    Raises:
        ConversionError: plain conversion fails. A cure that fails is a trial with a note.
    """
    _add(case, _tried(case, "plain", "plain conversion", recipe), watch)
    for name in (name for name in CURES if name in cures):
        steps = CURES[name](case)
        while not case.healthy:
            start, what, changed = time.monotonic(), name, case.best.recipe
            try:
                what, changed = next(steps)
                trial = _tried(case, name, what, changed)
            except StopIteration:
                break
            except ConversionError as e:
                trial = Trial(name, what, changed, None, note=str(e))
            _add(case, dataclasses.replace(trial, seconds=time.monotonic() - start), watch)
    return case.best


def in_float(made: Made, tensor: str) -> str:
    """Name, in the float file, of what the int8 file calls ``tensor``: outputs have another."""
    before, after = Network(made.float_file), Network(made.file)
    names = {
        after.graph.tensors[i].name: before.graph.tensors[f].name
        for i, f in matched(before, after).items()
    }
    return names[tensor]


def choosing(run: Run) -> tuple[Run, str]:
    """A run and the part of it to choose by, which no cure sees and no report is made from."""
    if verify.held_out(run) != "validation":
        return run, "validation"
    names = run.split["train"]
    held = names[::HELD_OUT]
    rest = [name for name in names if name not in set(held)]
    return run.divided({**run.split, "train": rest, "chosen": held}), "chosen"


def _training_pictures(case: Case, count: int) -> Image:
    """Others than those of the calibration, as far as there are others."""
    return np.asarray(case.task.samples(case.run, "train", count, case.seed + 1)[0])


def _tried(case: Case, cure: str, what: str, recipe: Recipe) -> Trial:
    start, folder = time.monotonic(), case.folder / f"trial{len(case.trials)}"
    folder.mkdir()
    made = make(case.task, case.run, case.inputs, recipe, case.seed, folder)
    predict = verify.int8_predict(*(Model(one.file) for one in made.values()))
    after = case.task.answers(case.run, predict, case.part)
    now = Comparison(case.part, case.float_answers, after)
    return Trial(
        cure, what, recipe, made, after.figures[now.headline], now.drop, now.agreement,
        seconds=time.monotonic() - start,
    )  # fmt: skip


def _add(case: Case, trial: Trial, watch: Callable[[Trial], None]) -> None:
    best = not case.trials or trial.badness < case.best.badness
    case.trials.append(dataclasses.replace(trial, helped=best))
    watch(case.trials[-1])


def _row(trial: Trial) -> dict[str, Any]:
    row: dict[str, Any] = {"cure": trial.cure, "what": trial.what}
    if trial.made is None:
        row["failed"] = trial.note
    else:
        row |= {"int8": trial.figure, "drop": trial.drop, "agreement": trial.agreement}
    return {**row, "helped": trial.helped, "seconds": round(trial.seconds, 1)}

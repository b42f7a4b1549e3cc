"""Cures for an int8 network: their order, how one is chosen, and the way from command to page."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hard_run import make

from converters import heal
from converters.heal import CURES, Case, Trial
from converters.models import Recipe
from edgecnn.bundle import Bundle
from edgecnn.cli.healing import cures_for, healing_lines
from edgecnn.errors import ConversionError
from edgecnn.training.run import Run

pytest.importorskip("tensorflow")

PLAIN = Recipe(Path("model.keras"))


class Said:
    """Ten answers, of which so many are float's."""

    def __init__(self, accuracy: float, same: int):
        self.figures = {"accuracy": accuracy}
        self.said = ["yes"] * same + ["no"] * (10 - same)

    def __len__(self) -> int:
        return 10


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """Whose conversions take no time: a recipe's count is its accuracy in percent, its percentile
    how many answers are float's; 13 cannot be converted."""

    class Task:
        @staticmethod
        def answers(run: Any, predict: Any, part: str) -> Said:
            return Said(predict.recipe.count / 100, int(predict.recipe.percentile or 10))

    def quick(task: Any, run: Any, inputs: Any, recipe: Recipe, seed: int, folder: Path) -> Any:
        assert folder.is_dir()
        if recipe.count == 13:
            raise ConversionError("the converter failed")
        return {"classifier": SimpleNamespace(file=recipe)}

    monkeypatch.setattr(heal, "make", quick)
    monkeypatch.setattr(heal, "Model", lambda file: file)
    monkeypatch.setattr(heal.verify, "int8_predict", lambda r: SimpleNamespace(recipe=r))
    found = Case(Task, None, "validation", "classifier", {}, 0, tmp_path, 0.005)  # type: ignore[arg-type]
    found.__dict__["float_answers"] = Said(0.9, 10)
    return found


def cures(monkeypatch: pytest.MonkeyPatch, **steps: list[tuple[int, int]]) -> None:
    """Cures that try so many percent of accuracy, with so many of ten answers as in float."""

    def cure(tries: list[tuple[int, int]]) -> Any:
        def steps_of(case: Case) -> Iterator[tuple[str, Recipe]]:
            for percent, same in tries:
                yield f"{percent} %", Recipe(PLAIN.network, percent, same)

        return steps_of

    monkeypatch.setattr(heal, "CURES", {name: cure(tries) for name, tries in steps.items()})


def tried(case: Case) -> list[tuple[str, str, bool]]:
    return [(t.cure, t.what, t.helped) for t in case.trials[1:]]


def test_a_healthy_network_gets_no_cure(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    cures(monkeypatch, a=[(90, 10)])
    assert heal.heal(case, Recipe(PLAIN.network, 90), ["a"]).cure == "plain"
    assert tried(case) == [] and "nothing to heal" in case.outcome()


def test_the_best_is_kept_and_more_than_enough_is_not_tried(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    cures(monkeypatch, a=[(60, 10), (50, 10)], b=[(13, 10), (90, 10), (99, 10)], c=[(99, 10)])
    told: list[Trial] = []
    best = heal.heal(case, Recipe(PLAIN.network, 40), ["a", "b", "c"], told.append)
    expected = [
        ("a", "60 %", True),
        ("a", "50 %", False),
        ("b", "13 %", False),
        ("b", "90 %", True),
    ]
    assert tried(case) == expected and best.what == "90 %" and told == case.trials
    facts = case.facts()
    assert facts["enough"] and facts["gain"] == pytest.approx(0.5)
    assert (
        facts["trials"][3]["failed"] == "the converter failed" and "int8" not in facts["trials"][3]
    )
    assert "50.00 points better" in facts["outcome"] and "within 0.5 points" in facts["outcome"]
    lines = list(healing_lines(facts))
    assert "the converter failed" in lines[5] and lines[6].endswith("*") and "+0.0000" in lines[6]


def test_a_cure_that_is_not_wanted_is_not_tried(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    cures(monkeypatch, a=[(60, 10)], b=[(90, 10)])
    heal.heal(case, Recipe(PLAIN.network, 40), ["a"])
    assert tried(case) == [("a", "60 %", True)] and "still loses more" in case.outcome()


@pytest.mark.parametrize(
    ("first", "second", "helps"),
    [((50, 8), (50, 9), True), ((50, 9), (50, 9), False), ((50, 9), (49, 10), False)],
)
def test_of_equal_figures_the_one_that_answers_as_float_does(
    case: Case,
    monkeypatch: pytest.MonkeyPatch,
    first: tuple[int, int],
    second: tuple[int, int],
    helps: bool,
) -> None:
    cures(monkeypatch, a=[first, second])
    heal.heal(case, Recipe(PLAIN.network, 40), ["a"])
    assert [t.helped for t in case.trials] == [True, True, helps]


def test_ranges_that_were_undone_are_not_what_the_best_is_made_by(case: Case) -> None:
    def helped(*percentiles: float | None) -> list[str]:
        recipes = [Recipe(PLAIN.network, percentile=p) for p in (None, *percentiles)]
        case.trials = [Trial("a", str(i), r, {}, helped=True) for i, r in enumerate(recipes)]
        return case.helped()

    assert helped(None, 99.99, 99.9) == ["1", "3"]
    assert helped(None, 99.9, None) == ["1", "3"], "all values again"
    assert helped(None, 99.9, None, 99.9, 99.9) == ["1", "2", "4", "5"], "and back"


def test_better_than_float_is_luck() -> None:
    trials = [Trial("a", "", PLAIN, {}, drop=d, agreement=a) for d, a in ((-0.1, 0.8), (0.0, 0.9))]
    assert trials[1].badness < trials[0].badness
    nothing = Trial("a", "", PLAIN, {}, drop=float("nan"))
    assert nothing.badness > trials[0].badness


def test_a_plain_conversion_that_fails_is_an_error(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConversionError, match="the converter failed"):
        heal.heal(case, Recipe(PLAIN.network, 13), ["a"])


def test_no_layer_stays_in_float_for_an_edge_tpu() -> None:
    assert cures_for("raspberry-pi-5") == list(CURES)
    assert cures_for("coral-usb") == cures_for("coral-dev-board") == list(CURES)[:-1]


@pytest.mark.parametrize("test", [["t"], []])
def test_choosing_sees_nothing_that_is_reported(tmp_path: Path, test: list[str]) -> None:
    run = Run.start(tmp_path / "run", "images", {})
    train = [f"{i}" for i in range(10)]
    run.write_split({"train": train, "validation": ["v"], "test": test})
    learner, part = heal.choosing(run)
    reported = heal.verify.held_out(run)
    seen = set(learner.split["train"]) | set(learner.split[part])
    assert not seen & set(run.split[reported])
    assert not set(learner.split["train"]) & set(learner.split[part]) and learner.split[part]
    assert run.split["train"] == train  # the folder is as it was


# From the command to the page, on a network that is hard to quantise.


@pytest.fixture(scope="module")
def hard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run: a depthwise network, its channels' sizes a factor of 1,000 apart."""
    return make(tmp_path_factory.mktemp("hard") / "run", epochs=8).path


@pytest.mark.slow
def test_a_hard_network_is_healed(
    hard: Path, tmp_path: Path, edgecnn: Callable[..., tuple[int, str, str]]
) -> None:
    run, out, was = tmp_path / "run", tmp_path / "bundle", tmp_path / "float.tflite"
    shutil.copytree(hard, run)
    command = ("convert", run, "--for", "raspberry-pi-5", "--out", out)
    code, text, error = edgecnn(*command, "--heal", "--float-out", was, "--calibration", 2000)
    assert code == 0, error
    assert "same answer in 100.00 %" in error or "same answer in 9" in error
    proof = json.loads((out / "verification.json").read_text())["models"]["classifier"]
    healing = proof["healing"]
    assert healing["part"] == "validation" and proof["part"] == "test"
    plain, last = healing["trials"][0], healing["trials"][-1]
    assert plain["cure"] == "plain" and plain["drop"] >= 0.05
    assert last["cure"] == "equalisation" and last["helped"] and healing["enough"]
    assert proof["drop"] <= 0.005 and proof["float"]["accuracy"] > 0.9
    bundle = Bundle(out)
    assert bundle.self_test() == {"classifier": 0}
    assert bundle.entry("classifier").facts["cures"] == healing["cures"]
    assert bundle.entry("classifier").facts["float_bytes"] == was.stat().st_size
    assert "7 pairs of layers equalised" in text and "kept: " in text
    assert "kept: " in (run / "verification.html").read_text("utf-8")
    assert json.loads((run / "verification.json").read_text())["healing"] == healing


@pytest.mark.slow
def test_each_cure_can_be_tried(
    hard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but those tried above, so that each has its turn; none may fail or see test data."""
    from converters import qat
    from edgecnn.images import Preprocess
    from edgecnn.training import images

    asked = []
    samples, said = images.samples, images.answers

    class Task:
        @staticmethod
        def samples(run: Run, part: str, count: int, seed: int) -> Any:
            asked.append(part)
            return samples(run, part, count, seed)

        @staticmethod
        def answers(run: Run, predict: Any, part: str) -> Any:
            asked.append(part)
            return said(run, predict, part)

    for name, few in (("EPOCHS", 2), ("STEPS", 20), ("PICTURES", 200)):
        monkeypatch.setattr(qat, name, few)
    run = Run(hard)
    inputs = {"classifier": Preprocess.from_dict(run.facts["input"])}
    case = Case(Task, run, "validation", "classifier", inputs, 0, tmp_path, 0.0)
    wanted = ["bias-correction", "fine-tuning", "float-layer"]
    heal.heal(case, Recipe(hard / "model.keras", 2000), wanted)
    assert [t.cure for t in case.trials] == ["plain", *wanted]
    assert [t.note for t in case.trials if t.made is None] == []
    assert set(asked) == {"train", "validation"}
    assert case.trials[-1].what.endswith("kept in float")
    assert np.isfinite([t.drop for t in case.trials]).all()
    assert case.best.drop < case.trials[0].drop - 0.1

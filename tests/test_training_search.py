"""The search for a network within a latency: what is tried, what is not, and who goes on.

Most of it with a stand-in for the cross-validation, which says what a network's depth and width
would; the processes that share a storage train in earnest.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("optuna")
pytest.importorskip("keras")

import keras
import optuna

from edgecnn.data.folders import list_photos, split
from edgecnn.errors import DataError, StorageError
from edgecnn.images import read_image
from edgecnn.report.latency import Latencies, Latency, Rates
from edgecnn.storage import sha256_of
from edgecnn.training import search
from edgecnn.training.search_plan import Candidate, Plan, Trial, best, front
from edgecnn.training.search_storage import here, open_storage

KNOWN = Latencies("raspberry-pi-4", Rates(6.0, 6.0, 5.0, 4.0), "predicted")
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of 8×8 pictures, dark and bright, ten each."""
    rng = np.random.default_rng(0)
    for label, low in (("dark", 0), ("bright", 160)):
        for i in range(10):
            pixels = rng.integers(low, low + 90, (8, 8, 3), np.uint8)
            path = tmp_path / "photos" / label / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), pixels)
    return tmp_path / "photos"


@pytest.fixture
def plan(photos: Path, tmp_path: Path) -> Plan:
    return Plan(str(photos), KNOWN, 0.5, f"sqlite:///{tmp_path / 'search.db'}",
                trials=6, folds=2, epochs=1)  # fmt: skip


class Folds:
    """In place of the cross-validation: the deeper and wider, the more rows are right."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, float]] = []
        self.stop_at = -1

    def __call__(
        self, pixels: Any, targets: Any, classes: int, *, folds: int, network: str, depth: int,
        width: float, **others: Any,
    ) -> Iterator[tuple[Any, Any]]:  # fmt: skip
        if len(self.asked) == self.stop_at:
            raise KeyboardInterrupt
        self.asked.append((network, depth, width))
        for fold in range(folds):
            rows = np.arange(fold, len(targets), folds)
            right = round(min(1.0, depth * width / 20) * len(rows))
            said = np.eye(classes)[targets[rows]]
            said[right:] = 1 - said[right:]
            yield rows, said


def ms(one: Candidate) -> float:
    """In place of a board: nothing has to be built for it."""
    return one.depth * one.width * one.size_wh[0] * one.size_wh[1] / 6400


@pytest.fixture
def folds(monkeypatch: pytest.MonkeyPatch) -> Folds:
    stand_in = Folds()
    monkeypatch.setattr(search, "fold_by_fold", stand_in)
    monkeypatch.setattr(search.Search, "_latency", lambda self, one: Latency(ms(one), "predicted"))
    monkeypatch.setattr(keras.utils, "clear_session", lambda: None)
    return stand_in


def test_the_default_comes_first_and_nothing_twice(plan: Plan, folds: Folds) -> None:
    one = search.Search(plan)
    lines: list[str] = []
    one.run(lines.append)
    assert folds.asked[0] == ("compact", 7, 1.0)
    assert len(folds.asked) == len(set(folds.asked)) == len(lines) == 6
    assert [t.candidate.network for t in one.trials()] == [network for network, *_ in folds.asked]
    assert all("~" in line and "(predicted)" in line for line in lines)


def test_what_is_over_the_budget_is_never_trained(plan: Plan, folds: Folds) -> None:
    tight = replace(plan, budget_ms=0.05)
    one = search.Search(tight)
    one.run()
    assert folds.asked and ("compact", 7, 1.0) not in folds.asked
    assert all(t.latency.ms <= 0.05 for t in one.trials())


def test_a_budget_that_nothing_keeps_names_the_least(plan: Plan) -> None:
    with pytest.raises(DataError, match=r"compact of 5 layers × 0.25, 8×8: ~0\.\d+ ms"):
        search.Search(replace(plan, budget_ms=1e-6))


def test_a_size_that_train_would_refuse_is_told_first(plan: Plan) -> None:
    with pytest.raises(DataError, match=r"8 to 512 pixels. Received: \[600, 600\]"):
        search.Search(replace(plan, sizes=((8, 8), (600, 600))))


def test_it_ends_where_nothing_new_is_left(
    plan: Plan, folds: Folds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "IN_VAIN", 8)
    one = search.Search(replace(plan, budget_ms=0.045, networks=("compact",), trials=1000))
    one.run()
    assert 1 < len(folds.asked) < 42 and len(set(folds.asked)) == len(folds.asked)


def test_test_pictures_are_not_looked_at(plan: Plan, photos: Path) -> None:
    names = list_photos(photos)
    assert len(search.Pictures(plan).targets) == len(names) - 2 * round(0.15 * 10)
    digests = [sha256_of(photos / name) for name in names]
    parts = split(names, digests, seed=0)
    seen = search.Pictures(plan).at((8, 8))
    for name in parts["test"]:
        tested = read_image(photos / name)[..., ::-1]
        assert not any((tested == picture).all() for picture in seen)
    for name in parts["validation"]:
        tested = read_image(photos / name)[..., ::-1]
        assert any((tested == picture).all() for picture in seen)


def test_other_sizes_are_read_and_given_to_the_network(plan: Plan, folds: Folds) -> None:
    one = search.Search(replace(plan, sizes=((8, 8), (12, 10)), budget_ms=5.0, trials=12))
    one.run()
    assert {t.candidate.size_wh for t in one.trials()} == {(8, 8), (12, 10)}
    assert one.pictures.at((12, 10)).shape[1:] == (10, 12, 3)


@pytest.mark.parametrize(
    ("own", "sizes"),
    [((8, 8), [(8, 8)]), ((32, 32), [(16, 16), (24, 24), (32, 32)]),
     ((64, 32), [(16, 8), (24, 12), (32, 16), (48, 24), (64, 32)])],
)  # fmt: skip
def test_smaller_inputs_keep_the_shape(own: tuple[int, int], sizes: list[tuple[int, int]]) -> None:
    assert list(search._sizes(own)) == sizes


def test_stopped_between_folds_where_a_faster_one_is_better(
    plan: Plan, folds: Folds, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = search.Search(replace(plan, budget_ms=50.0))
    right = Candidate("compact", 10, 2.0, (8, 8))  # the stand-in has all right, and of this one:
    wrong = Candidate("compact", 5, 0.25, (8, 8))  # one in sixteen
    assert ms(wrong) < ms(right)
    monkeypatch.setattr(one, "_latency", lambda c: Latency(1.0 + (c == wrong), "predicted"))
    one._study = optuna.create_study(direction="maximize")
    for candidate in (right, wrong):
        one._begin_with(one._study, candidate)
    for _ in range(2):
        one._study.optimize(one._try, n_trials=1)
    first, second = one.trials()
    assert (first.candidate, first.stopped, first.pictures) == (right, False, 16)
    assert (second.candidate, second.stopped, second.pictures) == (wrong, True, 8)
    assert best([first, second]) == first


@pytest.mark.parametrize("address", ["sqlite:///{}/search.db", "{}/search.log"])
def test_an_interrupted_candidate_is_taken_up_again(
    address: str, plan: Plan, folds: Folds, tmp_path: Path
) -> None:
    plan = replace(plan, storage=address.format(tmp_path))
    folds.stop_at = 2
    with pytest.raises(KeyboardInterrupt):
        search.Search(plan).run()
    assert len(search.Search(plan).trials()) == 2
    with pytest.raises(StorageError, match="already: go on with it, or take part in it, by --res"):
        search.Search(plan, resume=False)
    folds.stop_at = -1
    again = search.Search(plan)
    (cut,) = [search._candidate(t) for t in again._study.trials if t.state.name == "FAIL"]
    again.run()
    assert len(again.trials()) == 6 and len(set(folds.asked)) == 6
    assert again.trials()[2].candidate == cut


def test_two_take_part_in_turn_and_share_what_is_known(plan: Plan, folds: Folds) -> None:
    first, second = search.Search(plan), search.Search(plan, worker=1)
    first.plan = replace(plan, trials=3)
    first.run()
    second.run()
    assert first.trials() == second.trials() and len(second.trials()) == 6
    assert len(set(folds.asked)) == 6


@pytest.mark.parametrize("change", [{"epochs": 2}, {"folds": 3}, {"seed": 1},
                                    {"networks": ("compact",)}])  # fmt: skip
def test_another_search_is_not_mixed_in(change: dict[str, Any], plan: Plan) -> None:
    search.Search(plan)
    with pytest.raises(DataError, match="is another: use the same pictures"):
        search.Search(replace(plan, **change))


@pytest.mark.parametrize("address", ["nonsense", "mysql+nothing://host/x", "sqlite:////proc/a/b"])
def test_a_storage_that_is_none_is_one_line(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda s: None)
    with pytest.raises(StorageError, match=f"{re.escape(address)} cannot be used") as raised:
        open_storage(address)
    assert "\n" not in str(raised.value)


VICTIM = """
import sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from edgecnn.training import search
from test_training_search import KNOWN, Latency, Plan, ms
{where}
def forever(*args, **kwargs):
    Path({mark!r}).touch()
    time.sleep(600)
    yield
search.fold_by_fold = forever
search.Search._latency = lambda self, one: Latency(ms(one), "predicted")
plan = Plan({data!r}, KNOWN, 0.5, {storage!r}, trials=6, folds=2, epochs=1)
search.Search(plan, heartbeat_s=1).run()
"""


@pytest.mark.parametrize("where", [here(), {"host": "another machine", "pid": 1}],
                         ids=["this machine", "another"])  # fmt: skip
def test_what_a_killed_process_was_at_is_taken_over(
    where: dict[str, Any], plan: Plan, folds: Folds, tmp_path: Path
) -> None:
    mark = tmp_path / "at-it"
    mine = where == here()
    told = "" if mine else f"search.here = lambda: {where!r}"
    code = VICTIM.format(root=str(ROOT / "tests"), mark=str(mark), data=plan.data,
                         storage=plan.storage, where=told)  # fmt: skip
    victim = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    try:
        until = time.monotonic() + 240
        while not mark.exists() and time.monotonic() < until and victim.poll() is None:
            time.sleep(0.1)
        assert mark.exists()
        alive = search.Search(plan)
        assert [search._candidate(t).network for t in alive._begun()] == ["compact"]
        search.recover(alive._study)
        assert len(alive._begun()) == 1, "it lives, and keeps what it is at"
    finally:
        os.kill(victim.pid, signal.SIGKILL)
        victim.wait()
    again = search.Search(plan, heartbeat_s=1)
    until = time.monotonic() + 60
    while ("compact", 7, 1.0) not in folds.asked and time.monotonic() < until:
        again.plan = replace(plan, trials=len(again._begun()) + 1)
        again.run()
        time.sleep(0.0 if mine else 1.0)
    assert ("compact", 7, 1.0) in folds.asked, "the victim's"
    assert len(set(folds.asked)) == len(folds.asked)


@pytest.mark.slow
def test_two_processes_train_in_one_storage(photos: Path, tmp_path: Path, edgecnn: Any) -> None:
    out = tmp_path / "found"
    command = ["search", photos, "--for", "raspberry-pi-4", "--budget", "0.2ms", "--trials", "2",
               "--folds", "2", "--epochs", "1", "--networks", "compact", "--jobs", "2",
               "--out", out]  # fmt: skip
    code, said, complained = edgecnn(*command)
    assert code == 0, complained
    found = json.loads((out / "search.json").read_text())
    tried = [json.dumps(t["candidate"]) for t in found["trials"]]
    assert 2 <= len(tried) <= 3 and len(set(tried)) == len(tried), "one more at the most"
    assert found["latencies"]["how"] == found["best"]["latency"]["how"] == "predicted"
    assert 0 < max(t["latency"]["ms"] for t in found["trials"]) <= 0.2
    page = (out / "report.html").read_text()
    assert "Pareto front" in page and "predicted: from the board" in page and "http" not in page

    code, _, complained = edgecnn(*command)
    assert code == 2 and "--resume" in complained
    told = said.splitlines()[-1]
    assert told == found["command"] and told.startswith(f"edgecnn train {photos} --task images")
    code, said, complained = edgecnn(*told.split()[1:], "--epochs", "1")
    assert code == 0, complained
    split_of = json.loads((out / "best" / "split.json").read_text())
    assert len(split_of["test"]) == 4, "the two of each class that the search never saw"


def test_the_best_is_accurate_first_and_the_front_has_no_worse() -> None:
    def trial(ms: float, accuracy: float, stopped: bool = False) -> Trial:
        one = Candidate("compact", 5, 1.0, (8, 8))
        return Trial(one, Latency(ms, "measured"), accuracy, 10, stopped, 1.0)

    trials = [trial(3, 0.9), trial(1, 0.5), trial(2, 0.9), trial(2.5, 0.8), trial(0.5, 0.99, True),
              trial(2, 0.7)]  # fmt: skip
    assert best(trials) == trial(2, 0.9)
    assert front(trials) == [trial(1, 0.5), trial(2, 0.9)]


@pytest.mark.parametrize(("text", "ms"), [("15ms", 15.0), ("15", 15.0), ("0.5 ms", 0.5),
                                          ("0.02s", 20.0)])  # fmt: skip
def test_a_budget_in_words(text: str, ms: float) -> None:
    from edgecnn.cli.search import milliseconds

    assert milliseconds(text) == pytest.approx(ms)


@pytest.mark.parametrize("text", ["", "ms", "0", "-3ms", "3 minutes", "1.2.3"])
def test_no_budget_in_words(text: str) -> None:
    from edgecnn.cli.search import milliseconds

    with pytest.raises(DataError, match="15ms"):
        milliseconds(text)

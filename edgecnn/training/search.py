"""The most accurate classifier within a latency: ``edgecnn search DATA --for BOARD --budget 15ms``.

Optuna chooses; a candidate's latency is known before it is trained, so that one over the budget
costs nothing. The others are scored by k-fold cross-validation on what ``edgecnn train`` with the
same seed trains and validates with; its test pictures are never looked at. All that is known stands
in Optuna's storage: processes, on one machine or on several, share it and may die.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import asdict, astuple
from hashlib import sha256
from typing import Any

import numpy as np

from edgecnn.data.folders import label_of, list_photos, split
from edgecnn.errors import DataError, StorageError, needs
from edgecnn.images import Image
from edgecnn.networks import build
from edgecnn.report.latency import Latency
from edgecnn.training import images
from edgecnn.training.folds import Labels, fold_by_fold, folds_of
from edgecnn.training.search_plan import (
    DEFAULT,
    LEVELS,
    SIDES,
    SPACE,
    WIDTHS,
    Candidate,
    Plan,
    Trial,
)
from edgecnn.training.search_storage import HEARTBEAT_S, here, open_storage, recover

with needs("train", "keras", "tensorflow"):
    import keras
with needs("search", "optuna"):
    import optuna
    from optuna.trial import FrozenTrial, TrialState

AT_RANDOM = 5
"""Trials before TPE has an opinion; Optuna's own 10 are many where a trial takes minutes."""

SAMPLERS: dict[str, Callable[[int], Any]] = {
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed, n_startup_trials=AT_RANDOM),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
}

IN_VAIN = 50
"""Draws in a row, over the budget or known already, after which nothing new is expected."""

SURE = 3.0
"""Standard errors by which a network must trail a faster one to be stopped between two folds."""


class Pictures:
    """What the search may look at: all but the test pictures of ``edgecnn train``, at any size.

    Attributes:
        labels: the classes. ``targets``: ``(N,)`` class numbers. ``channels``: of the pictures.
        sizes: of the inputs to try, width and height.
        fingerprint: SHA-256 of the pictures.
    """

    def __init__(self, plan: Plan):
        """
        Raises:
            DataError: the folder is not as :func:`edgecnn.data.folders.list_photos` wants it, a
                class has too few pictures for the folds, or a size is none of ``edgecnn train``'s.
        """
        self._plan, self._names = plan, list_photos(plan.data)
        for size_wh in plan.sizes:
            images.check(self._settings(size_wh))
        photos, preprocess = images.read(self._settings(None), self._names)
        parts = split(photos.names, photos.digests, seed=plan.seed, held_out=plan.held_out)
        chosen = sorted([*parts["train"], *parts["validation"]])
        where = {name: i for i, name in enumerate(photos.names)}
        self._rows = np.array([where[name] for name in chosen])
        self._at: dict[tuple[int, int], Image] = {preprocess.size_wh: photos.pixels[self._rows]}
        self.labels = sorted({label_of(name) for name in chosen})
        self.targets: Labels = np.array([self.labels.index(label_of(n)) for n in chosen], np.int64)
        self.channels = int(photos.pixels.shape[-1])
        self.sizes = plan.sizes or _sizes(preprocess.size_wh)
        self.fingerprint = sha256(photos.digests[self._rows].tobytes()).hexdigest()
        folds_of(self.targets, plan.folds, plan.seed)

    def at(self, size_wh: tuple[int, int]) -> Image:
        """``(N, height, width, C)`` uint8."""
        if size_wh not in self._at:
            photos, _ = images.read(self._settings(size_wh), self._names)
            self._at[size_wh] = photos.pixels[self._rows]
        return self._at[size_wh]

    def _settings(self, size_wh: tuple[int, int] | None) -> dict[str, Any]:
        plan = self._plan
        return {**images.DEFAULTS, "data": plan.data, "skip_broken": plan.skip_broken,
                "size": list(size_wh) if size_wh else None}  # fmt: skip


def _sizes(own: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """Inputs to try, smallest first: those of :data:`SIDES` in the shape of ``own``, and that."""
    longer = max(own)
    smaller = (
        (round(own[0] * side / longer), round(own[1] * side / longer))
        for side in SIDES
        if side < longer
    )
    return (*(wh for wh in smaller if min(wh) >= images.SIDES[0]), own)


class Search:
    """A search in its storage, as one of the processes that share it sees it."""

    def __init__(
        self, plan: Plan, *, resume: bool = True, worker: int = 0, heartbeat_s: int = HEARTBEAT_S
    ):
        """
        Args:
            resume: go on with the search in the storage, or take part in it, where there is one.
            worker: number of this process; each draws other candidates.

        Raises:
            DataError: the data is not as expected, the budget too small for any network, or the
                search in the storage is another one.
            StorageError: there is a search already and ``resume`` is false, or the storage is not
                reached.
        """
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        # Its warning about traced functions counts those of all networks in one process.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        self.plan, self.pictures = plan, Pictures(plan)
        self._latencies: dict[Candidate, Latency] = {}
        self._check_budget()
        self._study = self._open(resume, heartbeat_s)
        seed = plan.seed + 1000 * len(self._study.trials) + worker
        self._study.sampler = SAMPLERS[plan.sampler](seed)

    def run(self, note: Callable[[str], object] = lambda line: None) -> None:
        """Try candidates until ``plan.trials`` were trained, here and elsewhere, or none is left.

        Args:
            note: takes a line for each that was trained here.

        Raises:
            KeyboardInterrupt: the candidate under way is left for whoever goes on.
        """
        recover(self._study)
        in_vain = 0

        def after(study: optuna.Study, ended: FrozenTrial) -> None:
            nonlocal in_vain
            in_vain = 0 if "accuracy" in ended.user_attrs else in_vain + 1
            if not in_vain:
                note(str(_trial(ended)))

        while len(self._begun()) < self.plan.trials and in_vain < IN_VAIN:
            self._study.optimize(self._try, n_trials=1, callbacks=[after])

    def trials(self) -> list[Trial]:
        """What was trained, by whichever process, in the order it was begun."""
        return [_trial(t) for t in self._begun() if t.state != TrialState.RUNNING]

    def _begun(self) -> list[FrozenTrial]:
        """Trials that were worth training, those under way included."""
        states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
        found = self._study.get_trials(deepcopy=False, states=states)
        return [t for t in found if "candidate" in t.user_attrs]

    def _try(self, trial: optuna.Trial) -> float:
        """The accuracy of the next candidate.

        Raises:
            optuna.TrialPruned: it is over the budget, known already, or clearly no use.
        """
        network = trial.suggest_categorical("network", self.plan.networks)
        depth = SPACE[network][trial.suggest_int("depth", 0, LEVELS - 1)]
        size_wh = self.pictures.sizes[trial.suggest_int("size", 0, len(self.pictures.sizes) - 1)]
        within = self._within(network, depth, size_wh)
        share = trial.suggest_float("width", 0.0, 1.0)
        if not within:
            raise optuna.TrialPruned
        candidate = within[min(int(share * len(within)), len(within) - 1)]
        if candidate in [_candidate(t) for t in self._begun() if t.number != trial.number]:
            raise optuna.TrialPruned
        latency = self._latency(candidate)
        trial.set_user_attr("where", here())
        trial.set_user_attr("latency", asdict(latency))
        trial.set_user_attr("candidate", asdict(candidate))
        try:
            return self._score(trial, candidate, latency.ms)
        except KeyboardInterrupt:
            self._study.enqueue_trial(trial.params)
            raise

    def _score(self, trial: optuna.Trial, candidate: Candidate, latency_ms: float) -> float:
        plan, pictures = self.plan, self.pictures
        keras.utils.clear_session()
        right = asked = 0
        for fold, (rows, probabilities) in enumerate(fold_by_fold(
            pictures.at(candidate.size_wh), pictures.targets, len(pictures.labels),
            folds=plan.folds, epochs=plan.epochs, seed=plan.seed,
            network=candidate.network, depth=candidate.depth, width=candidate.width,
        ), 1):  # fmt: skip
            right += int(np.sum(probabilities.argmax(axis=1) == pictures.targets[rows]))
            asked += len(rows)
            trial.report(right / asked, fold)
            trial.set_user_attr("pictures", asked)
            trial.set_user_attr("accuracy", right / asked)
            if fold < plan.folds and self._is_hopeless(fold, right / asked, asked, latency_ms):
                raise optuna.TrialPruned
        return right / asked

    def _is_hopeless(self, fold: int, accuracy: float, asked: int, latency_ms: float) -> bool:
        """Whether a network that is no slower was clearly better on the same folds: then this one
        is neither the best nor on the Pareto front."""
        rivals = [
            t.intermediate_values[fold]
            for t in self._begun()
            if t.state == TrialState.COMPLETE and t.user_attrs["latency"]["ms"] <= latency_ms
        ]
        spread = math.sqrt(max(accuracy * (1 - accuracy), 1 / asked) / asked)
        return max(rivals, default=0.0) > accuracy + SURE * spread

    def _within(self, network: str, depth: int, size_wh: tuple[int, int]) -> list[Candidate]:
        """Those that keep the budget, narrowest first: what is drawn is a share of these widths, so
        that hardly a draw goes over the budget, and what was learnt of wide networks holds for
        all."""
        found: list[Candidate] = []
        for width in WIDTHS:
            candidate = Candidate(network, depth, width, size_wh)
            if self._latency(candidate).ms > self.plan.budget_ms:
                break
            found.append(candidate)
        return found

    def _latency(self, candidate: Candidate) -> Latency:
        if candidate not in self._latencies:
            width, height = candidate.size_wh
            network = build(
                candidate.network, input_shape=(height, width, self.pictures.channels),
                classes=len(self.pictures.labels), depth=candidate.depth, width=candidate.width,
            )  # fmt: skip
            self._latencies[candidate] = self.plan.latencies.of(network)
        return self._latencies[candidate]

    def _check_budget(self) -> None:
        size_wh = min(self.pictures.sizes, key=math.prod)
        smallest = [Candidate(n, SPACE[n][0], WIDTHS[0], size_wh) for n in self.plan.networks]
        least = min(smallest, key=lambda candidate: self._latency(candidate).ms)
        if self._latency(least).ms > self.plan.budget_ms:
            raise DataError(
                f"expected a budget that the smallest network keeps ({least}: "
                f"{self._latency(least)} on {self.plan.latencies.board}). "
                f"Received: {self.plan.budget_ms:g} ms"
            )

    def _open(self, resume: bool, heartbeat_s: int) -> optuna.Study:
        plan = self.plan
        storage = open_storage(plan.storage, heartbeat_s)
        if not resume and plan.study in [s.study_name for s in storage.get_all_studies()]:
            raise StorageError(
                f"the search {plan.study!r} is in {plan.storage} already: go on with it, or take "
                "part in it, by --resume"
            )
        study = optuna.create_study(
            storage=storage, study_name=plan.study, direction="maximize", load_if_exists=True
        )
        there, ours = study.user_attrs.get("comparable"), self._comparable()
        if there is None:
            study.set_user_attr("comparable", ours)
            self._begin_with(study, Candidate(*DEFAULT, self.pictures.sizes[-1]))
        elif different := [name for name in ours if there.get(name) != ours[name]]:
            raise DataError(
                f"cannot take part in the search {plan.study!r} in {plan.storage}: its "
                f"{different[0].replace('_', ' ')} is another: use the same pictures, tables and "
                "options, or another --storage"
            )
        return study

    def _begin_with(self, study: optuna.Study, first: Candidate) -> None:
        """Have a candidate tried before all others, where it is one of those to choose from."""
        if first.network not in self.plan.networks:
            return
        within = self._within(first.network, first.depth, first.size_wh)
        if first in within:
            levels = {
                "network": first.network,
                "depth": SPACE[first.network].index(first.depth),
                "size": self.pictures.sizes.index(first.size_wh),
                "width": (within.index(first) + 0.5) / len(within),
            }
            study.enqueue_trial(levels, skip_if_exists=True)

    def _comparable(self) -> dict[str, Any]:
        """What must be the same for all who take part; JSON types."""
        plan = self.plan
        return {
            "pictures": self.pictures.fingerprint, "sizes": [list(s) for s in self.pictures.sizes],
            "networks": list(plan.networks), "board": plan.latencies.board,
            "latencies": [*astuple(plan.latencies.rates)], "budget_ms": plan.budget_ms,
            "folds": plan.folds, "epochs": plan.epochs, "seed": plan.seed,
            "held_out": plan.held_out,
        }  # fmt: skip


def _candidate(found: FrozenTrial) -> Candidate:
    facts = found.user_attrs["candidate"]
    return Candidate(**{**facts, "size_wh": tuple(facts["size_wh"])})


def _trial(found: FrozenTrial) -> Trial:
    facts = found.user_attrs
    return Trial(
        _candidate(found),
        Latency(**facts["latency"]),
        facts["accuracy"],
        facts["pictures"],
        stopped=found.state == TrialState.PRUNED,
        seconds=found.duration.total_seconds() if found.duration else 0.0,
    )

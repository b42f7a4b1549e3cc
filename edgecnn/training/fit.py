"""One stage of a training: epochs, progress, early stopping, checkpoints.

Only ``keras`` and numpy: runs under TensorFlow and under JAX alike.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from edgecnn.errors import TrainingError, needs
from edgecnn.storage import whole_file
from edgecnn.training.run import CHECKPOINT, Run
from edgecnn.training.tensorboard import logged

with needs("train", "keras", "tensorflow"):
    import keras

Progress = Callable[[str, int, int, dict[str, float]], None]
"""Called after each batch with the stage, batches done, batches in all, and the latest figures."""


def fit(
    model: Any,
    batches: Any,
    run: Run,
    *,
    stage: str,
    epochs: int,
    validate: Callable[[], dict[str, float]],
    monitor: str,
    mode: str = "max",
    patience: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Train a compiled ``model`` and leave it with its best weights.

    Goes on from ``run``'s checkpoint where one of this stage exists, and returns at once where
    the stage is already behind. Every epoch is one row of ``history.csv``, and a step of the log
    for TensorBoard where the run has one.

    Args:
        batches: a ``keras.utils.PyDataset``; its ``on_epoch_begin`` is not relied on, but where
            it has an attribute ``epoch`` that is set first, so that a resumed epoch sees the
            samples that it would have seen.
        validate: measures the model after each epoch; its figures go into the history.
        monitor: which of these decides the best weights.
        mode: ``"max"`` or ``"min"``.
        patience: epochs without a better figure before stopping; None never stops early.

    Raises:
        TrainingError: the loss is not a number.
    """
    keeper = _Keeper(run, model, stage, monitor, 1 if mode == "max" else -1)
    first = keeper.restore()
    if first is None:
        return
    with logged(run) as log:
        for epoch in range(first, epochs):
            if patience is not None and epoch - keeper.best_epoch > patience:
                break
            if hasattr(batches, "epoch"):
                batches.epoch = epoch
            start = time.monotonic()
            watch = _Watch(f"{stage} {epoch + 1}/{epochs}", len(batches), progress)
            result = model.fit(batches, verbose=0, callbacks=[watch], shuffle=False)
            figures = {k: float(v[-1]) for k, v in result.history.items()}
            figures |= {f"val_{k}": float(v) for k, v in validate().items()}
            run.add_history(
                {"stage": stage, "epoch": epoch + 1, "seconds": round(time.monotonic() - start, 1)}
                | {k: round(v, 6) for k, v in figures.items()}
            )
            log(figures)
            keeper.save(epoch, figures[f"val_{monitor}"])
    keeper.finish()


class _Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Reports each batch and stops a training whose loss is no number."""

    def __init__(self, stage: str, total: int, progress: Progress | None):
        super().__init__()
        self._stage, self._total, self._progress = stage, total, progress

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        figures = {k: float(v) for k, v in (logs or {}).items()}
        if not math.isfinite(figures.get("loss", 0.0)):
            raise TrainingError(
                f"the loss became {figures['loss']} in {self._stage}, batch {batch + 1}: "
                "lower --learning-rate, or look for broken samples"
            )
        if self._progress:
            self._progress(self._stage, batch + 1, self._total, figures)


class _Keeper:
    """The checkpoint: all variables now, the best weights so far, and where the training is.

    A plain ``.npz``, so that one back end can go on where another stopped.
    """

    def __init__(self, run: Run, model: Any, stage: str, monitor: str, sign: int):
        self._run, self._model, self._stage = run, model, stage
        self._monitor, self._sign = monitor, sign
        self._path = run.path / CHECKPOINT
        self.best_epoch, self._best = -1, -math.inf
        self._best_weights: list[Any] = []

    def restore(self) -> int | None:
        """The epoch to begin with; None where this stage is behind."""
        if not self._path.exists():
            return 0
        with np.load(self._path, allow_pickle=False) as arrays:
            facts = json.loads(str(arrays["facts"]))
            behind = self._stage in facts["behind"]
            if facts["stage"] != self._stage:
                return None if behind else 0
            count = len(self._model.get_weights())
            self._best_weights = [arrays[f"best{i}"] for i in range(count)]
            if behind:
                self._model.set_weights(self._best_weights)
                return None
            self._model.set_weights([arrays[f"now{i}"] for i in range(count)])
            optimizer = self._model.optimizer
            optimizer.build(self._model.trainable_variables)
            for i, variable in enumerate(optimizer.variables):
                variable.assign(arrays[f"optimizer{i}"])
        self.best_epoch, self._best = facts["best_epoch"], facts["best"]
        rows = self._run.history
        self._run.keep_history(
            r for r in rows if r["stage"] != self._stage or int(r["epoch"]) <= facts["epoch"] + 1
        )
        return int(facts["epoch"]) + 1

    def save(self, epoch: int, figure: float) -> None:
        """Keep the state after ``epoch``, and the weights as the best where they are."""
        if self._sign * figure > self._best or not self._best_weights:
            self._best, self.best_epoch = self._sign * figure, epoch
            self._best_weights = self._model.get_weights()
        self._write(epoch=epoch, behind=self._behind())

    def finish(self) -> None:
        """Give the model its best weights and mark the stage as behind."""
        if self._best_weights:
            self._model.set_weights(self._best_weights)
        self._write(epoch=-1, behind=[*self._behind(), self._stage])

    def _behind(self) -> list[str]:
        if not self._path.exists():
            return []
        with np.load(self._path, allow_pickle=False) as arrays:
            return list(json.loads(str(arrays["facts"]))["behind"])

    def _write(self, epoch: int, behind: list[str]) -> None:
        facts = {"stage": self._stage, "epoch": epoch, "behind": behind,
                 "best_epoch": self.best_epoch, "best": self._best}  # fmt: skip
        arrays = {f"now{i}": w for i, w in enumerate(self._model.get_weights())}
        arrays |= {f"best{i}": w for i, w in enumerate(self._best_weights)}
        arrays |= {
            f"optimizer{i}": np.asarray(v) for i, v in enumerate(self._model.optimizer.variables)
        }
        with whole_file(self._path) as draft, open(draft, "wb") as f:
            np.savez(f, facts=json.dumps(facts), **arrays)

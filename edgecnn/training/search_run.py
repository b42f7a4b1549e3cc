"""A search in several processes of this machine, and what it comes to."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from typing import Any

from edgecnn import training
from edgecnn.errors import EdgeCNNError, TrainingError
from edgecnn.training.search_plan import Plan, Trial

THREADS = "TF_NUM_INTRAOP_THREADS"
"""TensorFlow reads it once, at its start."""


def search(
    plan: Plan, jobs: int = 1, *, resume: bool = False,
    note: Callable[[str], object] = lambda line: None,
) -> list[Trial]:  # fmt: skip
    """Search until ``plan.trials`` networks were trained, and give all of them.

    Args:
        jobs: processes that train at once; they share the processors evenly.
        note: takes a line for each network; several processes print theirs to stderr.

    Raises:
        DataError, StorageError: as :class:`edgecnn.training.search.Search`.
        TrainingError: one of several processes ended otherwise than by having finished.
    """
    from edgecnn.training.search import Search

    begun = Search(plan, resume=resume)
    if jobs == 1:
        begun.run(note)
        return begun.trials()
    # Spawned, not forked: TensorFlow's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    told = os.environ.get(THREADS)
    os.environ[THREADS] = told or str(max(1, (os.cpu_count() or 1) // jobs))
    try:
        # Daemons end with this process; what they were at is taken up by the next.
        workers = [context.Process(target=_work, args=(plan, k), daemon=True) for k in range(jobs)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        if told is None:
            del os.environ[THREADS]
    if failed := [w.exitcode for w in workers if w.exitcode]:
        raise TrainingError(
            f"{len(failed)} of {jobs} processes ended with code {failed[0]}, see above: the same "
            "command with --resume goes on"
        )
    return begun.trials()


def _work(plan: Plan, worker: int) -> None:
    training.start_keras()
    from edgecnn.training.search import Search

    try:
        Search(plan, worker=worker).run(lambda line: print(line, file=sys.stderr, flush=True))
    except KeyboardInterrupt:
        pass  # the one that started this says so
    except EdgeCNNError as e:
        print(f"edgecnn: {e}", file=sys.stderr, flush=True)
        raise SystemExit(2) from e


def as_dict(plan: Plan, trials: list[Trial], best: Trial, command: str) -> dict[str, Any]:
    """The outcome, for JSON."""
    from edgecnn.report import latency

    return {
        "data": plan.data,
        "latencies": latency.as_dict(plan.latencies),
        "budget_ms": plan.budget_ms,
        "sampler": plan.sampler,
        "folds": plan.folds,
        "epochs": plan.epochs,
        "trials": [trial.as_dict() for trial in trials],
        "best": best.as_dict(),
        "command": command,
    }

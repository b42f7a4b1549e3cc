"""The page of a search: accuracy against latency, and the networks that were tried."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgecnn.report import page, plots
from edgecnn.report.latency import HOW
from edgecnn.training.measures import interval
from edgecnn.training.search_plan import Plan, Trial, best, front

HEADER = ("network", "layers", "width", "input", "ms", "latency is", "accuracy", "seconds", "")

CAVEAT = (
    "Accuracies are of float networks over all folds, after few epochs. The best of many is also "
    "the luckiest: its accuracy here is too high by a little, and the test pictures, which the "
    "search did not look at, say how much."
)


def write(path: Path, plan: Plan, trials: Sequence[Trial], command: str) -> None:
    """Write the page, whole or not at all.

    Raises:
        StorageError: it could not be written.
    """
    chosen, board = best(trials), plan.latencies.board
    ways = dict.fromkeys(t.latency.how for t in trials)
    page.write(path, f"Networks for {board} within {plan.budget_ms:g} ms", [
        page.Section("The best within the budget", page.figures({
            "accuracy over all folds": f"{chosen.accuracy:.2%}",
            f"on {board}, {chosen.latency.how}": f"{chosen.latency.ms:.3g} ms",
            "network": f"{chosen.candidate.network}\n{chosen.candidate}",
        }) + page.paragraph("Train it for good:") + page.paragraph(command)
          + page.paragraph(CAVEAT)),
        page.Section("Accuracy against latency", page.plot(
            lambda dark: draw(trials, board, dark),
            "Accuracy over all folds against milliseconds",
            "Each dot is a network, each bar a 95 % interval. No other one is both faster and "
            "more accurate than those of the Pareto front. The budget is "
            f"{plan.budget_ms:g} ms; int8, one thread.",
        ) + "".join(page.paragraph(f"{how}: {HOW[how]}.") for how in ways)),
        page.Section("All that were trained", page.table(HEADER, [cells(t) for t in trials])),
    ])  # fmt: skip


def draw(trials: Sequence[Trial], board: str, dark: bool) -> bytes:
    """PNG of the accuracies over the latencies."""
    ahead = front(trials)
    whole = [t for t in trials if not t.stopped]
    groups = {
        "Pareto front": [_dot(t, str(t.candidate)) for t in ahead],
        "others": [_dot(t, "") for t in whole if t not in ahead],
    }
    known = " or ".join(dict.fromkeys(t.latency.how for t in whole))
    return plots.sizes(groups, (f"milliseconds on {board}, {known}", "% right"), dark=dark)


def _dot(trial: Trial, name: str) -> tuple[float, float, float, float, str]:
    low, high = interval(round(trial.accuracy * trial.pictures), trial.pictures)
    return trial.latency.ms, trial.accuracy, low, high, name


def cells(trial: Trial) -> tuple[str, ...]:
    """A row of the table, as :data:`HEADER` says."""
    one = trial.candidate
    return (
        one.network, str(one.depth), f"{one.width:g}", "×".join(map(str, one.size_wh)),
        f"{trial.latency.ms:.3g}", trial.latency.how, f"{trial.accuracy:.2%}",
        f"{trial.seconds:.0f}", "stopped early" if trial.stopped else "",
    )  # fmt: skip

"""How well latencies are predicted, and what a search finds on digits: ``make bench-search``.

Writes ``docs/search.md`` between its marks, ``docs/search.png`` beside it, and leaves runs in
``--work``, where it goes on if it was stopped. The table of latencies comes from ``edgecnn bench
--table``.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from devices import HOSTS
from devices.latency import PUBLISHED, rates
from edgecnn import training
from edgecnn.cli.demo_digits import write_digits
from edgecnn.report.latency import Latency, agreement, left_out, operations, read_table
from edgecnn.training.search_plan import Candidate, Trial
from edgecnn.training.search_report import draw

ROOT = Path(__file__).resolve().parent.parent
PAGE, PICTURE = ROOT / "docs" / "search.md", ROOT / "docs" / "search.png"
TABLE = ROOT / "docs" / "latency" / "x86-64.json"

BOARD, BUDGET = "raspberry-pi-4", "0.4ms"
SHARED = ["--for", BOARD, "--budget", BUDGET, "--trials", "8", "--folds", "2", "--epochs", "4"]
DEFAULT = "edgecnn train digits --task images --seed 0 --out default"


def call(arguments: list[str], work: Path) -> None:
    """The command line in a process of its own."""
    subprocess.run([sys.executable, "-m", "edgecnn", *arguments], check=True, cwd=work)


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table, numbers to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def predictions() -> list[str]:
    """How far predictions are from what was measured."""
    import keras

    rows = left_out(read_table(TABLE)[1])
    held = agreement([ms for _, ms, _ in rows], [guess for *_, guess in rows])
    lines = [
        f"{len(rows)} networks on an x86-64, each predicted by rates fitted to all others: "
        f"rank correlation {held['rank_correlation']:.3f}, median of predicted by measured "
        f"{held['median_ratio']:.2f}, at the worst {held['worst']:.1f} times off.", "",
        *table(["network", "measured, ms", "by the others, ms"],
               [[name, f"{ms:.3f}", f"{guess:.3f}"] for name, ms, guess in rows]), "",
        "By published facts alone, against the only int8 figures published for these boards that "
        "were found (which the share of the peak was taken from, so that this is no proof):", "",
    ]  # fmt: skip
    built = {n: operations(getattr(keras.applications, n)(weights=None))
             for n in dict.fromkeys(network for _, network, *_ in PUBLISHED)}  # fmt: skip
    found = []
    for board, network, threads, ms in PUBLISHED:
        speed = HOSTS[board].speed
        assert speed is not None
        guess = rates(speed, threads).ms(built[network])
        found.append([f"{network}, {board}, {threads} threads", f"{ms:g}", f"{guess:.1f}",
                      f"{guess / ms:.2f}"])  # fmt: skip
    return lines + table(["", "published, ms", "predicted, ms", "ratio"], found)


def trained(command: str, work: Path) -> dict[str, Any]:
    """The metrics of a run that a command line makes, unless it has made it already."""
    words = shlex.split(command)[1:]
    run = work / words[words.index("--out") + 1]
    if not (run / "metrics.json").exists():
        call([*words, "--resume"], work)
    found: dict[str, Any] = json.loads((run / "metrics.json").read_text("utf-8"))
    return found


def searched(sampler: str, work: Path) -> dict[str, Any]:
    """What a search finds; goes on where it was stopped."""
    result = work / sampler / "search.json"
    if not result.exists():
        call(
            ["search", "digits", *SHARED, "--sampler", sampler, "--out", sampler, "--resume"], work
        )
    found: dict[str, Any] = json.loads(result.read_text("utf-8"))
    return found


def trials(found: dict[str, Any]) -> list[Trial]:
    """Those of a search's JSON."""
    return [
        Trial(**{**t, "latency": Latency(**t["latency"]), "candidate": Candidate(
            **{**t["candidate"], "size_wh": tuple(t["candidate"]["size_wh"])})})
        for t in found["trials"]
    ]  # fmt: skip


def searches(work: Path) -> list[str]:
    """TPE beside random search, and both beside the default."""
    found = {sampler: searched(sampler, work) for sampler in ("tpe", "random")}
    first = found["tpe"]["trials"][0]
    default = trained(DEFAULT, work)
    rows = [["default: compact of 7 layers × 1", f"{first['latency']['ms']:.3f}",
             f"{first['accuracy']:.2%}", f"{default['accuracy']:.2%}",
             f"{default['parameters']:,}", ""]]  # fmt: skip
    winners: dict[str, dict[str, Any]] = {}
    for sampler, outcome in found.items():
        best = outcome["best"]
        one = best["candidate"]
        if str(one) not in winners:  # the same network, seed and data: the same training
            winners[str(one)] = trained(outcome["command"], work)
        metrics = winners[str(one)]
        spent = sum(t["seconds"] for t in outcome["trials"])
        rows.append([f"{sampler}: {one['network']} of {one['depth']} layers × {one['width']:g}",
                     f"{best['latency']['ms']:.3f}", f"{best['accuracy']:.2%}",
                     f"{metrics['accuracy']:.2%}", f"{metrics['parameters']:,}",
                     f"{spent:.0f}"])  # fmt: skip
    PICTURE.write_bytes(draw(trials(found["tpe"]), BOARD, False))
    tested = sum(map(sum, default["confusion"]))
    return [
        f"`edgecnn search digits {shlex.join(SHARED)}`, once with `--sampler random`; then each "
        f"winner trained by the command that the search printed. Latencies are predicted; "
        f"{tested} test pictures that no search saw; seconds are of a machine that did much else.",
        "",
        *table(["", "ms on a Raspberry Pi 4", "accuracy by folds", "accuracy on the test",
                "parameters", "search, s"], rows), "",
        "![Accuracy against latency](search.png)",
    ]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "search")
    work = parser.parse_args().work.resolve()
    if not (work / "digits").exists():
        write_digits(work / "digits")
    training.start_keras()
    text = PAGE.read_text("utf-8")
    for name, make in (("predictions", predictions), ("searches", lambda: searches(work))):
        before, _, rest = text.partition(f"<!-- {name} -->")
        _, _, after = rest.partition("<!-- end -->")
        lines = "\n".join(make())
        text = f"{before}<!-- {name} -->\n\n{lines}\n\n<!-- end -->{after}"
        PAGE.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

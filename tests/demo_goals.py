"""Does a demo's folder hold what it promises? ``python tests/demo_goals.py FOLDER``"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def missed_goals(summary: dict[str, Any]) -> list[str]:
    """What ``summary.json`` falls short of, a line each; empty where all is well."""
    digits, faces = summary["digits"], summary["faces"]
    seen = faces["named_right"] + faces["named_wrong"] + faces["missed"]
    goals = {
        "int8 is within 0.01 of float": abs(digits["float_accuracy"] - digits["int8_accuracy"])
        <= 0.01,
        "int8 reads 95 % of the digits": digits["int8_accuracy"] >= 0.95,
        "at least 300 frames": faces["frames"] >= 300,
        "her face was whole in at least 100 frames": seen >= 100,
        "she is named in 95 % of these": faces["named_right"] >= 0.95 * seen,
        "nobody is called by another's name": faces["named_wrong"] == 0,
        "the stranger is never named": faces["strangers_named"] == 0,
        "some frames a second": faces["fps"] > 0,
    }
    return [f"{goal}: no, {summary}" for goal, met in goals.items() if not met]


def main(folder: Path) -> int:
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    problems = missed_goals(summary)
    kinds = {p.suffix for p in folder.rglob("*") if p.is_file() and p.stat().st_size}
    for kind, alternatives in {
        "an annotated video": {".mp4", ".avi", ".mkv", ".webm"},
        "a contact sheet": {".png"},
        "events": {".jsonl"},
        "a report": {".html"},
    }.items():
        if not kinds & alternatives:
            problems.append(f"{kind}: none in {folder}, found {sorted(kinds)}")
    print("\n".join(problems or [f"all goals met: {json.dumps(summary)}"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

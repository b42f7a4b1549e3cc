"""The verbs: ``board.py VERB``; the last line of what is printed is one JSON object.

It ends with 0, or with 2 and ``{"error": "one line with the cure"}``.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from typing import Any

from devices.onboard import disk, report
from devices.onboard.activate import HEALTH_S, STEADY_S, activate, outlive, rollback, shadow
from devices.onboard.ground import Place, Refused, say
from devices.onboard.release import parse
from devices.onboard.stage import missing, prune, stage
from devices.onboard.standing import run, settle


def main(arguments: list[str]) -> int:
    """Do what a verb says; the exit code."""
    asked = _parser().parse_args(arguments)
    os.umask(0o022)
    if asked.verb in ("activate", "rollback") and not asked.here:
        code = outlive(arguments)
        if code is not None:
            return code if code >= 0 else 2
    try:
        answer, code = _do(asked), 0
    except Refused as e:
        answer, code = {"error": " ".join(str(e).split())}, 2
    except OSError as e:
        where = f" at {e.filename}" if e.filename else ""
        cure = "see that the disk has space and can be written, then deploy again"
        answer, code = {"error": f"{e.strerror or e}{where}: {cure}"}, 2
    # Whoever asked may be gone.
    with contextlib.suppress(OSError):
        print(report.as_line(answer), flush=True)
    return code


def _do(asked: argparse.Namespace) -> dict[str, Any]:
    place = Place.here()
    if asked.verb in ("activate", "rollback"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        say(f"{asked.verb} on {os.uname().nodename}")
    if asked.verb == "missing":
        return missing(place, sys.stdin.read())
    if asked.verb == "stage":
        return stage(place, sys.stdin.read(), asked.keep)
    if asked.verb == "prune":
        with disk.alone(place):
            return {"pruned": prune(place, asked.keep, parse(sys.stdin.read()))}
    if asked.verb == "activate":
        return activate(place, asked.id, asked.health_s, asked.steady_s, asked.keep)
    if asked.verb == "rollback":
        return rollback(place, asked.id, asked.health_s, asked.steady_s)
    if asked.verb == "shadow":
        return shadow(place, asked.id, asked.health_s, asked.steady_s, asked.keep)
    if asked.verb == "unshadow":
        return shadow(place, None)
    if asked.verb == "settle":
        return settle(place)
    if asked.verb == "uninstall":
        return report.uninstall(place, asked.people)
    if asked.verb == "run":
        run(place)
    return report.status(place)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("board.py", description="The board's half of edgecnn deploy.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("missing", help="release.json on stdin: which files the store lacks")
    make = verbs.add_parser("stage", help="release.json on stdin: make that release, and try it")
    room = verbs.add_parser("prune", help="release.json on stdin: make room for it")
    switch = verbs.add_parser("activate", help="run a release, if it becomes healthy")
    switch.add_argument("id")
    back = verbs.add_parser("rollback", help="run the one that was healthy before")
    back.add_argument("id", nargs="?")
    beside = verbs.add_parser("shadow", help="run a release beside the current one")
    beside.add_argument("id")
    for verb in (make, room, switch, beside):
        verb.add_argument("--keep", type=int, default=3, help="releases that stay")
    for verb in (switch, back, beside):
        verb.add_argument("--health-s", type=float, default=HEALTH_S)
        verb.add_argument("--steady-s", type=float, default=STEADY_S)
    for verb in (switch, back):
        verb.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    verbs.add_parser("settle", help="take back a switch that was cut off")
    verbs.add_parser("run", help="become the camera")
    verbs.add_parser("unshadow", help="and no longer")
    verbs.add_parser("status", help="how everything is")
    gone = verbs.add_parser("uninstall", help="remove everything")
    gone.add_argument("--people", action="store_true", help="gallery and events, too")
    return parser

"""What is done with boards that run already: how they are, back, on, and off again."""

from __future__ import annotations

from typing import Any

from devices.deploy import SLACK_S
from devices.fleet import Board, Outcome
from devices.meet import install, meet
from edgecnn.errors import DeployError

HEALTH_S = 60
"""How long a camera may take to become healthy."""


def greeted(board: Board) -> None:
    """Meet a board that edgecnn runs on.

    Raises:
        DeployError: it does not, or the board does not let us.
    """
    meet(board)
    if board.greeting["half"] is None:
        raise DeployError("nothing is deployed there: edgecnn deploy BUNDLE HOST")


def status(board: Board) -> Outcome:
    """How a board is.

    Raises:
        DeployError: it cannot be told.
    """
    greeted(board)
    facts = board.ask("status")
    healthy = facts["service"] == "active" and facts["current"] is not None
    told = "" if healthy else f"the camera is {facts['service']}: journalctl -u edgecnn-camera"
    return Outcome("done" if healthy else "failed", told, facts)


def rollback(board: Board) -> Outcome:
    """Back to the good release before the current one.

    Raises:
        DeployError: there is none, or it did not become healthy.
    """
    greeted(board)
    install(board)
    answer = board.ask("rollback", timeout_s=2 * HEALTH_S + SLACK_S)
    return Outcome("done", f"runs release {answer['id']} again", answer)


def promote(board: Board) -> Outcome:
    """Have the release that runs beside take the place of the current one.

    Raises:
        DeployError: none runs beside, or it did not become healthy; then the old one runs again.
    """
    greeted(board)
    install(board)
    beside = board.ask("status")["shadow"]
    if beside is None:
        raise DeployError("no release runs beside the current one: edgecnn deploy --shadow first")
    board.ask("activate", beside, timeout_s=2 * HEALTH_S + SLACK_S)
    board.ask("unshadow", timeout_s=SLACK_S)
    return Outcome("done", f"runs release {beside}", {"release": beside})


def undeploy(board: Board, people: bool) -> Outcome:
    """Take edgecnn off a board.

    Args:
        people: the people enrolled and events, too.

    Raises:
        DeployError: something could not be removed.
    """
    greeted(board)
    install(board)
    answer = board.ask("uninstall", *(["--people"] if people else []), timeout_s=SLACK_S)
    left = "" if people else "; the people enrolled stay in /var/lib/edgecnn: --people removes them"
    return Outcome("done", f"removed{left}", answer or {})


COLUMNS = (
    "board", "release", "edgecnn", "service", "up", "runs on", "frames/s", "p95 ms", "°C",
    "MB free", "beside",
)  # fmt: skip


def row(name: str, facts: dict[str, Any]) -> tuple[str, ...]:
    """A board's line of the table of :data:`COLUMNS`; ``-`` for what is not known.

    Args:
        facts: as the board's half tells them.
    """
    camera = facts.get("status") or {}
    latency = camera.get("latency_ms") or {}
    shadow = camera.get("shadow") or {}
    since = facts.get("since_s")
    judged = shadow.get("agree", 0) + shadow.get("disagree", 0)
    beside = facts.get("shadow")
    if beside and judged:
        beside = f"{beside} {shadow['disagree']} of {judged} differ"
    temperature = facts.get("temperature_c") or camera.get("temperature_c")
    values = (
        facts.get("current"),
        facts.get("edgecnn") or camera.get("edgecnn"),
        facts.get("service"),
        None if since is None else _span(since),
        camera.get("runs_on"),
        None if camera.get("fps") is None else f"{camera['fps']:.1f}",
        None if latency.get("p95") is None else f"{latency['p95']:.0f}",
        None if temperature is None else f"{temperature:.0f}",
        facts.get("free_mb"),
        beside,
    )
    return (name, *("-" if value is None else str(value) for value in values))


def _span(seconds: float) -> str:
    """``"3 d"``, ``"5 h"``, ``"12 min"`` or ``"40 s"``.

    >>> _span(7300)
    '2 h'
    """
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"

"""What the doctor says of one thing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

RECOGNITION, DEPLOY = "recognition", "deploy"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        topic: what.
        state: ``"ok"``, ``"note"`` (works without it) or ``"problem"``.
        found: what was found, in words.
        cure: what to do, '' where there is nothing to do.
        stops: what does not work while this is a problem: :data:`RECOGNITION` on that machine as it
            is, a :data:`DEPLOY` to it.
    """

    topic: str
    state: str
    found: str
    cure: str = ""
    stops: tuple[str, ...] = ()


def ok(topic: str, found: str) -> Finding:
    return Finding(topic, "ok", found)


def note(topic: str, found: str, cure: str = "") -> Finding:
    return Finding(topic, "note", found, cure)


def problem(topic: str, found: str, cure: str, *stops: str) -> Finding:
    return Finding(topic, "problem", found, cure, stops)


def works(findings: Iterable[Finding], what: str = RECOGNITION) -> bool:
    """Whether :data:`RECOGNITION` or a :data:`DEPLOY` works, as far as was looked."""
    return not any(what in f.stops for f in findings)

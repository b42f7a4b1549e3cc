"""One thing that was looked at, and what follows from all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

RECOGNITION, DEPLOY = "recognition", "deploy"
BOTH = (RECOGNITION, DEPLOY)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        topic: what.
        state: ``"ok"``, ``"note"`` (works without it) or ``"problem"``.
        found: what was found, in words.
        cure: what to do, '' where there is nothing to do.
        blocks: what does not work there while this is a problem: ``"recognition"`` with what is
            installed, ``"deploy"`` of a release.
    """

    topic: str
    state: str
    found: str
    cure: str = ""
    blocks: tuple[str, ...] = ()


def works(findings: Iterable[Finding], what: str = RECOGNITION) -> bool:
    """Whether nothing stands in the way of recognition, or of a deploy."""
    return not any(what in f.blocks for f in findings if f.state == "problem")

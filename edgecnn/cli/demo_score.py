"""How the demo counts: every frame against what is really in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn.cli.demo_faces import FIRST, SECOND

if TYPE_CHECKING:
    from edgecnn.camera.sources.synthetic import Truth
    from edgecnn.cli.demo_faces import Watched
    from edgecnn.faces.types import Recognition

OVERLAP = 0.2
"""Smallest IoU of a found face with a true one to be the same. The photos hang far apart, and of a
face that is cut off by the frame's edge a detector may see more or less."""


@dataclass(frozen=True)
class Verdict:
    """One frame, judged.

    Attributes:
        named: what each face that is whole was called: the name, None for unknown.
        found: whose faces, of those that are whole, were found at all.
        strangers: names given where that person's face is not.
    """

    named: dict[str, str | None]
    found: frozenset[str]
    strangers: tuple[str, ...]


def judge(truths: Sequence[Truth], outcome: Sequence[Recognition]) -> Verdict:
    """Compare what was found in a frame with what is there.

    A found face belongs to the true one that it overlaps most, if by :data:`OVERLAP` at least.
    """
    import numpy as np

    from edgecnn.faces.boxes import box_iou

    boxes = np.array([r.detection.box_xyxy for r in outcome]).reshape(-1, 4)
    overlaps = box_iou(np.array([t.box_xyxy for t in truths]).reshape(-1, 4), boxes)
    owners = [
        truths[int(column.argmax())] if column.size and column.max() >= OVERLAP else None
        for column in overlaps.T
    ]
    named: dict[str, str | None] = {t.name: None for t in truths if t.whole}
    found = set()
    for owner, face in zip(owners, outcome, strict=True):
        if owner and owner.name in named:
            found.add(owner.name)
            # Should one face be found twice, a wrong name counts before a right one before none.
            if face.name and (named[owner.name] in (None, owner.name)):
                named[owner.name] = face.name
    strangers = tuple(
        face.name
        for owner, face in zip(owners, outcome, strict=True)
        if face.name and face.name != (owner and owner.name)
    )
    return Verdict(named, frozenset(found), strangers)


def count(verdicts: Sequence[Verdict], name: str) -> dict[str, int]:
    """Frames in which the face of ``name`` is whole, by what it was called."""
    called = [v.named[name] for v in verdicts if name in v.named]
    return {
        "whole": len(called),
        "named_right": sum(c == name for c in called),
        "named_wrong": sum(c is not None and c != name for c in called),
        "missed": sum(c is None for c in called),
        "found": sum(name in v.found for v in verdicts),
    }


def figures(first: Watched, second: Watched) -> dict[str, Any]:
    """What stands under ``faces`` in ``summary.json``; see there in docs."""
    verdicts = [[judge(*pair) for pair in zip(w.truths, w.outcomes, strict=True)]
                for w in (first, second)]  # fmt: skip
    alone, both = verdicts
    assert first.stats and second.stats
    latencies = list(first.stats.latencies_ms)
    return {
        "frames": len(alone),
        **count(alone, FIRST),
        "strangers_named": sum(bool(v.strangers) for v in alone),
        "fps": 1e3 * len(latencies) / max(1e-9, sum(latencies)),
        "latency_ms": first.stats.latency,
        "stages_ms": first.stages_ms,
        "empty_frames": sum(not truths for truths in first.truths),
        "stranger": count(alone, SECOND),
        "second_run": {
            **{name: count(both, name) for name in (FIRST, SECOND)},
            "strangers_named": sum(bool(v.strangers) for v in both),
        },
    }

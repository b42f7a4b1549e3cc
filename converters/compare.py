"""Two networks' answers to the same samples, one by one: what was lost, for whom, how surely.

Pure numpy on :class:`edgecnn.training.answers.Answers`; nothing here knows what the task is.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from converters.faults import Finding
from edgecnn.images import Floats
from edgecnn.training.answers import Answers
from edgecnn.training.measures import calibration_error, reliability

Ints = npt.NDArray[np.int64]

FEWEST = 10
"""Samples that a class or a person needs to be called the worst, where any has so many: of one
sample, a flip is a drop by 100 points."""


@dataclass(frozen=True)
class Group:
    """A class or a person.

    Attributes:
        samples: how many it has.
        before, after: share of them that is right in float and in int8, 0…1.
        worse, better: how many int8 got wrong that float had right, and the other way.
    """

    name: str
    samples: int
    before: float
    after: float
    worse: int
    better: int

    @property
    def drop(self) -> float:
        """What int8 lost."""
        return self.before - self.after


@dataclass(frozen=True, eq=False)
class Comparison:
    """Float and int8 on the same held-out samples.

    Attributes:
        part: of the run's data: ``test``, or ``validation`` where none was kept.
        before, after: what float and what int8 answered.
        findings: what is doubtful about the calibration or the network.
        healing: the cures that were tried, as :meth:`converters.heal.Case.facts` gives it; empty
            where none was asked for.
    """

    part: str
    before: Answers
    after: Answers
    findings: list[Finding] = field(default_factory=list)
    healing: dict[str, Any] = field(default_factory=dict)

    @property
    def headline(self) -> str:
        """The figure that decides."""
        return next(iter(self.before.figures))

    @property
    def drop(self) -> float:
        """What int8 lost of the headline figure, a share of 1; negative where it gained."""
        return self.before.figures[self.headline] - self.after.figures[self.headline]

    @property
    def worse(self) -> Ints:
        """Samples in which int8 has more wrong than float, the largest change first."""
        return self._changed(self.after.faults > self.before.faults)

    @property
    def better(self) -> Ints:
        """Samples in which int8 has less wrong."""
        return self._changed(self.after.faults < self.before.faults)

    @property
    def agreement(self) -> float:
        """Share of the samples with the same answer, right or not; 1 of none."""
        same = [a == b for a, b in zip(self.before.said, self.after.said, strict=True)]
        return float(np.mean(same)) if same else 1.0

    @cached_property
    def groups(self) -> list[Group]:
        """Classes or people, who lost most first; of equals the least right, then by name. Those
        with fewer than :data:`FEWEST` samples come last."""
        members = defaultdict(list)
        for i, names in enumerate(self.before.groups):
            for name in names:
                members[name].append(i)
        before, after = self.before.faults, self.after.faults
        found = [
            Group(
                name,
                len(rows),
                float(np.mean(before[rows] == 0)),
                float(np.mean(after[rows] == 0)),
                int(np.sum(after[rows] > before[rows])),
                int(np.sum(after[rows] < before[rows])),
            )
            for name, rows in members.items()
        ]
        return sorted(found, key=lambda g: (g.samples < FEWEST, -g.drop, g.after, g.name))

    @property
    def errors(self) -> tuple[float, float] | None:
        """Expected calibration error of float and of int8; None without probabilities."""
        pairs = [(a.sureness, a.hits) for a in (self.before, self.after)]
        found = [calibration_error(s, h) for s, h in pairs if s is not None and h is not None]
        return (found[0], found[1]) if len(found) == 2 else None

    @property
    def cosines(self) -> Floats | None:
        """``(M,)`` similarity of float's and int8's embedding of each picture."""
        if self.before.vectors is None or self.after.vectors is None:
            return None
        return np.asarray(
            np.sum(self.before.vectors.values * self.after.vectors.values, axis=1), np.float32
        )

    def metrics(self) -> dict[str, dict[str, float]]:
        """For the manifest: all figures of both."""
        return {"float": self.before.figures, "int8": self.after.figures}

    def facts(self) -> dict[str, Any]:
        """What may travel: no file, and nobody's name."""
        groups, errors, cosines = self.groups, self.errors, self.cosines
        found: dict[str, Any] = {
            "part": self.part,
            "samples": len(self.before),
            **self.metrics(),
            "headline": self.headline,
            "drop": self.drop,
            "agreement": self.agreement,
            "worse": len(self.worse),
            "better": len(self.better),
        }
        if errors:
            found["calibration_error"] = {"float": errors[0], "int8": errors[1]}
        if cosines is not None:
            found["cosine"] = {
                "mean": float(cosines.mean()),
                "percentile_5": float(np.percentile(cosines, 5)),
                "worst": float(cosines.min()),
            }
        if groups:
            shown = groups[:1] if self.before.sensitive else groups
            found["groups"] = [self._row(g, named=not self.before.sensitive) for g in shown]
        found["findings"] = [{"kind": f.kind, "text": f.text} for f in self.findings]
        if self.healing:
            found["healing"] = self.healing
        return found

    def details(self) -> dict[str, Any]:
        """What stays with the run: :meth:`facts` with every group, the flipped samples, and the
        bins of :func:`edgecnn.training.measures.reliability`."""
        flips = {"worse": self.worse, "better": self.better}
        both = {"float": self.before, "int8": self.after}
        bins = {
            name: reliability(of.sureness, of.hits).tolist()
            for name, of in both.items()
            if of.sureness is not None and of.hits is not None
        }
        return {
            **self.facts(),
            **({"reliability": bins} if bins else {}),
            "groups": [self._row(g, named=True) for g in self.groups],
            "flips": {name: [self._flip(i) for i in rows] for name, rows in flips.items()},
        }

    def _changed(self, rows: npt.NDArray[np.bool_]) -> Ints:
        change = np.abs(self.after.faults - self.before.faults)
        found = np.flatnonzero(rows)
        return np.asarray(found[np.argsort(-change[found], kind="stable")], np.int64)

    def _row(self, group: Group, *, named: bool) -> dict[str, Any]:
        row = {
            "name": group.name,
            "samples": group.samples,
            "float": group.before,
            "int8": group.after,
            "worse": group.worse,
            "better": group.better,
        }
        return row if named else {k: v for k, v in row.items() if k != "name"}

    def _flip(self, i: int) -> dict[str, Any]:
        return {
            "sample": self.before.names[i],
            "groups": list(self.before.groups[i]),
            "float": f"{self.before.said[i]} ({self.before.notes[i]})",
            "int8": f"{self.after.said[i]} ({self.after.notes[i]})",
        }

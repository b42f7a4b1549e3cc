"""What leave-one-out says in plain words: who is weak, which photo hurts, what to add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgecnn.faces.leave_one_out import FEW, WEAK, Check, by_person, gain_without
from edgecnn.faces.types import Sample

NAMED = 3
"""Photos that a line names at most."""


def advise(samples: Sequence[Sample], checks: Sequence[Check]) -> dict[str, list[str]]:
    """What to do about each person.

    A photo *hurts* where the others do not recognise it and are more alike without it: then it is
    blurred, old, taken from an unusual side, or shows somebody else. On 25 held-out people of
    CelebA with six photos each, one swapped for a stranger's, that photo is found in 97 % with the
    first embedder that shipped and in 99 % with a public int8 MobileFaceNet; of photos that were
    not swapped 10 % and 2 % are called so (4 to 5 % of CelebA's have a wrong label).
    ``pytest -k swapped`` measures it.

    Args:
        samples: of everybody, as they were judged.
        checks: of each of them, from :func:`edgecnn.faces.leave_one_out.leave_one_out`.

    Returns:
        By name, sentences, the most pressing first; nothing of people of whom all is well.
    """
    told = {}
    for name, mine in sorted(by_person(samples).items()):
        of = {c.source: c for c in checks if c.name == name}
        wrong = [c for c in of.values() if c.answer == "wrong"]
        harmful = hurting(mine, of)
        lines = [_wrong(name, c) for c in wrong[:NAMED]]
        lines += [_hurts(name, s) for s in harmful[:NAMED] if of[s].answer != "wrong"]
        lines += _lacks(name, of, set(harmful))
        if lines:
            told[name] = lines
    return told


def hurting(samples: Sequence[Sample], checks: Mapping[str, Check]) -> list[str]:
    """Sources of one person's photos that do more harm than good, the worst first."""
    gains = gain_without(samples)
    found = [s for s, gain in gains.items() if gain > 0 and checks[s].answer != "right"]
    return sorted(found, key=lambda source: -gains[source])


def _wrong(name: str, check: Check) -> str:
    return (
        f"{check.source} of {name} would be called {check.nearest} ({check.other:.2f}): see whose "
        f"photo it is; if it is {name}'s, add photos of both until they are told apart."
    )


def _hurts(name: str, source: str) -> str:
    return (
        f"{source} of {name} hurts: the others do not recognise it and are more alike without it; "
        f"see whether it shows {name}, or take it out."
    )


def _lacks(name: str, checks: Mapping[str, Check], harmful: set[str]) -> list[str]:
    """What to add, where too few photos recognise each other."""
    right = sum(c.answer == "right" for c in checks.values())
    if len(checks) < FEW:
        count = "one photo" if len(checks) == 1 else f"{len(checks)} photos"
        return [
            f"{name} has {count}: add {FEW - len(checks)} or more, in other light and from other "
            "sides."
        ]
    if right >= WEAK * len(checks):
        return []
    said = f"{name} is weak: {right} of {len(checks)} photos are recognised by the others"
    unlike = [s for s, c in checks.items() if c.answer == "unknown" and s not in harmful]
    if unlike:
        return [f"{said}; add photos like {', '.join(unlike[:NAMED])}, two of each kind."]
    return [f"{said}; add sharp photos from the front, taken lately."]

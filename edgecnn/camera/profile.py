"""Where the time of a run went, as a table and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgecnn.camera.stages import LOOP, Stages
from edgecnn.errors import DataError, StorageError
from edgecnn.images import Image
from edgecnn.storage import whole_file

SAYS = {
    "camera": "wait for the camera",
    "motion": "does anything move",
    "recognise": "recognise",
    "sinks": "hand over to outputs",
}
SUFFIXES = (".png", ".jpg", ".webp")


class Row(NamedTuple):
    """One stage of a run.

    Attributes:
        name: in words.
        kind: ``loop`` for the stages that follow one another, ``part`` for what recognising is
            made of, ``beside`` for what ran in a thread of its own.
        times: how often it ran.
        p50_ms, p95_ms: of the last 2,000 times.
        share: 0…1 of the run's time. Those of ``loop`` add up to 1.
    """

    name: str
    kind: str
    times: int
    p50_ms: float
    p95_ms: float
    share: float


def rows(stages: Stages) -> list[Row]:
    """Every stage that ran: the loop's in their order, each followed by its parts, then sinks."""
    found = []
    order = [s for s in LOOP if s in stages.taken]
    inner = [s for s in stages.taken if s not in LOOP and not s.startswith("sink ")]
    beside = sorted(s for s in stages.taken if s.startswith("sink "))
    at = order.index("recognise") + 1 if "recognise" in order else len(order)
    for stage in [*order[:at], *inner, *order[at:], *beside]:
        taken = stages.taken[stage]
        kind = "loop" if stage in LOOP else "beside" if stage in beside else "part"
        name = SAYS.get(stage, stage.removeprefix("sink "))
        ms = taken.summary
        share = taken.seconds / max(stages.loop_seconds, 1e-9)
        found.append(Row(name, kind, taken.count, ms["p50_ms"], ms["p95_ms"], share))
    return found


MARKS = {"loop": "", "part": "  ", "beside": "beside: "}


def table(stages: Stages) -> list[str]:
    """Lines to print; none where nothing ran."""
    found = rows(stages)
    if not found:
        return []
    names = [MARKS[row.kind] + row.name for row in found]
    width = max(map(len, names))
    lines = [f"{'stage':{width}}  {'times':>8}  {'p50 ms':>8}  {'p95 ms':>8}  {'share':>6}"]
    for name, row in zip(names, found, strict=True):
        ms = f"{row.p50_ms:8.2f}  {row.p95_ms:8.2f}"
        lines.append(f"{name:{width}}  {row.times:8,}  {ms}  {row.share:6.1%}")
    return lines


def check(path: Path) -> Path:
    """The path itself.

    Raises:
        DataError: no picture can be written under that name.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(
            f"expected a picture's name for --profile, ending in {', '.join(SUFFIXES)}. "
            f"Received: {path}"
        )
    return path


def write(stages: Stages, path: Path, title: str) -> None:
    """Write the picture.

    Raises:
        StorageError: it could not be written.
    """
    import cv2

    there, packed = cv2.imencode(path.suffix.lower(), draw(stages, title))
    if not there:
        raise StorageError(f"this OpenCV cannot write {path}: choose a .png")
    with whole_file(path) as draft:
        draft.write_bytes(packed.tobytes())


WIDTH, LINE, LEFT, RIGHT = 1100, 34, 300, 190
INK, PALE, GRID = (40, 40, 40), (120, 120, 120), (225, 225, 225)
# Blue, orange and green of Okabe & Ito's palette, told apart with every kind of colour vision; BGR.
COLOURS = {"loop": (178, 114, 0), "part": (233, 180, 86), "beside": (0, 159, 230)}
KINDS = {
    "loop": "the loop, one after another",
    "part": "of recognising",
    "beside": "beside, in a thread of its own",
}


def draw(stages: Stages, title: str) -> Image:
    """Bars from 0 to the 50th percentile, thin ones on to the 95th, and each stage's share.

    Returns:
        ``(H, 1100, 3)`` uint8 BGR.
    """
    import cv2

    found = rows(stages)
    picture = np.full((LINE * (len(found) + 5), WIDTH, 3), 255, np.uint8)
    longest = max((row.p95_ms for row in found), default=1.0) or 1.0
    step = _round_up(longest / 5)
    scale = (WIDTH - LEFT - RIGHT - 20) / longest
    _text(picture, title, (16, 28), INK, 0.6)
    at = 16
    for kind, says in KINDS.items():
        cv2.rectangle(picture, (at, LINE + 10), (at + 14, LINE + 24), COLOURS[kind], cv2.FILLED)
        _text(picture, says, (at + 22, LINE + 23), INK)
        at += 300
    top, bottom = 2 * LINE + 8, LINE * (len(found) + 3)
    for k in range(int(longest / step) + 1):
        x = round(LEFT + k * step * scale)
        cv2.line(picture, (x, top), (x, bottom), GRID, 1)
        _text(picture, f"{k * step:g}", (x - 8, bottom + 18), PALE)
    _text(picture, "milliseconds: median, line to the 95th percentile", (LEFT, bottom + 42), PALE)
    _text(picture, "median, share of the time", (WIDTH - RIGHT - 10, top), PALE)
    for i, row in enumerate(found):
        y = top + 14 + i * LINE
        _text(picture, row.name, (16 + 24 * (row.kind == "part"), y + 13), INK)
        x50, x95 = (round(LEFT + ms * scale) for ms in (row.p50_ms, row.p95_ms))
        cv2.rectangle(picture, (LEFT, y), (max(x50, LEFT + 1), y + 16), COLOURS[row.kind], -1)
        cv2.line(picture, (LEFT, y + 8), (x95, y + 8), INK, 1)
        cv2.line(picture, (x95, y + 3), (x95, y + 13), INK, 1)
        said = f"{row.p50_ms:.2f} ms, {row.share:.1%}"
        _text(picture, said, (max(x95 + 10, WIDTH - RIGHT), y + 13), INK)
    return picture


def _round_up(value: float) -> float:
    """1, 2 or 5 times a power of ten, not below ``value``."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(m * power for m in (1, 2, 5, 10) if m * power >= value * (1 - 1e-9)))


def _text(
    picture: Image, text: str, foot_xy: tuple[int, int], colour: tuple[int, ...], size: float = 0.45
) -> None:
    import cv2

    cv2.putText(picture, text, foot_xy, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)

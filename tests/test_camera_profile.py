"""The profile: shares that add up, a table that lines up, a picture that shows what it says."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecnn.camera.profile import COLOURS, LEFT, LINE, check, draw, rows, table, write
from edgecnn.camera.stages import KEPT, Stages
from edgecnn.errors import DataError, StorageError


def stages() -> Stages:
    """Four rounds of 20 ms: waiting 5, motion 1, recognising 10, handing over 4."""
    clock = [0.0]
    made = Stages(lambda: clock[0])
    for _ in range(4):
        for name, ms in (("camera", 5), ("motion", 1), ("recognise", 10), ("sinks", 4)):
            made.enter(name)
            clock[0] += ms / 1e3
        made.add("detect", 0.007)
        made.add("embed", 0.002)
        made.add("sink video", 0.016)
    made.enter("")
    return made


def test_shares_and_percentiles_by_hand() -> None:
    found = rows(stages())
    assert [(r.name, r.kind, r.times) for r in found] == [
        ("wait for the camera", "loop", 4),
        ("does anything move", "loop", 4),
        ("recognise", "loop", 4),
        ("detect", "part", 4),
        ("embed", "part", 4),
        ("hand over to outputs", "loop", 4),
        ("video", "beside", 4),
    ]
    assert [r.share for r in found] == pytest.approx([0.25, 0.05, 0.5, 0.35, 0.1, 0.2, 0.8])
    assert [r.p50_ms for r in found] == pytest.approx([5, 1, 10, 7, 2, 4, 16])
    assert sum(r.share for r in found if r.kind == "loop") == pytest.approx(1)


def test_the_table_lines_up() -> None:
    lines = table(stages())
    assert len({len(line) for line in lines}) == 1
    assert lines[3].split() == ["recognise", "4", "10.00", "10.00", "50.0%"]
    assert lines[4].startswith("  detect ") and lines[-1].startswith("beside: video ")


def test_nothing_ran() -> None:
    assert rows(Stages()) == [] and table(Stages()) == []


def test_months_do_not_fill_the_memory_and_the_sums_stay_whole() -> None:
    made = Stages()
    for i in range(KEPT + 500):
        made.add("detect", 0.001 if i < 500 else 0.003)
    taken = made.taken["detect"]
    assert (taken.count, len(taken.last_ms)) == (KEPT + 500, KEPT)
    assert taken.seconds == pytest.approx(0.5 + KEPT * 0.003)
    assert taken.summary["p50_ms"] == pytest.approx(3)


def test_bars_are_as_long_as_their_stages_and_in_their_kinds_colours() -> None:
    picture = draw(stages(), "a run")
    lengths = []
    for i, row in enumerate(rows(stages())):
        y = 2 * LINE + 8 + 14 + i * LINE + 3
        inside = np.all(picture[y, LEFT:] == COLOURS[row.kind], axis=1)
        lengths.append(int(inside.sum()))
    by_ms = np.array(lengths) / [5, 1, 10, 7, 2, 4, 16]
    assert by_ms.max() / by_ms.min() < 1.1


def test_the_picture_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "where.png"
    write(stages(), path, "a run")
    shown = cv2.imread(str(path))
    assert shown is not None and np.array_equal(shown, draw(stages(), "a run"))
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        write(stages(), tmp_path / "file" / "where.png", "a run")


@pytest.mark.parametrize("name", ["where.svg", "where", "bundle"])
def test_a_name_that_is_no_pictures_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="--profile"):
        check(Path(name))

"""How bad a face may be: reading limits off, and the whole on made-up people."""

import numpy as np
import pytest

from edgecnn.training.face_quality import SPOIL, Step, _grouped, lines, read_off


def steps(*pairs):
    return [Step(value, hits, 10) for value, hits in pairs]


@pytest.mark.parametrize(
    ("hits", "expected"),
    [(0.8, 20.0), (0.6, 15.0), (0.5, 12.5), (0.1, 6.0), (0.025, 5.0), (0.02, None), (0.95, None)],
)
def test_read_off(hits, expected):
    found = read_off(steps((30, 0.9), (20, 0.8), (10, 0.4), (5, 0.025)), hits)
    assert found == (expected if expected is None else pytest.approx(expected))


def test_read_off_where_nothing_is_lost():
    assert read_off(steps((30, 0.9), (20, 0.9)), 0.5) is None
    assert read_off(steps((30, 0.9)), 0.5) is None


def test_grouped():
    hits = np.array([True, False, True, True])
    found = _grouped([0.05, 0.07, 0.3, np.nan], hits, (0.1, 0.2))
    assert found == [Step(pytest.approx(0.06), 0.5, 2), Step(pytest.approx(0.3), 1.0, 1)]


@pytest.mark.parametrize("name", SPOIL)
def test_each_step_spoils_more(name):
    spoil, levels = SPOIL[name]
    rng = np.random.default_rng(0)
    face = rng.integers(60, 160, (112, 112, 3), np.uint8)
    first = np.asarray(spoil(face, levels[0]), float)
    change = [
        np.abs(np.clip(np.asarray(spoil(face, x), float), 0, 255) - face).mean() for x in levels
    ]
    assert np.abs(first - face).mean() == pytest.approx(0, abs=1) and change == sorted(change)


def test_lines_for_people():
    found = {
        "faces": 4, "people": 2, "untouched": 0.9, "hit_at": 0.4,
        "steps": {"yaw": [vars(Step(0.1, 0.5, 3))]},
        "limits": {"sharpness": {"90%": 0.02, "50%": None}},
    }  # fmt: skip
    text = "\n".join(lines(found))
    assert "90% at 0.02, 50% at none" in text and "50.0%" in text

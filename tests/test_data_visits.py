"""Made-up visits: who is in which group, and how much the frames of a visit have in common."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from edgecnn.data.visits import frames, held_out
from edgecnn.errors import DataError


def index(people=400, faces=6):
    """Two sets of faces, a third of the people with few photos."""
    return {
        f"{'ab'[p % 2]}/p{p}-{i}.png": f"p{p}"
        for p in range(people)
        for i in range(faces if p % 3 else 2)
    }


def test_nobody_is_in_two_groups():
    people = index()
    held = held_out(people, photos=3, strangers=1000)
    groups = [set(held.enrolled), set(held.strangers), set(held.cohort.values())]
    assert all(groups) and len(set.union(*groups)) == sum(map(len, groups))
    assert all(
        len(to_enrol) == 3 and len(visits) == 3 for to_enrol, visits in held.enrolled.values()
    )
    assert all(not set(a) & set(b) for a, b in held.enrolled.values())
    named = {f: p for p, files in held.strangers.items() for f in files}
    assert all(people[f] == p for f, p in named.items())


def test_the_nearest_strangers_come_first():
    people = {f: p for f, p in index(1200).items() if f.startswith("a") or int(p[1:]) % 3 == 0}
    held = held_out(people, photos=3, strangers=1000)
    sets = [files[0][0] for files in held.strangers.values()]
    assert set(sets) == {"a", "b"} and sets == sorted(sets)
    few = held_out(people, photos=3, strangers=4)
    assert list(few.strangers) == list(held.strangers)[:4]


def test_too_few_people():
    with pytest.raises(DataError, match="two of them with more than 3 faces"):
        held_out(index(people=12, faces=3), photos=3, strangers=10)


def picture(seed):
    rng = np.random.default_rng(seed)
    return cv2.resize(rng.integers(0, 256, (14, 14, 3), np.uint8), (112, 112))


def alike(a, b):
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def test_frames_are_reproducible_and_of_the_photos():
    photos = [picture(s) for s in range(3)]
    first, again = (list(frames(photos, 30, np.random.default_rng(7))) for _ in range(2))
    assert len(first) == 30 and all((a == b).all() for a, b in zip(first, again, strict=True))
    assert all(f.shape == (112, 112, 3) and f.dtype == np.uint8 for f in first)


def test_neighbours_resemble_each_other_and_are_not_the_same():
    pairs = []
    for seed in range(20):
        shown = list(frames([picture(s) for s in range(3)], 16, np.random.default_rng(seed)))
        assert not any((a == b).all() for a, b in pairwise(shown))
        pairs += [(alike(a, b), alike(a, c)) for a, b, c in zip(shown, shown[1:], shown[8:],
                                                                strict=False)]  # fmt: skip
    next_one, later = np.median(pairs, axis=0), np.mean(pairs, axis=0)
    assert next_one[0] > 0.9 and later[0] > later[1] + 0.1

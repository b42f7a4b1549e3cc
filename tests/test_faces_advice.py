"""Plain words about each person: weak, hurt by a photo, or well."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.bundle import ASSETS, Bundle
from edgecnn.data import aligned
from edgecnn.faces.advice import advise, hurting
from edgecnn.faces.embed import Embedder, unit
from edgecnn.faces.leave_one_out import leave_one_out
from edgecnn.faces.types import Sample
from edgecnn.images import Preprocess

THRESHOLD = 0.5
AXES = np.eye(16, dtype=np.float32)


def photos(name: str, axis: int, count: int, spread: float = 0.6) -> list[Sample]:
    """Photos about one axis: cosines of about ``1 / (1 + spread²)`` with each other."""
    rng = np.random.default_rng(axis)
    noise = rng.normal(size=(count, 16)).astype(np.float32)
    noise[:, :4] = 0  # the axes that people lie on
    rows = unit(AXES[axis] + spread * unit(noise))
    return [Sample(name, row, 0.9, f"{name}{i}.jpg") for i, row in enumerate(rows)]


def told(samples: list[Sample]) -> dict[str, list[str]]:
    return advise(samples, leave_one_out(samples, THRESHOLD))


def test_nothing_is_said_where_all_is_well() -> None:
    assert told([*photos("Ann", 0, 5), *photos("Bob", 1, 5)]) == {}
    assert advise([], []) == {}


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1, "Ann has one photo: add 2 or more, in other light and from other sides."),
        (2, "Ann has 2 photos: add 1 or more, in other light and from other sides."),
    ],
)
def test_too_few_photos(count: int, said: str) -> None:
    assert told([*photos("Ann", 0, count), *photos("Bob", 1, 5)]) == {"Ann": [said]}


def test_a_photo_of_nobody_known_hurts() -> None:
    stranger = Sample("Ann", AXES[2], 0.9, "party.jpg")
    said = told([*photos("Ann", 0, 5), stranger, *photos("Bob", 1, 5)])
    assert list(said) == ["Ann"] and len(said["Ann"]) == 1
    assert said["Ann"][0].startswith("party.jpg of Ann hurts")


def test_a_photo_of_somebody_else_is_said_whose() -> None:
    swapped = Sample("Ann", photos("Bob", 1, 6)[5].embedding, 0.9, "swapped.jpg")
    said = told([*photos("Ann", 0, 5), swapped, *photos("Bob", 1, 5)])
    assert list(said) == ["Ann"] and len(said["Ann"]) == 1
    assert "swapped.jpg of Ann would be called Bob" in said["Ann"][0]


def test_two_looks_of_one_person_ask_for_more_of_both() -> None:
    glasses = photos("Ann", 2, 3)[:3]
    samples = [*photos("Ann", 0, 3), *(Sample("Ann", s.embedding, 0.9, f"g{s.source}")
               for s in glasses)]  # fmt: skip
    checks = leave_one_out(samples, 0.85)
    lines = advise(samples, checks)["Ann"]
    assert any("is weak: " in line and "of 6 photos are recognised" in line for line in lines)


def test_few_names_stand_in_a_line() -> None:
    rng = np.random.default_rng(0)
    samples = [Sample("Ann", unit(rng.normal(size=16)), 0.9, f"{i}.jpg") for i in range(9)]
    assert all(line.count(".jpg") <= 3 for line in told(samples)["Ann"])


@pytest.mark.data
def test_a_swapped_photo_is_found_among_held_out_people(shared_data: Path) -> None:
    folder = shared_data / "faces112"
    people = aligned.index(folder)
    parts = aligned.split(people, 0)
    held_out = {f: p for part in ("validation", "test") for f, p in parts[part].items() if p}
    files: dict[str, list[str]] = {}
    for file, person in held_out.items():
        files.setdefault(person, []).append(file)
    several = {p: f[:6] for p, f in files.items() if len(f) >= 6}
    assert len(several) >= 20
    bundle = Bundle(ASSETS)
    embed = Embedder.of(bundle, 1, mirror=True)
    faces = aligned.load(
        folder, {f: p for p, six in several.items() for f in six},
        Preprocess((112, 112), "BGR", "stretch"),
    )  # fmt: skip
    rows = np.stack([embed(face) for face in faces.pixels]).reshape(len(several), 6, -1)
    threshold, found, blamed = 0.4, 0, 0
    for i in range(len(several)):
        whole = [Sample("a", row, 1.0, str(k)) for k, row in enumerate(rows[i])]
        checks = {c.source: c for c in leave_one_out(whole, threshold)}
        blamed += len(hurting(whole, checks))
        mixed = [*whole[:5], Sample("a", rows[i - 1][0], 1.0, "swapped")]
        checks = {c.source: c for c in leave_one_out(mixed, threshold)}
        found += "swapped" in hurting(mixed, checks)
    assert found >= 0.9 * len(several), f"{found} of {len(several)}"
    assert blamed <= 0.15 * 6 * len(several), f"{blamed} of {6 * len(several)}"

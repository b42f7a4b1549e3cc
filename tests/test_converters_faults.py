"""The classic faults of a calibration set: each is built and found, and a healthy set passes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from photo_folder import make_photos

from converters import calibrate, faults
from edgecnn.errors import ConversionError
from edgecnn.images import Image, Preprocess, read_image
from edgecnn.training import images
from edgecnn.training.run import Run

LABELS = ["ant", "bee", "cat"]


def photos_of(count: int, seed: int = 0) -> list[Image]:
    """Made-up BGR photos, bluish and of many brightnesses."""
    rng = np.random.default_rng(seed)
    means = rng.integers(40, 160, (count, 1, 1, 1)) + np.array([60, 20, -30])
    return list(np.clip(means + rng.normal(0, 25, (count, 24, 32, 3)), 0, 255).astype(np.uint8))


def prepared(photos: list[Image], **options: Any) -> Image:
    return np.stack([Preprocess((16, 12), **options)(p) for p in photos])


# Repeated samples.


def test_a_generator_that_yields_one_picture_is_refused() -> None:
    one = np.repeat(prepared(photos_of(1)), 64, axis=0)
    with pytest.raises(ConversionError, match=r"64 calibration pictures of which 1 are different"):
        faults.repeats(one)


@pytest.mark.parametrize(
    ("copies", "found"), [(0, None), (10, None), (11, "repeats"), (50, "repeats"), (51, "refused")]
)
def test_some_copies_are_usual_many_doubtful_most_refused(copies: int, found: str | None) -> None:
    pixels = prepared(photos_of(100))
    pixels[100 - copies :] = pixels[0]
    if found == "refused":
        with pytest.raises(ConversionError, match="100 calibration pictures of which 49"):
            faults.repeats(pixels)
    else:
        assert [f.kind for f in faults.repeats(pixels)] == ([found] if found else [])


def test_one_picture_and_none_are_no_copies() -> None:
    pixels = prepared(photos_of(2))
    assert faults.repeats(pixels[:1]) == faults.repeats(pixels[:0]) == []


# Classes.


def test_a_class_without_pictures_is_refused_where_there_is_room_for_it() -> None:
    with pytest.raises(ConversionError, match=r"of 3 classes 1 have no calibration picture \(bee"):
        faults.missing_classes(np.array([0, 2, 0, 2]), LABELS)


def test_fewer_pictures_than_classes_are_told_with_the_number_needed() -> None:
    (finding,) = faults.missing_classes(np.array([0, 2]), LABELS)
    assert finding.kind == "classes" and "--calibration 3" in finding.text
    many = [f"c{i}" for i in range(9)]
    (finding,) = faults.missing_classes(np.array([0, 1]), many)
    assert "(c2, c3, c4 and 4 more)" in finding.text


def test_all_classes_are_well() -> None:
    assert faults.missing_classes(np.array([2, 1, 0]), LABELS) == []


# Preprocessing.


def test_the_same_preprocessing_passes_whatever_else_is_in_the_set() -> None:
    photos = photos_of(20)
    pixels = prepared(photos + photos_of(20, seed=1))  # as a detector's mosaics
    assert faults.other_preprocessing(pixels, prepared(photos)) == []
    assert faults.other_preprocessing(pixels, []) == []


WRONG: list[tuple[Callable[[Image], Any], str]] = [
    (lambda p: p[..., ::-1], "channels stand in the other order"),
    (lambda p: np.rint(p / 255), "range is 0 to 1, not 0 to 255"),
    (lambda p: p // 255, "range is 0 to 1, cut"),
    (lambda p: p // 2, "range is halved"),
    (lambda p: p.view(np.int8).astype(np.int16) + 128, "mean is taken off twice"),
    (lambda p: 255 - p, "black and white are exchanged"),
    (lambda p: p // 8, "range differs"),
    (lambda p: np.clip(p.astype(int) + 70, 0, 255), "mean differs"),
]


@pytest.mark.parametrize(("change", "name"), WRONG)
def test_other_preprocessing_is_refused_by_name(change: Callable[[Image], Any], name: str) -> None:
    right = prepared(photos_of(20))
    wrong = change(right).astype(np.uint8)
    with pytest.raises(ConversionError, match=rf"{name}.*mean of each channel.*own Preprocess"):
        faults.other_preprocessing(wrong, right)


def test_exchanged_channels_are_found_under_another_interpolation() -> None:
    photos = photos_of(40)
    other = np.stack([cv2.resize(p, (16, 12), interpolation=cv2.INTER_NEAREST) for p in photos])
    with pytest.raises(ConversionError, match="channels stand in the other order"):
        faults.other_preprocessing(other, prepared(photos))  # BGR where RGB is served
    (finding,) = faults.other_preprocessing(other[..., ::-1], prepared(photos))
    assert finding.kind == "preprocessing" and "interpolation" in finding.text


def test_another_size_is_refused() -> None:
    photos = photos_of(4)
    with pytest.raises(ConversionError, match=r"shape \(12, 16, 1\).*Received: \(12, 16, 3\)"):
        faults.other_preprocessing(prepared(photos), prepared(photos, order="GRAY"))


# All of it, through a task's own samples.


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run of photos in three classes, as far as calibration looks."""
    data = make_photos(tmp_path / "photos", LABELS, 12)
    run = Run.start(tmp_path / "run", "images", {"data": str(data)})
    run.note(labels=LABELS, input=Preprocess((10, 12)).to_dict())
    names = [f"{label}/{i:02}.png" for label in LABELS for i in range(12)]
    run.write_split({"train": names, "validation": [], "test": []})
    return run


def test_a_healthy_run_has_no_fault(run: Run, tmp_path: Path) -> None:
    found = calibrate.pick(images, run, tmp_path / "c.npy", 30, seed=1)
    assert found.findings == [] and found.facts["count"] == 30
    assert np.array_equal(np.load(tmp_path / "c.npy"), found.pixels)
    again = calibrate.pick(images, run, tmp_path / "d.npy", 30, seed=1)
    assert again.facts == found.facts
    assert calibrate.pick(images, run, tmp_path / "e.npy", 30, seed=2).facts != found.facts


def test_originals_are_the_photos_of_the_samples(run: Run) -> None:
    pixels, _ = images.samples(run, "train", 9, seed=4)
    preprocess = Preprocess.from_dict(run.facts["input"])
    photos = list(images.originals(run, "train", 9, seed=4))
    assert np.array_equal(pixels, np.stack([preprocess(p) for p in photos]))
    names = run.split["train"]
    files = {read_image(Path(run.facts["settings"]["data"]) / n).tobytes() for n in names}
    assert {p.tobytes() for p in photos} <= files


def spoilt(samples: Callable[..., Any]) -> Any:
    """The task with other samples."""

    class Task:
        originals = staticmethod(images.originals)

    Task.samples = staticmethod(samples)  # type: ignore[attr-defined]
    return Task


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x, y: (x[..., ::-1], y), "other order"),
        (lambda x, y: (np.repeat(x[:1], len(x), 0), y), "of which 1 are different"),
        (lambda x, y: (x, np.zeros_like(y)), r"\(bee, cat\)"),
        (lambda x, y: ((x / 255).astype(np.uint8), y), "range is 0 to 1"),
    ],
)
def test_faults_of_a_task_are_refused_and_nothing_is_written(
    run: Run, tmp_path: Path, change: Callable[[Any, Any], Any], words: str
) -> None:
    task = spoilt(lambda *args: change(*images.samples(*args)))
    with pytest.raises(ConversionError, match=words):
        calibrate.pick(task, run, tmp_path / "c.npy", 30)
    assert not (tmp_path / "c.npy").exists()

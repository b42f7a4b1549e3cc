"""Curves of accuracy against disturbance, on classifiers whose behaviour is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from photo_folder import make_photos

from converters.robustness import pictures, told_apart
from edgecnn.data.disturb import KINDS
from edgecnn.data.folders import list_photos
from edgecnn.errors import DataError
from edgecnn.images import Preprocess
from edgecnn.training import images
from edgecnn.training.robustness import (
    Point,
    Subject,
    check_labels,
    independence,
    measure,
    tolerance,
    verdicts,
)
from edgecnn.training.run import Run


def brightness(pixels: Any) -> list[Any]:
    """*light* where the mean is at least 100, else *dark*."""
    mean = pixels.mean(axis=(1, 2, 3))
    return [np.stack([100 - mean, mean - 100], axis=1)]


LIGHT = Subject("meter", Preprocess((8, 8)), brightness, ("dark", "light"))


def points(*accuracies: float) -> list[Point]:
    levels = KINDS["rotation"].levels
    return [Point(level, a, a, a) for level, a in zip(levels, accuracies, strict=False)]


def test_a_light_meter_fails_in_the_dark_alone() -> None:
    pictures = [np.full((20, 30, 3), value, np.uint8) for value in (40, 200, 150, 60)]
    targets = ["dark", "light", "light", "dark"]
    curves = measure([LIGHT], pictures, targets, ["darker", "rotation"])
    found = [p.accuracy for p in curves["darker"]["meter"]]
    # 200 and 150 times 1, 0.8, 0.6, 0.45, 0.3, 0.2, 0.1, against 100.
    assert found == [1, 1, 0.75, 0.5, 0.5, 0.5, 0.5]
    assert [p.level for p in curves["darker"]["meter"]] == list(KINDS["darker"].levels)
    assert all(p.accuracy == 1 for p in curves["rotation"]["meter"])
    assert curves["darker"]["meter"][2].low < 0.75 < curves["darker"]["meter"][2].high
    assert (
        independence(curves, "meter")
        == "meter keeps its accuracy under every rotation that was tried."
    )


def test_all_classifiers_see_the_same_and_so_does_the_next_run() -> None:
    seen: list[Any] = []

    def noted(pixels: Any) -> list[Any]:
        seen.append(pixels.copy())
        return brightness(pixels)

    twins = [Subject(n, Preprocess((8, 8)), noted, ("dark", "light")) for n in "ab"]
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    for _ in range(2):
        measure(twins, [picture] * 3, ["dark"] * 3, ["shift"])
    half = len(seen) // 2
    for k in range(0, half, 2):
        np.testing.assert_array_equal(seen[k], seen[k + 1])
        np.testing.assert_array_equal(seen[k], seen[half + k])
    assert (seen[4][0] != seen[4][1]).any(), "each picture goes its own way"


def test_how_far_it_holds() -> None:
    assert tolerance(points(0.98, 0.97, 0.94, 0.93, 0.92)) == 22.5  # 0.93 is the least
    assert tolerance(points(0.98, 0.90, 0.98)) == 0, "what comes after a break does not count"
    assert tolerance(points(0.5, 0.5, 0.6)) == 15
    curves = {"rotation": {"net": points(0.98, 0.97, 0.5), "other": points(0.9, 0.5, 0.4)}}
    assert verdicts(curves) == [
        "rotation, degrees: net up to 7.5 (50% at 15); other not even the weakest (40% at 15)."
    ]
    assert independence(curves, "net") == (
        "net is not independent of these: it loses more than 5 points of accuracy under rotation "
        "beyond 7.5 degrees."
    )


def test_pictures_of_other_classes_are_refused() -> None:
    with pytest.raises(DataError, match=r"pictures of dark, light, which meter.*Received: cat"):
        check_labels([LIGHT], ["cat", "dark"])


def test_folders_are_called_by_what_tells_them_apart(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("plain/cnn")
    folders = [tmp_path / "plain" / "cnn", tmp_path / "more" / "cnn", tmp_path / "link"]
    assert told_apart(folders[:1]) == ["cnn"]
    assert told_apart(folders[1:]) == ["cnn", "link"]
    assert told_apart(folders[:2]) == ["plain/cnn", "more/cnn"]
    with pytest.raises(DataError, match="expected each folder once"):
        told_apart([folders[0], tmp_path / "more" / ".." / "plain" / "cnn"])


def test_what_a_run_has_seen_or_skipped_is_left_out(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", each=4)
    names = list_photos(photos)
    (photos / names[0]).write_bytes(b"no picture")
    run = Run.start(tmp_path / "run", "images", {"data": str(photos.resolve())})
    parts = {"train": names[1:3], "validation": names[3:5], "test": names[5:]}
    run.note(input=Preprocess((8, 8)).to_dict())
    run.write_split({**parts, "skipped": {names[0]: "not a picture that can be read"}})
    taken, classes = pictures(photos, [run.path], 100, 0)
    assert len(taken) == len(classes) == len(names) - 5


def test_a_run_of_people_is_refused(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", each=1)
    run = Run.start(tmp_path / "run", "faces", {"data": str(photos.resolve())})
    run.write_split({"gallery": list_photos(photos)})
    with pytest.raises(DataError, match=r"expected a run of --task images\. .* of task 'faces'"):
        pictures(photos, [run.path], 100, 0)


@pytest.mark.slow
def test_a_card_of_a_run_and_its_int8(tmp_path: Path, edgecnn: Any) -> None:
    photos = make_photos(tmp_path / "photos", each=14)
    settings = {"epochs": 2, "batch_size": 8, "channels": [4, 8], "seed": 7}
    run = images.train(photos, tmp_path / "run", settings)
    command = ["robustness", str(run.path), str(photos), "--out", str(tmp_path / "card"),
               "--kinds", "shift,darker"]  # fmt: skip
    code, said, _ = edgecnn(*command)
    assert code == 0 and "card: " in said
    found = json.loads((tmp_path / "card" / "robustness.json").read_text())
    assert found["pictures"] == len(run.split["test"]) == 6, "those it learnt from are left out"
    assert list(found["curves"]) == ["shift", "darker"]
    assert list(found["curves"]["shift"]) == ["run float", "run int8"]
    undisturbed = found["curves"]["shift"]["run float"][0]
    assert undisturbed["accuracy"] == pytest.approx(run.metrics["accuracy"])
    page = (tmp_path / "card" / "robustness.html").read_text()
    assert "http" not in page and page.count("data:image/png") == 2 + 2 * 3

    code, _, complaint = edgecnn(*command[:-1], "shift,colour")
    assert code == 2 and "expected kinds out of shift" in complaint
    code, _, complaint = edgecnn("robustness", str(photos), str(photos), "--out", str(tmp_path))
    assert code == 2 and "expected a run folder" in complaint

"""``edgecnn evaluate --scenes``: drawn ones, and what the cards say of the research scenes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from scene_folder import make_scenes, write_csv

from edgecnn.cli import cli
from edgecnn.data.scenes import read_scenes, split_scenes

NOT_FACES = Path(__file__).resolve().parent.parent / "docs/cards/scenes-not-faces.csv"


def measured(*words: str | Path) -> dict[str, float]:
    done = CliRunner().invoke(cli, ["evaluate", *map(str, words), "--json"])
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


def test_labels_that_show_no_face_do_not_count(tmp_path: Path) -> None:
    make_scenes(tmp_path, 40)
    scenes = read_scenes(tmp_path)
    name = next(n for n in split_scenes(scenes, 0)["test"] if len(scenes.faces[n]))
    x0, y0, x1, y1 = scenes.faces[name][0, :4].astype(float)
    table = tmp_path / "not-faces.csv"
    write_csv(table, ["file", "x", "y", "w", "h"], [[name, x0, y0, x1 - x0, y1 - y0]])
    every = measured("--scenes", tmp_path)
    fewer = measured("--scenes", tmp_path, "--not-faces", table)
    assert fewer["faces"] == every["faces"] - 1
    assert fewer["pictures"] == every["pictures"] == 8


@pytest.mark.data
def test_the_shipped_detector_finds_what_its_card_says(shared_data: Path) -> None:
    found = measured("--scenes", shared_data / "scenes", "--not-faces", NOT_FACES)
    assert (found["pictures"], found["faces"]) == (646, 687)
    assert found["recall"] >= 95 and found["recall_from_24px_at_2_per_100"] >= 98
    assert found["false_boxes_per_100_pictures"] <= 5

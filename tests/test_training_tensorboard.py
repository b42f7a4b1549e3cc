"""The log of a training, read back by TensorBoard's own reader."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from photo_folder import make_photos

from edgecnn.training import images
from edgecnn.training.run import TENSORBOARD, Run

SETTINGS = {"epochs": 4, "batch_size": 8, "network": "dense", "channels": [4], "patience": None}


def steps(run: Run, part: str, name: str) -> list[tuple[int, float]]:
    """Each step and its value, as TensorBoard draws them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = EventAccumulator(str(run.path / TENSORBOARD / part))
    log.Reload()
    return [(event.step, event.value) for event in log.Scalars(name)]


def rows(run: Run, column: str) -> list[tuple[int, float]]:
    return [(i, pytest.approx(float(r[column]), abs=1e-6)) for i, r in enumerate(run.history, 1)]


class Stopped(Exception):
    """As if somebody had pulled the plug."""


def test_a_resumed_training_goes_on_in_the_same_log(tmp_path: Path) -> None:
    photos, out = make_photos(tmp_path / "photos", each=14), tmp_path / "run"

    def stop(stage: str, *_: object) -> None:
        if stage.endswith("4/4"):
            raise Stopped

    with pytest.raises(Stopped):
        images.train(photos, out, SETTINGS, progress=stop, tensorboard=True)
    interrupted = Run(out)
    assert [step for step, _ in steps(interrupted, "training", "loss")] == [1, 2, 3]
    # Resumed without being asked again, it goes on with what the run has.
    run = images.train(photos, out, SETTINGS, resume=True)
    for part, column in (("training", "loss"), ("training", "accuracy")):
        assert steps(run, part, column) == rows(run, column)
    for name in ("loss", "accuracy"):
        assert steps(run, "validation", name) == rows(run, f"val_{name}")
    assert len(run.history) == 4


def test_a_step_that_is_done_again_stands_there_once(tmp_path: Path) -> None:
    from edgecnn.training.tensorboard import logged

    run = Run.start(tmp_path / "run", "images", {}, tensorboard=True)
    for losses in ([3.0, 2.0], [1.5, 1.0]):
        with logged(run) as log:
            for loss in losses:
                run.add_history({"loss": loss})
                log({"loss": loss, "val_loss": loss})
        run.keep_history(run.history[:1])
    assert steps(run, "training", "loss") == steps(run, "validation", "loss")
    assert steps(run, "training", "loss") == [(1, 3.0), (2, 1.5), (3, 1.0)]


def test_without_being_asked_there_is_no_log(tmp_path: Path) -> None:
    from edgecnn.training.tensorboard import logged

    run = Run.start(tmp_path / "run", "images", {})
    with logged(run) as log:
        log({"loss": 1.0})
    assert os.listdir(run.path) == ["run.json"]
    asked = Run.start(tmp_path / "run", "images", {}, resume=True, tensorboard=True)
    assert (asked.path / TENSORBOARD).is_dir()
    asked.discard()
    assert not asked.path.exists()


def test_people_have_no_epochs_to_log(
    tmp_path: Path, edgecnn: Callable[..., tuple[int, str, str]]
) -> None:
    code, _, complaint = edgecnn("train", tmp_path, "--task", "faces", "--tensorboard")
    assert code == 2 and "--tensorboard is not for task faces" in complaint

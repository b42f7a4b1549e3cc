"""A classifier is trained, interrupted, resumed and measured, all on real files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from photo_folder import make_photos

from edgecnn.data.batches import LEAST_BATCHES, Batches
from edgecnn.data.folders import label_of
from edgecnn.errors import DataError, StorageError, TrainingError
from edgecnn.images import Floats, Image, Preprocess, read_image, to_network
from edgecnn.training import images
from edgecnn.training.fit import Progress
from edgecnn.training.run import CHECKPOINT, HISTORY, METRICS, MODEL, REPORT, RUN, SPLIT, Run

SETTINGS = {"epochs": 3, "batch_size": 8, "channels": [4, 8], "seed": 7}
QUICK = {**SETTINGS, "epochs": 1, "network": "dense"}
"""For what does not depend on the network: TensorFlow traces this one in a third of the time."""
WHOLE = {RUN, SPLIT, HISTORY, METRICS, MODEL, REPORT}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photos(tmp_path_factory.mktemp("images") / "photos", each=14)


@pytest.fixture(scope="module")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return images.train(photos, tmp_path_factory.mktemp("runs") / "run", SETTINGS)


def history_without_time(run: Run) -> list[dict[str, str]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in run.history]


def predict_with(run: Run) -> images.Predict:
    model = run.load_model()
    return lambda pixels: [np.asarray(model(to_network(pixels), training=False))]


def test_the_run_folder_is_whole(trained: Run) -> None:
    assert {p.name for p in trained.path.iterdir()} == WHOLE
    assert trained.task == "images"
    assert trained.facts["labels"] == ["ant", "bee", "cat"]
    # The pictures' own size, since all share it.
    assert Preprocess.from_dict(trained.facts["input"]) == Preprocess((12, 12), "RGB")
    assert len(trained.history) == 3


def test_metrics_hold_what_the_manifest_and_the_report_need(trained: Run) -> None:
    metrics = trained.metrics
    assert metrics["accuracy"] == 1.0
    assert metrics["per_class"] == {"ant": 1.0, "bee": 1.0, "cat": 1.0}
    point = metrics["operating_point"]
    assert set(point) == {"threshold", "error_rate", "measured_on", "trials"}
    assert 0 < point["threshold"] < 1 and point["error_rate"] == 0 and point["trials"] == 6
    assert metrics["counts"]["train"] == {"ant": 10, "bee": 10, "cat": 10}
    assert metrics["parameters"] == trained.load_model().count_params()


def test_the_report_is_self_contained(trained: Run) -> None:
    html = (trained.path / REPORT).read_text("utf-8")
    assert "http" not in html and "<script" not in html
    assert html.count("data:image/png;base64,") >= 4 + 6
    for words in ("Test accuracy", "Confusion", "least sure", "Settings", "bee"):
        assert words in html


def test_score_of_the_saved_network_is_what_was_measured(trained: Run) -> None:
    predict = predict_with(trained)
    found = images.score(trained, predict, "test")
    assert next(iter(found)) == "accuracy"
    assert found == {k: trained.metrics[k] for k in ("accuracy", "balanced_accuracy")}
    point = images.operating_point(trained, predict)
    expected = trained.metrics["operating_point"]
    assert point == {**expected, "threshold": pytest.approx(expected["threshold"], abs=1e-5)}


def test_samples_are_the_bytes_of_the_files(trained: Run, photos: Path) -> None:
    pixels, targets = images.samples(trained, "test")
    preprocess = Preprocess.from_dict(trained.facts["input"])
    names = trained.split["test"]
    expected = {preprocess(read_image(photos / n)).tobytes(): label_of(n) for n in names}
    assert pixels.dtype == np.uint8 and len(pixels) == len(names)
    found = {p.tobytes(): trained.facts["labels"][t] for p, t in zip(pixels, targets, strict=True)}
    assert found == expected


def test_samples_are_balanced_shuffled_and_drawn_once(trained: Run) -> None:
    pixels, targets = images.samples(trained, "train", 9, seed=1)
    assert Counter(targets.tolist()) == {0: 3, 1: 3, 2: 3}
    assert targets.tolist() != sorted(targets)
    assert len({p.tobytes() for p in pixels}) == 9
    assert (images.samples(trained, "train", 9, seed=1)[0] == pixels).all()
    assert (images.samples(trained, "train", 9, seed=2)[0] != pixels).any()
    assert len(images.samples(trained, "train", 1000)[1]) == 30


def test_answers_are_in_the_order_of_the_split_and_give_the_score(trained: Run) -> None:
    names, labels = trained.split["test"], trained.facts["labels"]

    def always_bee(pixels: Image) -> list[Floats]:
        return [np.tile(np.array([0, np.log(2), 0], np.float32), (len(pixels), 1))]

    found = images.answers(trained, always_bee, "test")
    assert found.names == names and len(found) == len(names) == 6
    assert found.groups == [(label_of(n),) for n in names]
    assert set(found.said) == {"bee"} and set(found.notes) == {"50 %"}
    assert found.faults.tolist() == [int(label_of(n) != "bee") for n in names]
    assert found.hits is not None and found.hits.tolist() == [label_of(n) == "bee" for n in names]
    assert found.figures == images.score(trained, always_bee, "test")
    assert found.figures["accuracy"] == pytest.approx(1 / len(labels)) and not found.sensitive
    assert found.draw(0)[:4] == b"\x89PNG" and found.draw(0) != found.draw(5)


def test_samples_name_a_picture_that_is_gone(photos: Path, trained: Run, tmp_path: Path) -> None:
    moved = shutil.copytree(photos, tmp_path / "photos")
    run = Run(shutil.copytree(trained.path, tmp_path / "run"))
    run.facts["settings"]["data"] = str(moved)
    gone = run.split["test"][0]
    (moved / gone).unlink()
    with pytest.raises(DataError, match=gone):
        images.samples(run, "test")


def test_the_same_seed_gives_the_same_metrics(trained: Run, photos: Path, tmp_path: Path) -> None:
    again = images.train(photos, tmp_path / "run", SETTINGS)
    assert again.metrics == trained.metrics
    assert history_without_time(again) == history_without_time(trained)


class Interrupted(Exception):
    pass


def interrupt_at(step: str) -> Progress:
    def progress(now: str, done: int, of: int, figures: dict[str, float]) -> None:
        if now == step and done == of // 2:
            raise Interrupted

    return progress


def test_an_interrupted_run_ends_as_if_it_had_not_been(
    trained: Run, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with pytest.raises(Interrupted):
        images.train(photos, out, SETTINGS, progress=interrupt_at("classifier 3/3"))
    assert (out / CHECKPOINT).exists() and not (out / METRICS).exists()
    assert len(Run(out).history) == 2
    with pytest.raises(StorageError, match="--resume"):
        images.train(photos, out, SETTINGS)
    resumed = images.train(photos, out, SETTINGS, resume=True)
    assert resumed.metrics == trained.metrics
    assert history_without_time(resumed) == history_without_time(trained)
    assert {p.name for p in out.iterdir()} == WHOLE
    with pytest.raises(StorageError, match="complete"):
        images.train(photos, out, SETTINGS, resume=True)


def test_a_run_interrupted_before_its_first_checkpoint_can_be_resumed(
    photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with pytest.raises(Interrupted):
        images.train(photos, out, QUICK, progress=interrupt_at("classifier 1/1"))
    assert not (out / CHECKPOINT).exists()
    with pytest.raises(DataError, match="its seed is 7, now 8"):
        images.train(photos, out, {**QUICK, "seed": 8}, resume=True)
    assert len(images.train(photos, out, QUICK, resume=True).history) == 1


def test_resuming_with_other_pictures_is_refused(photos: Path, tmp_path: Path) -> None:
    mine = shutil.copytree(photos, tmp_path / "photos")

    with pytest.raises(Interrupted):
        images.train(mine, tmp_path / "run", QUICK, progress=interrupt_at("classifier 1/1"))
    (mine / "ant/00.png").unlink()
    with pytest.raises(DataError, match="not those it began with"):
        images.train(mine, tmp_path / "run", QUICK, resume=True)


def test_a_loss_that_is_no_number_leaves_nothing(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="--learning-rate"):
        images.train(photos, tmp_path / "run", {**QUICK, "learning_rate": 1e38})
    assert list(tmp_path.iterdir()) == []


def test_grey_pictures_of_a_told_size_become_a_grey_input(tmp_path: Path) -> None:
    root = make_photos(tmp_path / "photos", ("a", "b"), 6, grey=True)
    run = images.train(root, tmp_path / "run", {**QUICK, "size": [10, 8]})
    preprocess = Preprocess.from_dict(run.facts["input"])
    assert preprocess == Preprocess((10, 8), "GRAY")
    assert run.load_model().input_shape == (None, 8, 10, 1)
    pixels, _ = images.samples(run, "train")
    bytes_of_files = {preprocess(read_image(root / n)).tobytes() for n in run.split["train"]}
    assert {p.tobytes() for p in pixels} == bytes_of_files


def test_broken_files_are_left_out_and_listed(photos: Path, tmp_path: Path) -> None:
    mine = shutil.copytree(photos, tmp_path / "photos")
    (mine / "ant/zz.jpg").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"ant/zz\.jpg"):
        images.train(mine, tmp_path / "run", SETTINGS)
    assert not (tmp_path / "run").exists()
    run = images.train(mine, tmp_path / "run", {**QUICK, "skip_broken": True})
    assert run.split["skipped"] == {"ant/zz.jpg": "not a picture that can be read"}
    assert "ant/zz.jpg" in (run.path / REPORT).read_text("utf-8")


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"network": "embedder"}, "compact, residual, separable, dense"),
        ({"epochs": 0}, "epochs above 0"),
        ({"size": 4}, "8 to 512"),
        ({"size": [96, 4000]}, "8 to 512"),
        ({"held_out": 0.7}, "held-out"),
        ({"augment": False, "mirror": True}, "augment"),
        ({"channels": [1]}, "two to four"),
        ({"colour": "CMYK"}, "RGB"),
        ({"teacher": "x.onnx"}, "--teacher is not for task images"),
    ],
)
def test_refuses_a_setting(
    photos: Path, tmp_path: Path, setting: dict[str, Any], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        images.train(photos, tmp_path / "run", {**SETTINGS, **setting})
    assert not (tmp_path / "run").exists()


def batches_of(targets: list[int], **settings: Any) -> Batches:
    labels = np.array(targets, np.int64)
    pixels = np.arange(len(labels), dtype=np.uint8)[:, None, None, None] * np.ones(
        (1, 8, 8, 1), np.uint8
    )
    return Batches(pixels, labels, 2, {**images.DEFAULTS, **settings})


def test_batches_depend_on_seed_epoch_and_number_alone() -> None:
    one, two = batches_of([0, 1] * 9), batches_of([0, 1] * 9)
    one.epoch = two.epoch = 3
    two[5]
    for mine, other in zip(one[2], two[2], strict=True):
        assert (mine == other).all()
    two.epoch = 4
    assert (one[2][0] != two[2][0]).any()
    two.epoch = 3
    assert (one[1][0] != two[2][0]).any()


@pytest.mark.parametrize(("balance", "rare"), [(True, 0.5), (False, 0.1)])
def test_batches_balance_the_classes(balance: bool, rare: float) -> None:
    batches = batches_of([0] * 90 + [1] * 10, balance=balance, augment=False, batch_size=10)
    assert len(batches) == LEAST_BATCHES
    one_hot = np.concatenate([batches[i][1] for i in range(len(batches))])
    assert one_hot.shape == (200, 2)
    assert one_hot[:, 1].mean() == pytest.approx(rare)
    assert (one_hot.sum(axis=1) == 1).all()


def test_every_picture_is_seen_where_there_are_many() -> None:
    batches = batches_of([0, 1] * 100, augment=False, batch_size=10)
    seen = {float(x) for i in range(len(batches)) for x in batches[i][0][:, 0, 0, 0]}
    assert len(seen) == 200


@pytest.mark.slow
@pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed")
def test_trains_on_jax_without_tensorflow(photos: Path, tmp_path: Path) -> None:
    code = (
        "import sys, json\n"
        "sys.modules['tensorflow'] = None\n"
        "from edgecnn.training import images\n"
        f"run = images.train({str(photos)!r}, {str(tmp_path / 'run')!r}, {SETTINGS!r})\n"
        "import keras\n"
        "print(json.dumps([keras.backend.backend(), run.metrics['accuracy']]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        cwd=Path(__file__).resolve().parent.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    backend, accuracy = json.loads(done.stdout.splitlines()[-1])
    assert backend == "jax" and accuracy > 0.9

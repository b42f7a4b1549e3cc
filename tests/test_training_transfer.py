"""A run begins with what an earlier one learnt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from photo_folder import make_photos

from edgecnn.errors import DataError
from edgecnn.images import Preprocess
from edgecnn.training import images
from edgecnn.training.run import Run

SETTINGS = {"epochs": 2, "batch_size": 8, "seed": 7}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photos(tmp_path_factory.mktemp("transfer") / "photos", each=14)


@pytest.fixture(scope="module")
def two(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same photos, one class less."""
    folder = tmp_path_factory.mktemp("transfer") / "two"
    folder.mkdir()
    for name in ("ant", "bee"):
        (folder / name).symlink_to(photos / name)
    return folder


@pytest.fixture(scope="module")
def first(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs") / "first"
    return images.train(photos, out, {**SETTINGS, "channels": [4, 8]})


def weights(run: Run) -> dict[str, np.ndarray]:
    return {w.path: np.asarray(w.numpy()) for w in run.load_model().weights}


def test_frozen_layers_stay_to_the_bit(first: Run, two: Path, tmp_path: Path) -> None:
    run = images.train(
        two, tmp_path / "run", {**SETTINGS, "start": str(first.path), "freeze": True}
    )
    before, after = weights(first), weights(run)
    assert before.keys() == after.keys()
    for name in before:
        if name.startswith("logits"):
            assert after[name].shape[-1] == 2
        else:
            np.testing.assert_array_equal(before[name], after[name])
    assert run.facts["labels"] == ["ant", "bee"]


def test_unfrozen_layers_go_on_from_there(first: Run, two: Path, tmp_path: Path) -> None:
    settings = {**SETTINGS, "start": str(first.path), "epochs": 1, "learning_rate": 1e-6}
    run = images.train(two, tmp_path / "run", settings)
    before, after = weights(first), weights(run)
    kernel = "stage2_conv2/kernel"
    assert not np.array_equal(before[kernel], after[kernel])
    np.testing.assert_allclose(before[kernel], after[kernel], atol=1e-4)


def test_the_same_classes_keep_their_logits(first: Run, photos: Path, tmp_path: Path) -> None:
    settings = {**SETTINGS, "start": str(first.path), "epochs": 1, "learning_rate": 1e-9}
    run = images.train(photos, tmp_path / "run", settings)
    np.testing.assert_allclose(
        weights(run)["logits/kernel"], weights(first)["logits/kernel"], atol=1e-5
    )


def test_another_size_is_seen_by_the_same_kernels(first: Run, two: Path, tmp_path: Path) -> None:
    settings = {**SETTINGS, "start": str(first.path), "epochs": 1, "size": 16, "freeze": True}
    run = images.train(two, tmp_path / "run", settings)
    assert Preprocess.from_dict(run.facts["input"]) == Preprocess((16, 16), "RGB")
    np.testing.assert_array_equal(
        weights(run)["stage1_conv1/kernel"], weights(first)["stage1_conv1/kernel"]
    )


def test_a_dense_network_has_one_size(two: Path, tmp_path: Path) -> None:
    settings = {**SETTINGS, "epochs": 1, "network": "dense", "channels": [8]}
    start = images.train(two, tmp_path / "dense", settings)
    again = {**SETTINGS, "start": str(start.path), "size": 16}
    with pytest.raises(DataError, match=r"expected --size 12x12.*Received: 16x16"):
        images.train(two, tmp_path / "run", again)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"freeze": True}, "--freeze keeps what --start brings: name a run"),
        ({"start": "first", "depth": 7}, "--depth is decided by the run of --start"),
        ({"start": "first", "network": "residual"}, "--network is decided"),
        ({"start": "nowhere"}, r"expected a run folder with a run\.json"),
    ],
)
def test_what_does_not_go_together(
    settings: dict[str, object], message: str, two: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        images.train(two, tmp_path / "run", {**SETTINGS, **settings})
    assert not (tmp_path / "run").exists()


def test_a_run_of_another_task_is_refused(two: Path, tmp_path: Path) -> None:
    other = Run.start(tmp_path / "other", "embedder", {})
    with pytest.raises(DataError, match=r"expected a run of --task images\. .* of task 'embedder'"):
        images.train(two, tmp_path / "run", {**SETTINGS, "start": str(other.path)})
    early = Run.start(tmp_path / "early", "images", {})
    with pytest.raises(DataError, match="of them that broke off at its start"):
        images.train(two, tmp_path / "run", {**SETTINGS, "start": str(early.path)})

"""Training by several workers: two real processes on loopback, one of which is killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from photo_folder import make_photos

from edgecnn.data.batches import Batches
from edgecnn.errors import DataError
from edgecnn.training import cluster, images
from edgecnn.training.run import METRICS, Run

pytest.importorskip("jax")
EPOCHS = 16
COMMON = ["--task", "images", "--channels", "4,8", "--batch-size", "8",
          "--epochs", str(EPOCHS), "--patience", str(EPOCHS), "--seed", "4"]  # fmt: skip


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photos(tmp_path_factory.mktemp("cluster") / "photos", ("ant", "bee"), 10)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def start(root: Path, photos: Path, out: Path, *more: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "edgecnn", "train", photos, "--out", out, *COMMON, *map(str, more)],
        env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def workers(root: Path, photos: Path, out: Path, *more: object) -> list[subprocess.Popen[str]]:
    where = ["--cluster", f"127.0.0.1:{free_port()}", "--workers", 2]
    return [start(root, photos, out, *where, "--worker", k, *more) for k in (0, 1)]


def finished(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, out + err


def losses(run: Path) -> list[list[float]]:
    rows = Run(run).history
    assert [int(r["epoch"]) for r in rows] == list(range(1, EPOCHS + 1))
    return [[float(r["loss"]), float(r["val_loss"])] for r in rows]


@pytest.mark.slow
def test_two_workers_are_one_and_a_killed_one_resumes(
    root: Path, photos: Path, tmp_path: Path
) -> None:
    one = start(root, photos, tmp_path / "one")
    first, second = workers(root, photos, tmp_path / "two")
    assert first.stdout is not None
    while f"classifier 3/{EPOCHS}" not in (line := first.stdout.readline()):
        assert line, first.stderr and first.stderr.read()
    second.send_signal(signal.SIGKILL)
    second.communicate()
    _, said = first.communicate(timeout=60)
    assert first.returncode == 2 and said.count("\n") == 1
    assert said.startswith("edgecnn: another of the 2 workers was lost") and "--resume" in said
    assert not (tmp_path / "two" / METRICS).exists()
    assert 2 <= len(Run(tmp_path / "two").history) < EPOCHS
    finished([one, *workers(root, photos, tmp_path / "two", "--resume")])
    assert np.allclose(losses(tmp_path / "two"), losses(tmp_path / "one"), atol=0.01)
    assert Run(tmp_path / "two").metrics["accuracy"] == Run(tmp_path / "one").metrics["accuracy"]
    left = {p.name for p in tmp_path.iterdir()} - {"one", "two"}
    assert len(left) == 1 and left.pop().startswith(".two-worker-")  # of the one that was killed


def test_the_shares_of_a_batch_are_the_batch() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (30, 8, 8, 3), np.uint8)
    targets = np.arange(30) % 2
    settings = {**images.DEFAULTS, "batch_size": 6}
    whole = Batches(pixels, targets, 2, settings)
    shares = [Batches(pixels, targets, 2, settings, share=(k, 3)) for k in range(3)]
    for index in (0, 7):
        for part in (0, 1):
            together = np.concatenate([s[index][part] for s in shares])
            assert together.tobytes() == whole[index][part].tobytes()


@pytest.mark.parametrize(
    ("place", "words"),
    [(("nowhere", 2, 0), "HOST:PORT"), ((":80", 2, 0), "HOST:PORT"),
     (("a:70000", 2, 0), "HOST:PORT"), (("a:80", 2, 2), "from 0 to 1 out of 2")],
)  # fmt: skip
def test_refuses_a_place(place: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        cluster.Place(*place)


def test_a_batch_must_be_shared_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_place", cluster.Place("a:80", 3, 0))
    with pytest.raises(DataError, match=r"3 workers can share evenly\. Received: 8"), \
         cluster.together(8):  # fmt: skip
        pass


@pytest.mark.parametrize("same", [True, False])
def test_all_must_train_the_same(monkeypatch: pytest.MonkeyPatch, same: bool) -> None:
    from jax.experimental import multihost_utils

    def all_of_them(digest: Any) -> Any:
        return np.stack([digest, digest, digest if same else digest[::-1]])

    monkeypatch.setattr(multihost_utils, "process_allgather", all_of_them)
    monkeypatch.setattr(cluster, "_place", cluster.Place("a:80", 3, 0))
    if same:
        cluster.agree({"seed": 1})
    else:
        with pytest.raises(DataError, match="Worker 2 has others than worker 0"):
            cluster.agree({"seed": 1})


@pytest.mark.parametrize(
    "option",
    [["--cluster", "a:80"], ["--workers", "2"], ["--worker", "0"],
     ["--task", "detector", "--cluster", "a:80", "--workers", "2", "--worker", "0"]],
)  # fmt: skip
def test_options_come_together(edgecnn: Any, photos: Path, option: list[str]) -> None:
    code, _, said = edgecnn("train", photos, "--task", "images", *option)
    assert code == 2 and "together, for task images" in said


def test_outside_a_cluster_nothing_is_shared(tmp_path: Path) -> None:
    model = object()
    cluster.agree({"x": 1})
    cluster.send(tmp_path / "none")
    with cluster.folder(tmp_path / "run") as own, cluster.together(7), cluster.apart():
        assert own == tmp_path / "run" and cluster.share() == (0, 1)
        assert cluster.alone(model)() is model
        assert cluster.agreed({"loss": 0.1}) == {"loss": 0.1}

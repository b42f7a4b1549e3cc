"""The detector's targets, loss and training, on a few drawn faces."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scene_folder import make_scenes

from converters.verify import float_predict
from edgecnn.bundle import ASSETS
from edgecnn.errors import DataError, ModelError, StorageError
from edgecnn.faces.detect import decode, decode_cells, levels
from edgecnn.images import Floats, to_network
from edgecnn.runtime.interpreter import Tensor

SIZE = (128, 96)
SMALL: dict[str, Any] = {
    "size": [*SIZE],
    "channels": [8, 8, 16, 16, 16],
    "depths": [0, 0, 0, 0],
    "head": 8,
    "small_epochs": 1,
    "epochs": 1,
    "batch_size": 4,
    "samples": 12,
}


def face(x: float, y: float, side: float) -> Floats:
    points = np.array([[-0.2, -0.1], [0.2, -0.1], [0, 0.1], [-0.15, 0.3], [0.15, 0.3]])
    box = [x - side / 2, y - side / 2, x + side / 2, y + side / 2]
    return np.array([*box, *(points * side + (x, y)).reshape(-1)], np.float32)


def test_a_run_does_not_go_on_with_other_scenes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A photo more moves others from the training part to the test part."""
    from edgecnn.training import detector

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    make_scenes(tmp_path / "scenes", 24)
    monkeypatch.setattr(detector, "detector", interrupted)
    for resume in (False, True):
        with pytest.raises(KeyboardInterrupt):
            detector.train(tmp_path / "scenes", tmp_path / "run", SMALL, resume=resume)
    make_scenes(tmp_path / "scenes", 25)
    before = (tmp_path / "run" / "split.json").read_bytes()
    with pytest.raises(DataError, match="not those it began with"):
        detector.train(tmp_path / "scenes", tmp_path / "run", SMALL, resume=True)
    assert (tmp_path / "run" / "split.json").read_bytes() == before


def test_every_face_has_a_cell_and_every_cell_is_near_its_face() -> None:
    from edgecnn.training.cells import EITHER, FOUND, grid, targets

    cells = grid((320, 240))
    assert len(cells) == 30 * 40 + 15 * 20 + 8 * 10
    for side in (10, 20, 36, 60, 90, 150, 230):
        wanted = targets(face(161, 119, side)[None], np.zeros((0, 4), np.float32), (320, 240))
        found = wanted[:, 0] == FOUND
        assert 1 <= found.sum() <= 40, side
        assert np.abs(cells[found, :2] - (161, 119)).max() <= 1.5 * cells[found, 2].max()
        np.testing.assert_array_equal(
            wanted[found, 1:], np.tile(face(161, 119, side), (found.sum(), 1))
        )
        assert (wanted[:, 0] == EITHER).any() or side < 60
    nothing = targets(
        np.zeros((0, 14), np.float32), np.array([[0, 0, 30, 30]], np.float32), (320, 240)
    )
    assert set(nothing[:, 0]) == {0.0, EITHER}


def test_of_two_faces_in_one_place_the_smaller_wins() -> None:
    from edgecnn.training.cells import FOUND, grid, targets

    small, large = face(100, 100, 20), face(100, 100, 38)
    for pair in ([small, large], [large, small]):
        wanted = targets(np.array(pair), np.zeros((0, 4), np.float32), (320, 240))
        nearest = np.argmin(np.hypot(*(grid((320, 240))[:1200, :2] - (100, 100)).T))
        assert wanted[nearest, 0] == FOUND
        np.testing.assert_array_equal(wanted[nearest, 1:], small)


def encode(label: Floats, cell: Floats) -> Floats:
    """The inverse of ``decode_cells`` for one face and one cell: ``(14,)``, 0…6."""
    x, y, stride = cell
    centre, size = (label[:2] + label[2:4]) / 2, label[2:4] - label[:2]
    box = [*((centre - (x, y)) / (0.5 * stride) + 3), *((np.log(size / stride) - 1.25) / 0.5 + 3)]
    marks = (label[4:].reshape(5, 2) - centre) / size / 0.25 + 3
    return np.array([*box, *marks.reshape(-1)], np.float32)


def test_the_loss_reads_cells_as_the_board_does() -> None:
    from keras import ops

    from edgecnn.training.cells import FOUND, CellLoss, grid, targets

    label = face(60, 44, 50)
    wanted = targets(label[None], np.zeros((0, 4), np.float32), SIZE)
    cells = grid(SIZE)
    said = np.full((len(cells), 15), 3.0, np.float32)
    said[:, 0] = np.where(wanted[:, 0] == FOUND, 12, -12)
    for k in np.flatnonzero(wanted[:, 0] == FOUND):
        said[k, 1:] = encode(label, cells[k])
    found = wanted[:, 0] == FOUND
    boxes, landmarks = decode_cells(said[found, 1:5], said[found, 5:], cells[found])
    np.testing.assert_allclose(boxes, wanted[found, 1:5], atol=1e-3)
    np.testing.assert_allclose(landmarks.reshape(-1, 10), wanted[found, 5:], atol=1e-3)

    loss = CellLoss(SIZE)

    def cost(prediction: Floats) -> float:
        return float(ops.convert_to_numpy(loss(wanted[None], prediction[None])))

    assert cost(said) == pytest.approx(0, abs=1e-4)
    for column, change in ((0, -12), (1, 1.0), (3, 1.0), (7, 1.0)):
        worse = said.copy()
        worse[found, column] += change
        assert cost(worse) > 0.01, column
    elsewhere = said.copy()
    elsewhere[wanted[:, 0] == 0, 0] = 3
    assert cost(elsewhere) > 0.1
    spared = said.copy()
    spared[wanted[:, 0] < 0, 0] = 3
    assert cost(spared) == pytest.approx(0, abs=1e-4)
    nobody = np.zeros_like(wanted)
    empty = np.full_like(said, 3.0)
    empty[:, 0] = -12
    assert float(ops.convert_to_numpy(loss(nobody[None], empty[None]))) == pytest.approx(
        0, abs=1e-4
    )


@pytest.mark.parametrize(("size", "towers"), [((64, 96), 2), ((320, 256), 1)])
def test_the_network_has_the_outputs_that_decoding_expects(
    size: tuple[int, int], towers: int
) -> None:
    from edgecnn.networks import build

    options = {"channels": [8] * 5, "depths": [0] * 4, "head": 8, "towers": towers}
    network = build("detector", size_wh=size, **options)
    pixels = to_network(np.zeros((2, size[1], size[0], 3), np.uint8))
    outputs = [np.asarray(o) for o in network.predict_on_batch(pixels)]
    found = levels(tuple((1, *o.shape[1:]) for o in outputs), size[0])
    assert [level.stride for level in found] == [8, 16, 32]
    for output in outputs:
        assert output.min() >= 0
        assert output.max() <= 6
    tensors = [Tensor("", o.shape, "float32", 0.0, 0) for o in outputs]
    scores = decode([o[:1] for o in outputs], tensors, size[0], 0.0)[1]
    np.testing.assert_allclose(scores, 0.01, atol=0.005)


@pytest.mark.parametrize(
    "options", [{"size_wh": (100, 96)}, {"channels": [8, 8]}, {"depths": [1, 1, 1]}, {"towers": 3}]
)
def test_the_network_refuses_what_it_cannot_be(options: dict[str, Any]) -> None:
    from edgecnn.networks import build

    with pytest.raises(DataError, match="multiples of 32"):
        build("detector", **options)


@pytest.mark.parametrize(
    ("side", "scale", "expected"),
    [
        (320, 0.6, 192),
        (256, 0.6, 160),
        (320, 1.0, 320),
        (96, 0.6, 64),
        (64, 0.1, 32),
    ],
)
def test_a_small_picture_halves_as_often_as_the_full_one(
    side: int, scale: float, expected: int
) -> None:
    from edgecnn.training.detector import _scaled

    assert _scaled(side, scale) == expected


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one small and one full epoch."""
    from edgecnn.training import detector

    folder = tmp_path_factory.mktemp("detector")
    make_scenes(folder / "scenes", 24)
    seen: list[str] = []
    detector.train(
        folder / "scenes",
        folder / "run",
        SMALL,
        progress=lambda stage, done, total, figures: seen.append(f"{stage} {done}/{total}"),
    )
    assert seen == [f"{s} 1/1 {k}/3" for s in ("small", "full") for k in (1, 2, 3)]
    return folder / "run"


def test_a_run_holds_what_convert_needs(trained: Path) -> None:
    from edgecnn.training import detector
    from edgecnn.training.run import Run

    run = Run(trained)
    assert run.facts["input"]["size_wh"] == [*SIZE]
    assert run.facts["score_threshold"] >= detector.LOWEST_THRESHOLD
    assert run.facts["nms_iou"] in detector.NMS_IOU
    assert next(iter(run.metrics)) == "recall"
    assert [(r["stage"], r["epoch"]) for r in run.history] == [("small", "1"), ("full", "1")]
    pixels, truth = detector.samples(run, "train", 8)
    assert pixels.shape == (8, SIZE[1], SIZE[0], 3)
    assert pixels.dtype == np.uint8
    assert len(truth) == 8
    again, _ = detector.samples(run, "train", 8)
    np.testing.assert_array_equal(pixels, again)
    assert len(detector.samples(run, "test", 3)[0]) == 3
    network = run.load_model()

    assert {k: v.size_wh for k, v in detector.views(run).items()} == {
        "detector": SIZE,
        "detector-portrait": SIZE[::-1],
    }
    figures = detector.score(run, float_predict(network), "test")
    before = {k: run.metrics[k] for k in figures}
    np.testing.assert_allclose([*figures.values()], [*before.values()], equal_nan=True, atol=1e-6)
    assert (trained / "report.html").read_text("utf-8").startswith("<!doctype html>")


def test_perfect_outputs_score_one(trained: Path) -> None:
    from edgecnn.training import detector
    from edgecnn.training.cells import FOUND, grid, targets
    from edgecnn.training.run import Run

    run = Run(trained)
    truth = detector.samples(run, "validation", 99)[1]
    names = run.split["validation"]
    scenes = detector.read_scenes(run.facts["settings"]["data"])
    nothing = np.zeros((0, 4), np.float32)
    cells = grid(SIZE)

    def oracle(pixels: np.ndarray[Any, Any]) -> list[Floats]:
        rows = np.zeros((len(names), len(cells), 15), np.float32)
        for row, name in zip(rows, names, strict=True):
            wanted = targets(scenes.faces[name], nothing, SIZE)
            for k in np.flatnonzero(wanted[:, 0] == FOUND):
                row[k, 0] = 0.9
                row[k, 1:] = encode(wanted[k, 1:], cells[k])
        outputs = []
        for s in (8, 16, 32):
            part = rows[:, cells[:, 2] == s]
            shape = (len(names), -(-SIZE[1] // s), SIZE[0] // s, -1)
            outputs += [part[..., a:b].reshape(shape) for a, b in ((0, 1), (1, 5), (5, 15))]
        return outputs

    assert len(truth) == len(names)
    figures = detector.score(run, oracle, "validation")
    assert figures["recall"] == 1
    assert figures["false_boxes"] == 0
    assert figures["landmark_error"] == pytest.approx(0, abs=0.01)


def test_answers_count_what_each_picture_lacks(trained: Path) -> None:
    from edgecnn.training import detector
    from edgecnn.training.run import Run

    run = Run(trained)

    def blind(pixels: np.ndarray[Any, Any]) -> list[Floats]:
        n, h, w, _ = pixels.shape
        return [np.zeros((n, h // s, w // s, c), np.float32) for s in (8, 16, 32)
                for c in (1, 4, 10)]  # fmt: skip

    found = detector.answers(run, blind, "test")
    names = run.split["test"]
    faces = detector.read_scenes(run.facts["settings"]["data"]).faces
    assert found.names == names and found.faults.tolist() == [len(faces[n]) for n in names]
    assert found.said == [f"{len(faces[n])} missed, 0 false" for n in names]
    assert found.figures == detector.score(run, blind, "test") and found.figures["recall"] == 0
    assert found.sureness is not None and len(found.sureness) == 0 and found.sensitive
    assert found.draw(0)[:4] == b"\x89PNG"


def test_originals_come_out_as_some_of_the_samples(trained: Path) -> None:
    from edgecnn.images import Preprocess
    from edgecnn.training import detector
    from edgecnn.training.run import Run

    run = Run(trained)
    for turned in (False, True):
        preprocess = Preprocess.from_dict(run.facts["input"])
        preprocess = preprocess.turned() if turned else preprocess
        seen = run.seen_through(preprocess)
        for part, count, photos in (("train", 8, 4), ("test", 3, 3)):
            pixels, _ = detector.samples(seen, part, count, seed=5)
            prepared = [preprocess(p) for p in detector.originals(seen, part, count, seed=5)]
            assert len(prepared) == photos
            assert {p.tobytes() for p in prepared} <= {p.tobytes() for p in pixels}


def test_training_again_goes_elsewhere(trained: Path) -> None:
    from edgecnn.training import detector

    data = trained.parent / "scenes"
    with pytest.raises(StorageError, match="not empty"):
        detector.train(data, trained, SMALL)
    with pytest.raises(StorageError, match="is complete"):
        detector.train(data, trained, SMALL, resume=True)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"anchors": 3}, "--anchors"),
        ({"negatives": "{tmp}/none"}, "without faces"),
        ({"size": 100}, "multiples of 32"),
        ({"start": "{tmp}/none"}, "expected a run folder"),
        ({"start": "{tmp}/none.tflite"}, "none.tflite"),
        ({"start": f"{ASSETS}/face-embedder.tflite"}, "of the layer stemc in .*Found none"),
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, settings: dict[str, Any], says: str) -> None:
    from edgecnn.training import detector

    make_scenes(tmp_path / "scenes", 12)
    given = {k: v.format(tmp=tmp_path) if isinstance(v, str) else v for k, v in settings.items()}
    with pytest.raises((DataError, ModelError), match=says):
        detector.train(tmp_path / "scenes", tmp_path / "run", given)
    assert not (tmp_path / "run").exists()


def test_batches_repeat_by_seed_and_epoch() -> None:
    from edgecnn.data.mosaic import Composer
    from edgecnn.training.detector import Batches

    image = np.full((96, 128, 3), 90, np.uint8)
    composer = Composer([image], [face(60, 50, 40)[None]], SIZE)
    a, b = (Batches(composer, SIZE, {"batch_size": 3, "seed": 1, "samples": 6}) for _ in range(2))
    assert len(a) == 2
    first, wanted = a[1]
    assert first.shape == (3, SIZE[1], SIZE[0], 3)
    assert wanted.shape == (3, 16 * 12 + 8 * 6 + 4 * 3, 15)
    np.testing.assert_array_equal(first, b[1][0])
    b.epoch = 1
    assert not np.array_equal(first, b[1][0])


def test_training_imports_without_tensorflow(root: Path) -> None:
    """Under another back end, TensorFlow must not be asked for."""
    code = (
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('tensorflow', 'converters'):\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Block())\n"
        "import types, os\n"
        "os.environ['KERAS_BACKEND'] = 'numpy'\n"
        "import edgecnn.training.detector, edgecnn.networks.detector\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed")
def test_trains_on_jax_without_tensorflow(tmp_path: Path, root: Path) -> None:
    make_scenes(tmp_path / "scenes", 24)
    code = (
        "import sys\n"
        "sys.modules['tensorflow'] = None\n"
        "import keras\n"
        "from edgecnn.training import detector\n"
        f"detector.train({str(tmp_path / 'scenes')!r}, {str(tmp_path / 'run')!r}, {SMALL!r})\n"
        "print(keras.backend.backend())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "jax"
    assert (tmp_path / "run" / "model.keras").exists()

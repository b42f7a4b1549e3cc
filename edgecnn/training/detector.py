"""Train the face detector on scenes with boxes and landmarks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.bundle import DETECTOR, PORTRAIT
from edgecnn.data.mosaic import Composer
from edgecnn.data.scenes import Scenes, read_scenes, split_scenes
from edgecnn.errors import DataError, needs
from edgecnn.faces.boxes import nms
from edgecnn.faces.detect import Faces, decode
from edgecnn.faces.recall import LOWEST_SCORE, Hits, hits
from edgecnn.images import Floats, Image, Preprocess, largest, read_image, to_network
from edgecnn.networks import resized
from edgecnn.networks.detector import detector
from edgecnn.runtime.interpreter import Tensor
from edgecnn.training import settings_for
from edgecnn.training.answers import Answers
from edgecnn.training.cells import CellLoss, joined, targets
from edgecnn.training.detector_report import marked, write_report
from edgecnn.training.fit import Progress, fit
from edgecnn.training.run import Run
from edgecnn.training.thaw import THAWED, lend_weights

with needs("train", "keras", "tensorflow"):
    import keras

Predict = Callable[[Image], Sequence[npt.NDArray[Any]]]
"""Pixels ``(N, H, W, 3)`` uint8 to the nine outputs, float32, batch first."""

DEFAULTS: dict[str, Any] = {
    "seed": 0,
    "small_epochs": 24,
    "epochs": 8,
    "batch_size": 16,
    "learning_rate": 2e-3,
    "samples": None,
    "size": [320, 256],
    "channels": [16, 32, 64, 96, 128],
    "depths": [0, 3, 3, 2],
    "head": 64,
    "towers": 1,
    "patience": None,
    "negatives": None,
    "start": None,
    "false_boxes": 0.03,
}
"""What decides a training, and the defaults. ``small_epochs``: on pictures of :data:`SMALL` times
the size, before ``epochs`` on full ones; ``samples``: pictures an epoch, None for as many as there
are training photos; ``negatives``: a folder of photos that show no face; ``start``: a run, or
the int8 file of one, whose network to begin with; ``false_boxes``: a picture, at which the score
threshold is chosen on the validation photos."""

SMALL = 0.6
"""A convolution learns small and middling faces as well on a small picture, in a third of the time;
only the large ones need the full size."""
LOWEST_THRESHOLD = 0.3
"""A threshold below is not chosen: few validation photos can be clean by luck."""
NMS_IOU = (0.3, 0.4, 0.5)
RATES = (0.02, 0.05, 0.1, 0.2)
"""False boxes a picture; the mean recall at all of them less the landmark error says which epoch
was best, since the recall at one of them jumps about with a few pictures."""
HARD = 192
"""Mosaics and tilted faces, made from validation photos, that are measured after each epoch beside
the photos themselves."""
EMA = 0.98
"""Momentum of the averaged weights that an epoch ends with: about the last fifty batches."""


def train(
    data: str | Path,
    out: str | Path,
    settings: Mapping[str, Any],
    *,
    resume: bool = False,
    progress: Progress | None = None,
    tensorboard: bool = False,
) -> Run:
    """Train a detector on a folder of scenes (see :mod:`edgecnn.data.scenes`).

    Args:
        settings: any of :data:`DEFAULTS`.
        tensorboard: log the epochs for TensorBoard too.

    Raises:
        DataError: the scenes or the settings are not what was expected.
        StorageError: ``out`` is taken, or cannot be written.
        TrainingError: the loss is not a number.
    """
    chosen = settings_for("detector", DEFAULTS, settings)
    scenes = read_scenes(data)
    parts = split_scenes(scenes, chosen["seed"])
    negatives = _negatives(chosen["negatives"])
    with Run.begun(out, "detector", chosen, data, resume=resume, tensorboard=tensorboard) as run:
        return _train(run, scenes, parts, negatives, progress)


def _train(
    run: Run,
    scenes: Scenes,
    parts: dict[str, list[str]],
    negatives: Sequence[Image],
    progress: Progress | None,
) -> Run:
    chosen = run.facts["settings"]
    run.check_split(parts)
    run.write_split(parts)
    side = chosen["size"]
    w, h = (side, side) if isinstance(side, int) else side
    preprocess = Preprocess((w, h), "RGB", "letterbox")
    run.note(input=preprocess.to_dict(), labels=[])

    keras.utils.set_random_seed(chosen["seed"])
    shape = {name: chosen[name] for name in ("channels", "depths", "head", "towers")}
    network = detector(preprocess.size_wh, **shape)
    if chosen["start"] is not None:
        some = range(0, len(parts["train"]), max(1, len(parts["train"]) // THAWED))
        photos = _plain(scenes, [parts["train"][k] for k in some], [preprocess])[0]
        lend_weights(chosen["start"], network, to_network(np.stack(photos)))
    plain = _plain(scenes, parts["validation"], _both(preprocess))
    composer = _composer(scenes, parts["validation"], preprocess.size_wh)
    hard = _composed(composer, preprocess, HARD, chosen["seed"])
    images = scenes.read(parts["train"])
    faces = [scenes.to_learn(n) for n in parts["train"]]

    twin = resized(network, preprocess.turned().shape)

    def predict(pixels: Image) -> list[Floats]:
        learner = network
        if pixels.shape[1:] != preprocess.shape:
            twin.set_weights(network.get_weights())
            learner = twin
        outputs = learner.predict(to_network(pixels), batch_size=32, verbose=0)
        return [np.asarray(o) for o in outputs]

    def validate() -> dict[str, float]:
        figures = {"quality": 0.0}
        for name, (pixels, truth) in (("plain", plain), ("hard", hard)):
            found = hits(find(predict, pixels, LOWEST_SCORE, NMS_IOU[1]), truth)
            at = [found.at(found.threshold(rate)) for rate in RATES]
            figures[f"{name}_recall"] = at[0]["recall"]
            figures[f"{name}_landmark_error"] = found.at(LOWEST_THRESHOLD)["landmark_error"]
            figures["quality"] += sum(a["recall"] for a in at) / len(at) / 2
            figures["quality"] -= min(1.0, at[-1]["landmark_error"] / 100) / 2
        return figures

    for stage, scale in (("small", SMALL), ("full", 1.0)):
        w, h = (_scaled(n, scale) for n in preprocess.size_wh)
        learner = network if stage == "full" else detector((w, h), **shape)
        learner.set_weights(network.get_weights())
        batches = Batches(Composer(images, faces, (w, h), negatives), (w, h), chosen)
        model = joined(learner)
        epochs = chosen["small_epochs" if stage == "small" else "epochs"]
        rate, last = (1.0, 0.2) if stage == "small" else (0.5, 0.02)
        optimizer = _optimizer(rate * chosen["learning_rate"], last, len(batches) * epochs)
        model.compile(optimizer, loss=CellLoss((w, h)))

        def measure(learner: Any = learner) -> dict[str, float]:
            network.set_weights(learner.get_weights())
            return validate()

        fit(
            model,
            batches,
            run,
            stage=stage,
            epochs=epochs,
            validate=measure,
            monitor="quality",
            patience=chosen["patience"],
            progress=progress,
        )
        network.set_weights(learner.get_weights())
    run.note(**_thresholds(predict, plain, chosen["false_boxes"]))
    run.save_model(network)
    metrics = score(run, predict, "test")
    pictures, truth = _plain(scenes, parts["test"], _both(preprocess))
    write_report(
        run,
        metrics,
        names=parts["test"],
        pictures=pictures,
        truth=truth,
        found=find(predict, pictures, LOWEST_SCORE, run.facts["nms_iou"]),
    )
    run.write_metrics(metrics)
    return run


def samples(
    run: Run, part: str, count: int, seed: int = 0
) -> tuple[npt.NDArray[np.uint8], list[Floats]]:
    """Pictures as the network gets them, and their faces.

    Of the training part every second picture is a mosaic or a moved face and the others are
    photos as they are, so that a converter calibrates on small, large, several and no faces.

    Returns:
        ``(count, H, W, 3)`` uint8 RGB, fewer where a part has fewer photos, and ``(N, 14)`` faces
        each.
    """
    scenes, preprocess = _opened(run)
    rng = np.random.default_rng(seed)
    names = _shuffled(run, part, rng)
    plain = _plain(scenes, names[: _as_they_are(part, count)], [preprocess])
    if part != "train":
        return np.stack(plain[0]), plain[1]
    composer = _composer(scenes, names[: 4 * count], preprocess.size_wh)
    moved = _composed(composer, preprocess, count - len(plain[0]), seed)
    order = rng.permutation(count)
    pictures, truth = plain[0] + moved[0], plain[1] + moved[1]
    return np.stack([pictures[k] for k in order]), [truth[k] for k in order]


def originals(run: Run, part: str, count: int, seed: int = 0) -> Iterator[Image]:
    """The photos that :func:`samples` shows as they are, ``(H, W, 3)`` uint8 BGR."""
    scenes, _ = _opened(run)
    names = _shuffled(run, part, np.random.default_rng(seed))
    for name in names[: _as_they_are(part, count)]:
        yield from scenes.read([name])


def answers(run: Run, predict: Predict, part: str) -> Answers:
    """Faces missed and boxes that are none, in each photo of a part, at the run's thresholds."""
    scenes, preprocess = _opened(run)
    names = run.split[part]
    pictures, truth = _plain(scenes, names, _both(preprocess))
    threshold, nms_iou = run.facts["score_threshold"], run.facts["nms_iou"]
    found = find(predict, pictures, threshold, nms_iou)
    together = hits(found, truth)
    each = [hits([f], [t]) for f, t in zip(found, truth, strict=True)]
    missed = np.array([one.faces - int(one.right.sum()) for one in each], np.int64)
    false = np.array([int((~one.right).sum()) for one in each], np.int64)
    return Answers(
        figures=together.at(threshold),
        names=names,
        groups=[()] * len(names),
        said=[f"{m} missed, {f} false" for m, f in zip(missed, false, strict=True)],
        notes=[f"{int(one.right.sum())} of {one.faces} found" for one in each],
        faults=missed + false,
        draw=lambda i: marked(pictures[i], truth[i], found[i][0]),
        sureness=together.scores,
        hits=together.right,
        legend="Green: labelled. Red: found.",
        sensitive=True,
    )


def score(run: Run, predict: Predict, part: str) -> dict[str, float]:
    """``recall``, ``false_boxes`` a picture and ``landmark_error`` (percent of the distance of the
    eyes) on a part of the run's photos, at the run's own thresholds."""
    return answers(run, predict, part).figures


def views(run: Run) -> dict[str, Preprocess]:
    """The inputs that a run's network is converted for, by the model's name in a bundle."""
    inputs = _both(Preprocess.from_dict(run.facts["input"]))
    return dict(zip((DETECTOR, PORTRAIT), inputs, strict=False))


def find(
    predict: Predict, pictures: Sequence[Image], threshold: float, nms_iou: float
) -> list[Faces]:
    """Faces in each of some ``(H, W, 3)`` pictures, in their pixels; sizes may differ."""
    found: dict[int, Faces] = {}
    for shape in {p.shape for p in pictures}:
        alike = [k for k, p in enumerate(pictures) if p.shape == shape]
        for start in range(0, len(alike), 256):
            some = alike[start : start + 256]
            outputs = predict(np.stack([pictures[k] for k in some]))
            tensors = [Tensor("", o.shape, "float32", 0.0, 0) for o in outputs]
            for i, k in enumerate(some):
                one = [o[i : i + 1] for o in outputs]
                boxes, scores, landmarks = decode(one, tensors, shape[1], threshold)
                stay = nms(boxes, scores, nms_iou)
                found[k] = boxes[stay], scores[stay], landmarks[stay]
    return [found[k] for k in range(len(pictures))]


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Endless new pictures; the same ones for the same seed, epoch and batch."""

    def __init__(self, composer: Composer, size_wh: tuple[int, int], settings: Mapping[str, Any]):
        super().__init__(workers=2, max_queue_size=6)
        self.epoch = 0
        self._composer, self._size_wh = composer, size_wh
        self._batch, self._seed = int(settings["batch_size"]), int(settings["seed"])
        self._count = int(settings["samples"] or len(composer))

    def __len__(self) -> int:
        return max(1, math.ceil(self._count / self._batch))

    def __getitem__(self, index: int) -> tuple[Floats, Floats]:
        rng = np.random.default_rng((self._seed, self._size_wh[0], self.epoch, index))
        made = [self._composer(rng) for _ in range(self._batch)]
        preprocess = Preprocess(self._size_wh, "RGB", "letterbox")
        pixels = np.stack([preprocess(m.image) for m in made])
        wanted = [targets(m.faces, m.ignore, self._size_wh) for m in made]
        return to_network(pixels), np.stack(wanted)


def _scaled(side: int, scale: float) -> int:
    """A multiple of 32 near ``side * scale``."""
    return max(1, round(side * scale / 32)) * 32


def _optimizer(rate: float, last: float, steps: int) -> Any:
    """AdamW whose rate rises to ``rate`` and then falls to ``last`` of it."""
    steps = max(2, steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        rate / 10, steps, alpha=last, warmup_target=rate, warmup_steps=min(300, steps // 10)
    )
    optimizer = keras.optimizers.AdamW(
        schedule, weight_decay=0.01, global_clipnorm=10.0, use_ema=True, ema_momentum=EMA
    )
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer


def _thresholds(
    predict: Predict, part: tuple[list[Image], list[Floats]], false_boxes: float
) -> dict[str, float]:
    """Score threshold and NMS overlap that find the most faces at this many false boxes."""
    best = (-1.0, 0.0, 0.0)
    for iou in NMS_IOU:
        found: Hits = hits(find(predict, part[0], LOWEST_SCORE, iou), part[1])
        threshold = max(LOWEST_THRESHOLD, found.threshold(false_boxes))
        best = max(best, (found.at(threshold)["recall"], threshold, iou))
    return {"score_threshold": round(best[1], 4), "nms_iou": best[2]}


def _shuffled(run: Run, part: str, rng: np.random.Generator) -> list[str]:
    names: list[str] = run.split[part]
    return [names[k] for k in rng.permutation(len(names))]


def _as_they_are(part: str, count: int) -> int:
    """How many of the samples are photos; the others are made of some."""
    return (count + 1) // 2 if part == "train" else count


def _opened(run: Run) -> tuple[Scenes, Preprocess]:
    return read_scenes(run.facts["settings"]["data"]), Preprocess.from_dict(run.facts["input"])


def _composer(scenes: Scenes, names: Sequence[str], size_wh: tuple[int, int]) -> Composer:
    return Composer(scenes.read(names), [scenes.to_learn(n) for n in names], size_wh)


def _both(preprocess: Preprocess) -> list[Preprocess]:
    """The input, and that for pictures that are higher than wide where it is another one."""
    return list(dict.fromkeys([preprocess, preprocess.turned()]))


def _plain(
    scenes: Scenes, names: Sequence[str], inputs: Sequence[Preprocess]
) -> tuple[list[Image], list[Floats]]:
    """Photos as the board sees them, with their faces in the network's pixels."""
    pictures, truth = [], []
    for name, image in zip(names, scenes.read(names), strict=True):
        preprocess = largest(inputs, image)
        pictures.append(preprocess(image))
        truth.append(scenes.faces[name] * np.array(preprocess.scale(image) * 7, np.float32))
    return pictures, truth


def _composed(
    composer: Composer, preprocess: Preprocess, count: int, seed: int
) -> tuple[list[Image], list[Floats]]:
    rng = np.random.default_rng((seed, 1))
    made = [composer(rng, "mosaic" if k % 2 else "single") for k in range(count)]
    return [preprocess(one.image) for one in made], [one.faces[:, :14] for one in made]


def _negatives(folder: str | None) -> list[Image]:
    if folder is None:
        return []
    files = sorted(f for f in Path(folder).rglob("*") if f.is_file())
    if not files:
        raise DataError(f"expected photos without faces in {folder}. It has no files")
    return [read_image(f) for f in files]

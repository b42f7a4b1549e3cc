"""Train a classifier on a folder per class: ``edgecnn train DATA --task images``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.balance import in_turns
from edgecnn.data.batches import Batches
from edgecnn.data.folders import (
    Photos,
    counts,
    label_of,
    list_photos,
    read_photos,
    split_rows,
)
from edgecnn.errors import DataError, needs
from edgecnn.images import Floats, Image, Preprocess, decode_image, read_image, to_network
from edgecnn.networks import CLASSIFIERS, build
from edgecnn.report import pictures
from edgecnn.training import cluster, settings_for
from edgecnn.training.answers import Answers
from edgecnn.training.fit import Progress, fit
from edgecnn.training.images_report import write_report
from edgecnn.training.measures import accuracies, confusion, cross_entropy, least_threshold, softmax
from edgecnn.training.run import CHECKPOINT, FREE, Run
from edgecnn.training.saliency_report import Tested
from edgecnn.training.transfer import earlier, input_of, refuse_foreign, transferred

with needs("train", "keras", "tensorflow"):
    import keras

Labels = npt.NDArray[np.int64]
Predict = Callable[[Image], list[Floats]]
"""Pixels ``(N, H, W, C)`` uint8 to one array an output; here one, the logits ``(N, classes)``."""

DEFAULTS: dict[str, Any] = {
    "seed": 0,
    "network": "compact",
    "channels": None,  # the network's own, as are the next two
    "depth": None,
    "width": None,
    "start": None,  # a run of this task, whose network is trained further
    "freeze": False,
    "size": None,  # a side or [width, height]; the pictures' own where that is small, else 96
    "colour": None,  # RGB or GRAY; GRAY where no picture has colour
    "epochs": 40,
    "batch_size": 32,
    "learning_rate": 3e-3,
    "weight_decay": 0.01,
    "label_smoothing": 0.05,
    "patience": 12,
    "held_out": 0.15,
    "balance": True,
    "augment": True,
    "mirror": False,
    "skip_broken": False,
    "stream": None,  # pixels on the disk; where memory is too small for them
}
"""Settings of this task; ``edgecnn train`` has an option for most."""

LARGEST_OWN_SIZE = 96
PREDICTED = 256
"""Pictures at most that a network is asked about at once."""
SIDES = (8, 512)
"""Least and largest side of an input, in pixels."""


def train(
    data: str | Path,
    out: str | Path,
    settings: Mapping[str, Any],
    *,
    resume: bool = False,
    progress: Progress | None = None,
    tensorboard: bool = False,
) -> Run:
    """Train on ``data``, a folder of pictures for each class, and leave a run folder in ``out``.

    Args:
        settings: any of :data:`DEFAULTS`.
        resume: go on with the run in ``out`` where one was interrupted.
        tensorboard: log the epochs for TensorBoard too.

    Raises:
        DataError: the folder or a setting is not as expected.
        TrainingError: the loss became no number.
        StorageError: ``out`` holds something already, or cannot be written.
    """
    settings = settings_for("images", DEFAULTS, settings)
    check(settings)
    names = list_photos(data)
    with Run.begun(out, "images", settings, data, resume=resume, tensorboard=tensorboard) as run:
        return _train(run, names, progress)


def samples(run: Run, part: str, count: int | None = None, seed: int = 0) -> tuple[Image, Labels]:
    """Pictures of a part as the network gets them, for calibration and verification.

    Args:
        part: ``"train"``, ``"validation"`` or ``"test"``.
        count: at most so many, the classes equally often as far as they last; None for all.

    Returns:
        Shuffled pixels ``(N, H, W, C)`` uint8 and class numbers ``(N,)``.

    Raises:
        DataError: a picture is gone or broken since the training.
    """
    return _read_part(run, _chosen(run, part, count, seed))


def originals(run: Run, part: str, count: int | None = None, seed: int = 0) -> Iterator[Image]:
    """The photos of :func:`samples`, in its order, as they are: ``(H, W, 3)`` uint8 BGR."""
    root = Path(run.facts["settings"]["data"])
    return (read_image(root / name) for name in _chosen(run, part, count, seed))


def answers(run: Run, predict: Predict, part: str) -> Answers:
    """What ``predict`` takes each picture of a part for, and the probability it gives that."""
    names, labels = run.split[part], run.facts["labels"]
    pixels, targets = _read_part(run, names)
    (logits,) = predict(pixels)
    chosen, probabilities = logits.argmax(axis=1), softmax(logits)
    sureness = probabilities.max(axis=1)
    order = run.facts["input"]["order"]
    return Answers(
        figures=accuracies(confusion(chosen, targets, len(labels))),
        names=names,
        groups=[(labels[t],) for t in targets],
        said=[labels[c] for c in chosen],
        notes=[f"{100 * s:.0f} %" for s in sureness],
        faults=(chosen != targets).astype(np.int64),
        draw=lambda i: pictures.picture(pixels[i], order=order),
        sureness=sureness,
        hits=chosen == targets,
    )


def score(run: Run, predict: Predict, part: str) -> dict[str, float]:
    """``accuracy``, the headline, and ``balanced_accuracy`` of ``predict`` on a part."""
    return answers(run, predict, part).figures


def report(run: Run) -> None:
    """Write the page of a finished run again, with all that has been found out since.

    Raises:
        DataError: the run is not finished, or a picture is gone or broken since the training.
        StorageError: the page cannot be written.
    """
    metrics, network = run.metrics, run.load_model()
    names = run.split["test"]
    pixels, targets = _read_part(run, names)
    logits = _logits(network, pixels, np.arange(len(pixels)))
    tested = _tested(run, names, lambda k: pixels[k], targets, logits)
    try:
        write_report(run, metrics, network, tested)
    except KeyError as e:
        raise DataError(f"{run.path} lacks {e}, which its page shows: train it again") from e


def _tested(
    run: Run,
    names: list[str],
    pixels: Callable[[Any], Image],
    targets: Labels,
    logits: Floats,
) -> Tested:
    order = run.facts["input"]["order"]
    return Tested(run.facts["labels"], order, names, pixels, softmax(logits), targets)


def _chosen(run: Run, part: str, count: int | None, seed: int) -> list[str]:
    names: list[str] = run.split[part]
    return [names[i] for i in in_turns(_targets(run, names), count, seed)]


def _targets(run: Run, names: Sequence[str]) -> Labels:
    labels = run.facts["labels"]
    return np.array([labels.index(label_of(name)) for name in names], np.int64)


def _read_part(run: Run, names: Sequence[str]) -> tuple[Image, Labels]:
    preprocess = Preprocess.from_dict(run.facts["input"])
    photos = read_photos(run.facts["settings"]["data"], names, preprocess, folder=run.path)
    return photos.pixels, _targets(run, names)


def operating_point(run: Run, predict: Predict) -> dict[str, Any]:
    """The operating point of ``predict`` on the validation part.

    Returns:
        ``threshold`` (probability), ``error_rate`` and ``trials`` of
        :func:`edgecnn.training.measures.least_threshold`, and ``measured_on`` in words.
    """
    pixels, targets = samples(run, "validation")
    return _point(predict(pixels)[0], targets)


def _point(logits: Floats, targets: Labels) -> dict[str, Any]:
    point = least_threshold(softmax(logits), targets)
    return {**point, "measured_on": f"{len(targets)} validation pictures of the same folder"}


def _train(run: Run, names: list[str], progress: Progress | None) -> Run:
    settings = run.facts["settings"]
    photos, preprocess = read(settings, names, progress, run.path)
    labels = sorted({label_of(name) for name in photos.names})
    if lost := sorted({label_of(name) for name in names} - set(labels)):
        raise DataError(f"{lost[0]} has no picture that can be read: add some or remove the folder")
    rows = split_rows(
        photos.names, photos.digests, seed=settings["seed"], held_out=settings["held_out"]
    )
    parts = {part: [photos.names[i] for i in chosen] for part, chosen in rows.items()}
    run.check_split({**parts, "skipped": photos.skipped})
    own = {"data", *FREE}  # where a machine keeps its pictures is its own affair
    cluster.agree(
        {
            "settings": {k: v for k, v in settings.items() if k not in own},
            "split": parts,
            "pictures": sha256(photos.digests.tobytes()).hexdigest(),
        }
    )
    run.write_split({**parts, "skipped": photos.skipped})
    run.note(labels=labels, input=preprocess.to_dict())

    number = {label: i for i, label in enumerate(labels)}
    targets = np.array([number[label_of(name)] for name in photos.names], np.int64)
    with cluster.together(settings["batch_size"]):
        model = _fit(run, photos.pixels, targets, rows, progress)
    run.save_model(model)

    logits = {p: _logits(model, photos.pixels, rows[p]) for p in ("validation", "test")}
    table = confusion(logits["test"].argmax(axis=1), targets[rows["test"]], len(labels))
    metrics = {
        **accuracies(table),
        "validation_accuracy": float(
            np.mean(logits["validation"].argmax(axis=1) == targets[rows["validation"]])
        ),
        "parameters": int(model.count_params()),
        "epochs": len(run.history),
        "per_class": {label: float(table[i, i] / table[i].sum()) for i, label in enumerate(labels)},
        "operating_point": _point(logits["validation"], targets[rows["validation"]]),
        "confusion": table.tolist(),
        "counts": counts(parts),
        "skipped": len(photos.skipped),
    }
    held_out = rows["test"]
    write_report(
        run,
        metrics,
        model,
        _tested(
            run,
            parts["test"],
            lambda k: photos.pixels[held_out[k]],
            targets[held_out],
            logits["test"],
        ),
    )
    run.write_metrics(metrics)
    return run


def read(
    settings: Mapping[str, Any],
    names: list[str],
    progress: Progress | None = None,
    folder: Path | None = None,
) -> tuple[Photos, Preprocess]:
    """The pictures as a training with these settings sees them.

    Args:
        settings: :data:`DEFAULTS`, with ``data``. ``names``: of :func:`list_photos`.
        folder: where pixels may lie that are too many for memory; None keeps them there.

    Raises:
        DataError: a picture is broken or stands in two classes, and ``skip_broken`` is false.
    """
    told = settings["size"]
    size_wh = (told, told) if isinstance(told, int) else told and (int(told[0]), int(told[1]))
    if settings["start"]:
        preprocess = input_of(earlier(settings["start"]), size_wh)
    else:
        size_wh = size_wh or _own_size(Path(settings["data"]), names)
        preprocess = Preprocess(size_wh, settings["colour"] or "RGB")
    photos = read_photos(
        settings["data"],
        names,
        preprocess,
        skip_broken=settings["skip_broken"],
        folder=folder,
        stream=settings.get("stream"),
        progress=progress and (lambda done, of: progress("reading pictures", done, of, {})),
    )
    if settings["colour"] is None and settings["start"] is None and _is_grey(photos.pixels):
        # With three equal channels OpenCV's grey is that channel: the same bytes as read as GRAY.
        photos = replace(photos, pixels=photos.pixels[..., :1])
        preprocess = Preprocess(preprocess.size_wh, "GRAY")
    return photos, preprocess


def _is_grey(pixels: Image) -> bool:
    """Whether no pixel has colour; a picture at a time, so that no more of them is in memory."""
    return pixels.shape[-1] == 3 and all(bool((p == p[..., :1]).all()) for p in pixels)


def _own_size(root: Path, names: list[str]) -> tuple[int, int]:
    """Width and height of the pictures where the first of each class agree on a small one."""
    first = {label_of(name): name for name in reversed(names)}
    sizes = set()
    for name in first.values():
        try:
            height, width = decode_image((root / name).read_bytes()).shape[:2]
        except (DataError, OSError):
            continue  # read_photos tells of broken files, all at once
        sizes.add((int(width), int(height)))
    own = sizes.pop() if len(sizes) == 1 else (LARGEST_OWN_SIZE,) * 2
    return own if min(own) >= SIDES[0] and max(own) <= LARGEST_OWN_SIZE else (LARGEST_OWN_SIZE,) * 2


def _fit(
    run: Run,
    pixels: Image,
    targets: Labels,
    rows: Mapping[str, Any],
    progress: Progress | None,
) -> Any:
    settings, labels = run.facts["settings"], run.facts["labels"]
    classes = len(labels)
    keras.utils.set_random_seed(settings["seed"])
    if settings["start"]:
        start = earlier(settings["start"])
        model = transferred(start, pixels.shape[1:], labels, settings["freeze"])
    else:
        options = {name: settings[name] for name in ("channels", "depth", "width")}
        model = build(settings["network"], input_shape=pixels.shape[1:], classes=classes, **options)
    batches = Batches(pixels, targets, classes, settings, rows["train"], cluster.share())
    steps = settings["epochs"] * len(batches)
    warm_up = min(len(batches), steps // 10)
    schedule = keras.optimizers.schedules.CosineDecay(
        settings["learning_rate"] / 10,
        max(1, steps - warm_up),
        warmup_target=settings["learning_rate"],
        warmup_steps=warm_up,
    )
    model.compile(
        keras.optimizers.AdamW(schedule, weight_decay=settings["weight_decay"]),
        keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=settings["label_smoothing"]
        ),
        metrics=["accuracy"],
    )

    trained = cluster.alone(model)

    def validate() -> dict[str, float]:
        held_out = targets[rows["validation"]]
        with cluster.apart():
            logits = _logits(trained(), pixels, rows["validation"])
        return cluster.agreed(
            {
                "loss": cross_entropy(logits, held_out),
                "accuracy": float(np.mean(logits.argmax(axis=1) == held_out)),
            }
        )

    cluster.send(run.path / CHECKPOINT)

    fit(
        model,
        batches,
        run,
        stage="classifier",
        epochs=settings["epochs"],
        validate=validate,
        monitor="loss",
        mode="min",
        patience=settings["patience"],
        progress=progress,
    )
    return trained()


def _logits(model: Any, pixels: Image, rows: Labels) -> Floats:
    """``(N, classes)`` of some rows, of which few are floats at a time."""
    few = np.array_split(rows, -(-len(rows) // PREDICTED))
    return np.concatenate(
        [np.asarray(model.predict_on_batch(to_network(pixels[r])), np.float32) for r in few]
    )


def check(settings: Mapping[str, Any]) -> None:
    """Refuse settings that no training can have.

    Raises:
        DataError: one is out of its range.
    """
    if settings["network"] not in CLASSIFIERS:
        names = ", ".join(CLASSIFIERS)
        raise DataError(f"expected a network out of {names}. Received: {settings['network']!r}")
    refuse_foreign(settings, DEFAULTS)
    for name in ("epochs", "batch_size", "learning_rate"):
        if not settings[name] > 0:
            raise DataError(f"expected {name} above 0. Received: {settings[name]}")
    size = settings["size"]
    sides = [size] if isinstance(size, int) else size or []
    if sides and not SIDES[0] <= min(sides) <= max(sides) <= SIDES[1]:
        raise DataError(f"expected a size of {SIDES[0]} to {SIDES[1]} pixels. Received: {size}")
    if settings["mirror"] and not settings["augment"]:
        raise DataError("mirror is a part of augment, which is off: turn it on or leave mirror out")

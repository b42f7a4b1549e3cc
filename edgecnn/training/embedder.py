"""Teach the embedder from a teacher, from identities, or from both.

With a teacher of the same stages the student first learns stage by stage, side by side: each of
its stages is given what the teacher's stage is given and learns to hand on what that hands on.
Then the whole network learns what the teacher says of the face as it is and of its mirror image,
whatever was changed in the picture that the student sees. Of some faces it can be taught the
teacher's stages beside (hints, Romero et al. 2015, *FitNets*, arXiv 1412.6550), each from the
student's own stage before, whose errors it so learns to bear. Persons with several faces add a
softmax with an additive angular margin.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data import aligned
from edgecnn.data.aligned import split as split
from edgecnn.data.augment_faces import augment_face
from edgecnn.data.balance import in_turns
from edgecnn.errors import DataError, needs
from edgecnn.faces import verify
from edgecnn.faces.embed import unit
from edgecnn.images import Floats, Image, Preprocess, decode_image, to_network
from edgecnn.networks import build
from edgecnn.networks.embedder import NANO
from edgecnn.training import pairs, settings_for
from edgecnn.training.answers import Answers
from edgecnn.training.embedder_report import write_report
from edgecnn.training.fit import Progress, fit
from edgecnn.training.losses import (
    AngularHead,
    angular_margin,
    cosine_distance,
    relative_error,
)
from edgecnn.training.run import Run
from edgecnn.training.teacher import Teacher, kept_answers
from edgecnn.training.thaw import THAWED, lend_weights

with needs("train", "keras", "tensorflow"):
    import keras

Predict = Callable[[Image], list[Floats]]

DEFAULTS: dict[str, Any] = {
    "seed": 0,
    "teacher": None,
    "start": None,
    "size": 112,
    "stage_epochs": 3,
    "stage_faces": 8192,
    "epochs": 8,
    "epoch_faces": None,
    "batch_size": 64,
    "stage_learning_rate": 3e-3,
    "learning_rate": 2e-3,
    "margin_weight": 0.01,
    "hint_weight": 0.0,
    "hint_faces": 16,
    "patience": None,
    "nano": False,
    "network": {},
}
"""``nano`` is for the small network, :data:`edgecnn.networks.embedder.NANO`; ``network`` holds
options of :func:`edgecnn.networks.embedder.embedder`; ``margin_weight`` is the weight of the
identities beside a teacher (without one they weigh 1); ``hint_weight`` is the weight of the
teacher's stages beside its embedding, together, and ``hint_faces`` how many faces of a batch it is
asked for these, which costs a pass of the teacher each time; ``start`` is a run whose network is
trained further, or the int8 file of one, without the stages; ``stage_faces`` and ``epoch_faces``
make an epoch, None for all there are."""

TARGETS = "targets.npy"
"""The teacher's embeddings of the training faces, in the run folder while the training lasts."""

NARROWED_BY = 256
"""Faces by which a teacher's stages become as narrow as the student's: of a stage of 7×7 and 128
channels, 98 pixels a channel."""

FALSE_ACCEPT_RATE = 1e-4
"""The rate of impostor comparisons that the threshold is chosen for."""


def train(
    data: str | Path,
    out: str | Path,
    settings: Mapping[str, Any],
    *,
    resume: bool = False,
    progress: Progress | None = None,
    tensorboard: bool = False,
) -> Run:
    """Train an embedder on the aligned faces of ``data`` into the run folder ``out``.

    Raises:
        DataError: no faces, or neither a teacher nor a person with two faces.
        TrainingError: the loss is not a number.
    """
    settings = settings_for("embedder", DEFAULTS, settings)
    people = aligned.index(data)
    parts = split(people, settings["seed"])
    check(parts, settings["teacher"])
    with Run.begun(out, "embedder", settings, data, resume=resume, tensorboard=tensorboard) as run:
        settings = run.facts["settings"]
        keras.utils.set_random_seed(settings["seed"])
        preprocess = Preprocess((settings["size"],) * 2, "RGB", "stretch")
        run.note(input=preprocess.to_dict())
        split_by_file = {name: list(people) for name, people in parts.items()}
        run.check_split(split_by_file)
        run.write_split(split_by_file)
        student, teacher = _student(settings), None
        faces = aligned.load(data, parts["train"], preprocess)
        if settings["teacher"]:
            teacher = _teacher(settings["teacher"], student, faces.pixels)
        if settings["start"]:
            some = faces.pixels[:: max(1, len(faces) // THAWED)]
            lend_weights(settings["start"], student, to_network(some))
    # What fails from here on leaves its epochs, to be resumed.
    held_out = aligned.load(data, parts["validation"], preprocess)
    if teacher and teacher.has_stages and settings["stage_epochs"] and not settings["start"]:
        _fit_stages(run, student, teacher, faces, held_out, settings, progress)
    _fit_whole(run, student, teacher, faces, held_out, settings, progress)
    run.save_model(student)
    _measure(run, student)
    (run.path / TARGETS).unlink(missing_ok=True)
    return run


def check(parts: Mapping[str, Mapping[str, str]], teacher: str | None) -> None:
    """Whether there is enough to learn from and to measure on.

    Raises:
        DataError: there is not.
    """
    for part, people in parts.items():
        faces = Counter(p for p in people.values() if p)
        several = sum(n >= 2 for n in faces.values())
        if part == "train" and (teacher or several >= 2) and people:
            continue
        if part == "train":
            raise DataError(
                "expected a --teacher, or at least two people with two faces each. "
                f"Received: {several} such people"
            )
        if several < 1 or len(faces) < 2:
            raise DataError(
                f"expected people to hold out, some with two faces, for {part}. Received: "
                f"{len(faces)} people, {several} with two faces: add people (about 30 suffice)"
            )


def _student(settings: Mapping[str, Any]) -> Any:
    options = {**(NANO if settings["nano"] else {}), **settings["network"]}
    return build("embedder", size_wh=(settings["size"],) * 2, **options)


def _teacher(file: str, student: Any, faces: Image) -> Teacher:
    stages = [layer.output.shape[1:] for layer in _stage_ends(student)]
    _, height, width, _ = student.input.shape
    teacher = Teacher(file, stages, threads=1, size_wh=(width, height))
    if teacher.dimension != student.output.shape[1]:
        raise DataError(
            f"expected a teacher whose embeddings have {student.output.shape[1]} numbers, as the "
            f"network's. Those of {file} have {teacher.dimension}: take another --teacher"
        )
    if teacher.has_stages:
        teacher.narrow(faces[:: max(1, len(faces) // NARROWED_BY)])
    return teacher


def _stage_ends(student: Any) -> list[Any]:
    names = {layer.name: layer for layer in student.layers}
    return [names[f"stage{i}"] for i in range(1, len(names)) if f"stage{i}" in names]


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Augmented faces; which ones, and how changed, follows from seed, epoch and position."""

    def __init__(
        self, faces: aligned.AlignedFaces, settings: Mapping[str, Any], count: int | None,
        targets: Callable[[Image, npt.NDArray[np.int64]], Any],
    ):  # fmt: skip
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=4)
        self.epoch = 0
        self._faces, self._targets = faces, targets
        self._size, self._seed = settings["batch_size"], settings["seed"]
        self._count = min(count or len(faces), len(faces))

    def __len__(self) -> int:
        return int(max(1, self._count // self._size))

    def __getitem__(self, position: int) -> Any:
        first = (self.epoch * len(self) + position) * self._size
        chosen = np.empty(self._size, np.int64)
        for k in range(self._size):
            # An endless sequence of shuffled passes over the data, cut into batches.
            lap, place = divmod(first + k, len(self._faces))
            chosen[k] = self._pass(lap)[place]
        rng = np.random.default_rng([self._seed, 1, self.epoch, position])
        pixels = np.stack([augment_face(self._faces.pixels[i], rng) for i in chosen])
        return self._targets(pixels, chosen)

    def _pass(self, lap: int) -> npt.NDArray[np.int64]:
        if getattr(self, "_lap", None) != lap:
            rng = np.random.default_rng([self._seed, 0, lap])
            self._order, self._lap = rng.permutation(len(self._faces)), lap
        return self._order


def _optimizer(learning_rate: float, steps: int) -> Any:
    schedule = keras.optimizers.schedules.CosineDecay(
        learning_rate / 20, max(1, steps - steps // 20), warmup_target=learning_rate,
        warmup_steps=steps // 20,
    )  # fmt: skip
    return keras.optimizers.AdamW(schedule, weight_decay=1e-4, global_clipnorm=5.0)


def _fit_stages(
    run: Run, student: Any, teacher: Teacher, faces: aligned.AlignedFaces,
    held_out: aligned.AlignedFaces, settings: Mapping[str, Any], progress: Progress | None,
) -> None:  # fmt: skip
    """Every stage learns from the teacher's input to the teacher's output of that stage."""
    ends = [*(layer.output for layer in _stage_ends(student)), student.output]
    starts = [student.input, *ends[:-1]]
    inputs = [keras.Input(x.shape[1:]) for x in starts]
    names = [*(layer.name for layer in _stage_ends(student)), "embedding"]
    outputs = [
        keras.Model(start, end, name=name)(x)
        for start, end, name, x in zip(starts, ends, names, inputs, strict=True)
    ]
    model = keras.Model(inputs, outputs)

    def targets(pixels: Image, _: Any) -> Any:
        embeddings, features = teacher(pixels, stages=True)
        return (to_network(pixels), *features), (*features, embeddings)

    probe = held_out.pixels[: 4 * settings["batch_size"]]
    x, y = targets(probe, None)
    batches = _Batches(faces, settings, settings["stage_faces"], targets)
    steps = len(batches) * settings["stage_epochs"]
    model.compile(
        _optimizer(settings["stage_learning_rate"], steps),
        loss=[*(relative_error(f) for f in y[:-1]), cosine_distance],
    )

    def validate() -> dict[str, float]:
        loss = model.evaluate(x, y, batch_size=settings["batch_size"], verbose=0)
        return {"loss": float(np.ravel(loss)[0])}

    fit(model, batches, run, stage="stages", epochs=settings["stage_epochs"],
        validate=validate, monitor="loss", mode="min", progress=progress)  # fmt: skip


def _fit_whole(
    run: Run, student: Any, teacher: Teacher | None, faces: aligned.AlignedFaces,
    held_out: aligned.AlignedFaces, settings: Mapping[str, Any], progress: Progress | None,
) -> None:  # fmt: skip
    """The whole network learns the teacher's embedding and to keep persons apart."""
    labels = _several(faces.persons)
    persons = int(labels.max()) + 1
    margin_weight = settings["margin_weight"] if teacher else 1.0
    use_margin = persons >= 2 and margin_weight > 0
    outputs, losses, weights = [], list[Any](), []
    if teacher:
        outputs, losses, weights = [student.output], [cosine_distance], [1.0]
    hinting = teacher if teacher and teacher.has_stages and settings["hint_weight"] > 0 else None
    if hinting:
        _, probe = hinting(held_out.pixels[: 4 * settings["batch_size"]], stages=True)
        outputs += [layer.output for layer in _stage_ends(student)]
        losses += [relative_error(features) for features in probe]
        weights += [settings["hint_weight"] / len(probe)] * len(probe)
    if use_margin:
        outputs.append(AngularHead(persons, name="persons")(student.output))
        losses.append(angular_margin())
        weights.append(margin_weight)
    model = keras.Model(student.input, outputs)
    data, taught = settings["data"], None
    if teacher:
        taught = kept_answers(run.path / TARGETS, settings["teacher"], data, faces, progress)

    def targets(pixels: Image, chosen: npt.NDArray[np.int64]) -> Any:
        y: list[Any] = [] if taught is None else [taught[chosen]]
        counts = [np.ones(len(pixels), np.float32)] * len(y)
        if hinting:
            features, count = hinting.hints(pixels, settings["hint_faces"])
            y += features
            counts += [count] * len(features)
        if use_margin:
            y.append(labels[chosen].astype(np.float32))
            counts.append((labels[chosen] >= 0).astype(np.float32))
        return to_network(pixels), tuple(y), tuple(counts)

    batches = _Batches(faces, settings, settings["epoch_faces"], targets)
    model.compile(
        _optimizer(settings["learning_rate"], len(batches) * settings["epochs"]),
        loss=losses, loss_weights=weights,
    )  # fmt: skip
    truth = teacher(teacher.faces(data, held_out))[0] if teacher else None

    def validate() -> dict[str, float]:
        embeddings = unit(_predict(student, held_out.pixels))
        figures = {}
        if truth is not None:
            figures["cosine"] = float(np.mean(np.sum(embeddings * truth, axis=1)))
        return figures | pairs.verification(embeddings, held_out.persons, settings["seed"])

    fit(model, batches, run, stage="whole", epochs=settings["epochs"], validate=validate,
        monitor="cosine" if teacher else "accuracy", patience=settings["patience"],
        progress=progress)  # fmt: skip


def _several(persons: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Persons with two faces or more numbered from 0, all others -1."""
    numbers, counts = np.unique(persons[persons >= 0], return_counts=True)
    labels = np.full(int(persons.max(initial=0)) + 1, -1, np.int64)
    several = numbers[counts >= 2]
    labels[several] = np.arange(len(several))
    return np.where(persons >= 0, labels[persons], -1)


def _predict(model: Any, pixels: Image, batch: int = 256) -> Floats:
    parts = [
        np.asarray(model.predict_on_batch(to_network(pixels[i : i + batch])))
        for i in range(0, len(pixels), batch)
    ]
    return np.concatenate(parts)


def samples(run: Run, part: str, count: int, seed: int) -> tuple[Image, npt.NDArray[np.int64]]:
    """Faces of a part in random order, as many of each person as they last, and their persons
    (-1 where unknown)."""
    faces = _part(run, part, count, seed)
    return faces.pixels, faces.persons


def originals(run: Run, part: str, count: int, seed: int) -> Iterator[Image]:
    """The faces of :func:`samples`, in its order, as they are: ``(H, W, 3)`` uint8 BGR."""
    read = aligned.reader(run.facts["settings"]["data"])
    return (decode_image(read(file), file) for file in _chosen(run, part, count, seed))


def _part(run: Run, part: str, count: int | None = None, seed: int = 0) -> aligned.AlignedFaces:
    data = run.facts["settings"]["data"]
    people = _chosen(run, part, count, seed)
    return aligned.load(data, people, Preprocess.from_dict(run.facts["input"]))


def _chosen(run: Run, part: str, count: int | None, seed: int) -> dict[str, str]:
    """Files and their people: the whole part in the order of the split, or some of it."""
    people = aligned.index(run.facts["settings"]["data"])
    files = run.split[part]
    if count is not None:
        numbers = {person: i for i, person in enumerate(sorted({people[f] for f in files}))}
        groups = np.array([numbers[people[f]] if people[f] else -1 for f in files], np.int64)
        files = [files[i] for i in in_turns(groups, count, seed)]
    return {file: people[file] for file in files}


def answers(run: Run, predict: Predict, part: str = "test") -> Answers:
    """Pairs of faces of a part, one person or two; which pairs does not depend on ``predict``."""
    faces, people = _part(run, part), aligned.index(run.facts["settings"]["data"])
    embeddings = unit(predict(faces.pixels)[0])
    return pairs.answers(faces, people, embeddings, run.facts["settings"]["seed"])


def score(run: Run, predict: Predict, part: str = "test") -> dict[str, float]:
    """Verification accuracy and TAR at FAR 1e-3 on held-out people, 0…1."""
    return answers(run, predict, part).figures


def strangers(run: Run) -> dict[str, aligned.AlignedFaces]:
    """Faces of people who trained nothing: ``choose`` thresholds by some, ``report`` on others.

    As the embedder's input; only people who are known, each face's person by its number.
    """
    settings = run.facts["settings"]
    people = aligned.index(settings["data"])
    parts = {name: {f: people[f] for f in files} for name, files in run.split.items()}
    preprocess = Preprocess.from_dict(run.facts["input"])
    return {
        name: aligned.load(settings["data"], {f: p for f, p in faces.items() if p}, preprocess)
        for name, faces in aligned.strangers(parts, settings["seed"]).items()
    }


def operating_point(run: Run, predict: Predict, part: str = "test") -> dict[str, Any]:
    """The threshold at :data:`FALSE_ACCEPT_RATE` and the rate measured there.

    All pairs of different held-out people are compared.
    """
    faces = _part(run, part)
    embeddings = unit(predict(faces.pixels)[0])
    impostors = verify.impostor_scores(embeddings, faces.persons)
    # A small set cannot show a rate below one in its number; the manifest says which it was.
    threshold = verify.threshold_at(impostors, max(FALSE_ACCEPT_RATE, 1 / len(impostors)))
    people = len(np.unique(faces.persons[faces.persons >= 0]))
    return {
        "threshold": threshold,
        "error_rate": float(np.mean(impostors >= threshold)),
        "measured_on": f"all pairs of different people among {people} held-out people of "
        f"{Path(run.facts['settings']['data']).name}, false accepts per comparison",
        "trials": len(impostors),
    }


def _measure(run: Run, student: Any) -> None:
    def predict(pixels: Image) -> list[Floats]:
        return [_predict(student, pixels)]

    metrics: dict[str, Any] = dict(score(run, predict))
    metrics["operating_point"] = operating_point(run, predict)
    metrics["parameters"] = student.count_params()
    metrics["counts"] = {name: len(files) for name, files in run.split.items()}
    faces = _part(run, "test")
    write_report(run, metrics, faces, unit(_predict(student, faces.pixels)))
    run.write_metrics(metrics)

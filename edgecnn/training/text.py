"""Train a classifier of texts on a table: ``edgecnn train DATA.csv --task text``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.balance import in_turns
from edgecnn.data.folders import PARTS, split
from edgecnn.data.text import texts_and_labels
from edgecnn.errors import DataError
from edgecnn.images import Floats, to_network
from edgecnn.networks.text import DROPOUT
from edgecnn.report import pictures
from edgecnn.text import VOCABULARY, Bytes, TextInput, Vocabulary, input_from, words_of
from edgecnn.training import settings_for
from edgecnn.training.answers import Answers
from edgecnn.training.fit import Progress, fit
from edgecnn.training.measures import accuracies, confusion, cross_entropy, least_threshold, softmax
from edgecnn.training.run import Run
from edgecnn.training.text_learner import Batches, Learner
from edgecnn.training.text_report import write_report

Labels = npt.NDArray[np.int64]
Predict = Callable[[Bytes], list[Floats]]
"""Bytes ``(N, length, 1, dim)`` to one array an output; here one, the logits ``(N, classes)``."""

DEFAULTS: dict[str, Any] = {
    "seed": 0,
    "text": "text",  # columns of the table
    "label": "label",
    "length": None,  # words of an input; what holds 99 % of the texts whole, at most 64
    "dim": 64,  # numbers of a word
    "least_count": 2,  # a word that is rarer in the training texts is none
    "vectors": None,  # a file of word vectors, which learn further
    "widths": [1, 2, 3],  # words that a filter sees
    "filters": 64,  # of each width
    "dropout": DROPOUT,
    "epochs": 20,
    "batch_size": 50,  # Kim 2014, section 3.1
    "learning_rate": 1e-3,
    "patience": 3,
    "held_out": 0.15,
    "error_rate": 0.05,  # of the answers at or above the threshold
}
"""Settings of this task; ``edgecnn train`` has an option for most."""

AT_ONCE = 512
"""Texts whose bytes are in memory at a time."""


def train(
    data: str | Path,
    out: str | Path,
    settings: Mapping[str, Any],
    *,
    resume: bool = False,
    progress: Progress | None = None,
    tensorboard: bool = False,
) -> Run:
    """Train on ``data``, a table with a text and a label a row, and leave a run folder in ``out``.

    Args:
        settings: any of :data:`DEFAULTS`.
        resume: go on with the run in ``out`` where one was interrupted.
        tensorboard: log the epochs for TensorBoard too.

    Raises:
        DataError: the table or a setting is not as expected.
        TrainingError: the loss became no number.
        StorageError: ``out`` holds something already, or cannot be written.
    """
    settings = settings_for("text", DEFAULTS, settings)
    check(settings)
    texts, labels = texts_and_labels(data, settings["text"], settings["label"])
    with Run.begun(out, "text", settings, data, resume=resume, tensorboard=tensorboard) as run:
        return _train(run, texts, labels, progress)


def samples(run: Run, part: str, count: int | None = None, seed: int = 0) -> tuple[Bytes, Labels]:
    """Texts of a part as the network gets them, for calibration and verification.

    Args:
        part: ``"train"``, ``"validation"`` or ``"test"``.
        count: at most so many, the classes equally often as far as they last; None for all.

    Returns:
        Shuffled bytes ``(N, length, 1, dim)`` uint8 and class numbers ``(N,)``.

    Raises:
        DataError: the table has changed since the training.
    """
    texts, targets = _part(run, part)
    chosen = in_turns(targets, count, seed)
    return _bytes(run, [texts[i] for i in chosen]), targets[chosen]


def made_up(run: Run, count: int = 4) -> Bytes:
    """Rows of words drawn by chance, ``(count, length, 1, dim)`` uint8: what a self-test asks, as
    nobody's text should travel in a bundle."""
    vocabulary, length = Vocabulary.load(run.path / VOCABULARY), _input(run).length
    drawn = np.random.default_rng(0).integers(0, len(vocabulary.table), (count, length))
    return vocabulary.table[drawn][:, :, None]


def answers(run: Run, predict: Predict, part: str) -> Answers:
    """What ``predict`` takes each text of a part for, and the probability it gives that."""
    labels, names = run.facts["labels"], run.split[part]
    texts, targets = _part(run, part)
    probabilities = softmax(_logits(run, predict, texts))
    chosen, sureness = probabilities.argmax(axis=1), probabilities.max(axis=1)
    return Answers(
        figures=accuracies(confusion(chosen, targets, len(labels))),
        names=[f"row {_row(name)}" for name in names],
        groups=[(labels[t],) for t in targets],
        said=[labels[c] for c in chosen],
        notes=[f"{100 * s:.0f} %" for s in sureness],
        faults=(chosen != targets).astype(np.int64),
        draw=lambda i: pictures.written(texts[i]),
        sureness=sureness,
        hits=chosen == targets,
    )


def score(run: Run, predict: Predict, part: str) -> dict[str, float]:
    """``accuracy``, the headline, and ``balanced_accuracy`` of ``predict`` on a part."""
    return answers(run, predict, part).figures


def operating_point(run: Run, predict: Predict) -> dict[str, Any]:
    """The operating point of ``predict`` on the validation part.

    Returns:
        ``threshold`` (probability), ``error_rate`` and ``trials`` of
        :func:`edgecnn.training.measures.least_threshold`, and ``measured_on`` in words.
    """
    texts, targets = _part(run, "validation")
    return _point(run, _logits(run, predict, texts), targets)


def check(settings: Mapping[str, Any]) -> None:
    """Refuse settings that no training can have.

    Raises:
        DataError: one is out of its range.
    """
    for name in ("epochs", "batch_size", "learning_rate", "dim", "least_count", "filters"):
        if not settings[name] > 0:
            raise DataError(f"expected {name} above 0. Received: {settings[name]}")
    if not 0 <= settings["dropout"] < 1:
        raise DataError(f"expected dropout from 0 to below 1. Received: {settings['dropout']}")
    widths, length = settings["widths"], settings["length"]
    if not widths or min(widths) < 1 or (length is not None and max(widths) > length):
        raise DataError(f"expected widths of 1 to {length or 'length'} words. Received: {widths}")


def _train(run: Run, texts: Sequence[str], words: Sequence[str], progress: Progress | None) -> Run:
    settings = run.facts["settings"]
    labels = sorted(set(words))
    _enough(texts, words)
    targets = np.array([labels.index(word) for word in words], np.int64)
    parts = split(
        [f"{target}/{row}" for row, target in enumerate(targets, 1)],
        np.array([_same(text).encode() for text in texts], object),
        seed=settings["seed"],
        held_out=settings["held_out"],
    )
    digest = _digest(texts, words)
    if run.facts.get("table", digest) != digest:
        raise DataError(f"cannot resume {run.path}: {_other_table(run)}")
    run.write_split(parts)
    rows = {part: np.array([_row(name) - 1 for name in parts[part]]) for part in PARTS}

    def some(part: str) -> tuple[list[str], Labels]:
        return [texts[row] for row in rows[part]], targets[rows[part]]

    learner = Learner(*some("train"), len(labels), settings)
    shape = TextInput(learner.length, learner.dim)
    columns = [settings["text"], settings["label"]]
    run.note(labels=labels, input=shape.to_dict(), table=digest, columns=columns)
    _fit(run, learner, some, progress)
    vocabulary = learner.vocabulary()
    vocabulary.save(run.path / VOCABULARY)
    run.save_model(learner.network)

    def predict(pixels: Bytes) -> list[Floats]:
        return [np.asarray(learner.network.predict_on_batch(to_network(pixels)))]

    logits = {part: _logits(run, predict, some(part)[0]) for part in ("validation", "test")}
    held_out = {part: targets[rows[part]] for part in ("validation", "test")}
    table = confusion(logits["test"].argmax(axis=1), held_out["test"], len(labels))
    metrics = {
        **accuracies(table),
        "validation_accuracy": float(
            np.mean(logits["validation"].argmax(axis=1) == held_out["validation"])
        ),
        "parameters": int(learner.network.count_params()),
        "words": len(vocabulary.words),
        "table_bytes": int(vocabulary.table.nbytes),
        "epochs": len(run.history),
        "per_class": {label: float(table[i, i] / table[i].sum()) for i, label in enumerate(labels)},
        "operating_point": _point(run, logits["validation"], held_out["validation"]),
        "confusion": table.tolist(),
        "counts": {part: dict(Counter(words[row] for row in rows[part])) for part in PARTS},
    }
    write_report(run, metrics, some("test")[0], softmax(logits["test"]), held_out["test"])
    run.write_metrics(metrics)
    return run


def _fit(run: Run, learner: Learner, some: Any, progress: Progress | None) -> None:
    settings = run.facts["settings"]
    (learnt, targets), (asked, truth) = some("train"), some("validation")
    held_out = learner.ids(asked)

    def validate() -> dict[str, float]:
        logits = learner.logits(held_out)
        return {
            "loss": cross_entropy(logits, truth),
            "accuracy": float(np.mean(logits.argmax(axis=1) == truth)),
        }

    fit(
        learner.model,
        Batches(learner, learnt, targets, settings["batch_size"]),
        run,
        stage="text",
        epochs=settings["epochs"],
        validate=validate,
        monitor="loss",
        mode="min",
        patience=settings["patience"],
        progress=progress,
    )


def _logits(run: Run, predict: Predict, texts: Sequence[str]) -> Floats:
    parts = [texts[start : start + AT_ONCE] for start in range(0, len(texts), AT_ONCE)]
    return np.concatenate([predict(pixels)[0] for pixels in _in_parts(run, parts)])


def _in_parts(run: Run, parts: Sequence[Sequence[str]]) -> Iterator[Bytes]:
    vocabulary, length = Vocabulary.load(run.path / VOCABULARY), _input(run).length
    return (vocabulary(part, length) for part in parts)


def _bytes(run: Run, texts: Sequence[str]) -> Bytes:
    return next(_in_parts(run, [texts]))


def _input(run: Run) -> TextInput:
    found = input_from(run.facts["input"])
    assert isinstance(found, TextInput)
    return found


def _part(run: Run, part: str) -> tuple[list[str], Labels]:
    """Texts and class numbers of a part, in the order of ``split.json``."""
    settings, labels = run.facts["settings"], run.facts["labels"]
    texts, words = texts_and_labels(settings["data"], settings["text"], settings["label"])
    if _digest(texts, words) != run.facts["table"]:
        raise DataError(_other_table(run))
    rows = [_row(name) - 1 for name in run.split[part]]
    return [texts[i] for i in rows], np.array([labels.index(words[i]) for i in rows], np.int64)


def _row(name: str) -> int:
    """The row, from 1, of a sample called ``class/row``."""
    return int(name.partition("/")[2])


def _point(run: Run, logits: Floats, targets: Labels) -> dict[str, Any]:
    rate = run.facts["settings"]["error_rate"]
    point = least_threshold(softmax(logits), targets, error_rate=rate)
    return {**point, "measured_on": f"{len(targets)} validation texts of the same table"}


def _enough(texts: Sequence[str], words: Sequence[str]) -> None:
    """Raises DataError where a class cannot be in every part."""
    distinct = Counter(word for word, _ in {*zip(words, map(_same, texts), strict=True)})
    few = [label for label, count in sorted(distinct.items()) if count < len(PARTS)]
    if few or len(distinct) < 2:
        said = f"{few[0]!r} has {distinct[few[0]]}" if few else f"the only label is {words[:1]}"
        raise DataError(
            "expected two labels or more, and three different texts of each, to train, validate "
            f"and test; {said}: add rows"
        )


def _same(text: str) -> str:
    """Equal for texts that are equal to a network."""
    return " ".join(words_of(text))


def _digest(texts: Sequence[str], words: Sequence[str]) -> str:
    digest = sha256()
    for row in zip(texts, words, strict=True):
        digest.update(repr(row).encode())
    return digest.hexdigest()


def _other_table(run: Run) -> str:
    return (
        f"{run.facts['settings']['data']} is not the table that the training began with: put that "
        "back, or train again"
    )

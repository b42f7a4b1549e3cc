"""The run folder: a training's whole outcome, and what it needs to go on after an interruption.

::

    run/
      run.json         task, settings, seed, versions; labels and input once they are known
      split.json       which sample went where
      history.csv      one line an epoch: stage, epoch, seconds, losses, metrics
      vocabulary.npz   (text) the words and their vectors
      model.keras      the trained network (not for faces, which trains no network)
      metrics.json     what was measured on held-out data; its presence means the run is complete
      report.html      the same for people, and what is found out about the run later
      tensorboard/     the epochs for TensorBoard, where asked for
      checkpoint.npz   only while training is under way

and of what is found out later:

      verification.json  int8 against float    speed.json    both timed, their bytes
      robustness.json    disturbed pictures    latency.json  each stage of a bundle
"""

from __future__ import annotations

import copy
import csv
import json
import platform
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from edgecnn import __version__, networks
from edgecnn.errors import DataError, MissingExtra, ModelError, StorageError, TrainingError
from edgecnn.images import Preprocess
from edgecnn.storage import is_filled, storing, whole_file, write_json
from edgecnn.text import VOCABULARY, TextInput

RUN, SPLIT, HISTORY = "run.json", "split.json", "history.csv"
MODEL, METRICS, REPORT, CHECKPOINT = "model.keras", "metrics.json", "report.html", "checkpoint.npz"
FREE = {"stream"}
"""Settings that decide nothing about the outcome, and may change when a run is resumed."""
TENSORBOARD = "tensorboard"
VERIFICATION, SPEED = "verification.json", "speed.json"
ROBUSTNESS, LATENCY = "robustness.json", "latency.json"


def versions() -> dict[str, str]:
    """Versions of Python, edgecnn and the packages that decide a result, as installed here."""
    found = {"python": platform.python_version(), "edgecnn": __version__}
    for package in ("numpy", "keras", "tensorflow", "jax", "opencv-python-headless",
                    "ai-edge-litert", "tflite-runtime"):  # fmt: skip
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


class Run:
    """A run folder.

    Attributes:
        path: the folder.
        facts: what stands in ``run.json``; ``facts["task"]`` and ``facts["settings"]`` always.
    """

    def __init__(self, path: str | Path):
        """Open an existing run.

        Raises:
            DataError: there is no readable ``run.json``.
        """
        self.path = Path(path)
        self._other_split: dict[str, Any] | None = None
        try:
            self.facts: dict[str, Any] = json.loads((self.path / RUN).read_text("utf-8"))
            if not {"task", "settings"} <= set(self.facts):
                raise KeyError("task or settings")
        except (OSError, ValueError, KeyError, TypeError) as e:
            raise DataError(
                f"expected a run folder with a {RUN}. {path} has no readable one: "
                "make one with edgecnn train"
            ) from e

    @classmethod
    def start(
        cls,
        path: str | Path,
        task: str,
        settings: Mapping[str, Any],
        *,
        resume: bool = False,
        tensorboard: bool = False,
    ) -> Run:
        """Begin a run, or go on with one that was interrupted.

        Args:
            settings: everything that decides the outcome; JSON types only.
            resume: go on with the run in ``path`` where there is one.
            tensorboard: make the folder that the epochs are logged into for TensorBoard; a run
                that has it keeps it.

        Raises:
            StorageError: ``path`` holds a run and ``resume`` is false, or it is complete.
            DataError: the run to resume has another task or other settings.
        """
        path = Path(path)
        if is_filled(path):
            if not resume:
                raise StorageError(
                    f"{path} is not empty: choose another --out, or go on with it by --resume"
                )
            run = cls(path)
            if (path / METRICS).exists():
                raise StorageError(f"the run in {path} is complete: choose another --out")
            before = {"task": run.facts["task"], **run.facts["settings"]}
            now = json.loads(json.dumps({"task": task, **settings}))
            for name in sorted({*before, *now} - FREE):
                if before.get(name) != now.get(name):
                    raise DataError(
                        f"cannot resume {path}: its {name} is {before.get(name)!r}, "
                        f"now {now.get(name)!r}: use the same options or another --out"
                    )
            run.facts["settings"] |= {name: now[name] for name in FREE & now.keys()}
        else:
            with storing(path):
                path.mkdir(parents=True, exist_ok=True)
            facts = {"task": task, "settings": dict(settings), "versions": versions()}
            write_json(path / RUN, facts)
            run = cls(path)
        if tensorboard:
            with storing(path):
                (path / TENSORBOARD).mkdir(exist_ok=True)
        return run

    @classmethod
    @contextmanager
    def begun(
        cls,
        path: str | Path,
        task: str,
        settings: Mapping[str, Any],
        data: str | Path,
        *,
        resume: bool = False,
        tensorboard: bool = False,
    ) -> Iterator[Run]:
        """:meth:`start`, on ``data``; a new run that cannot be completed is discarded.

        Raises:
            StorageError, DataError: as :meth:`start`.
        """
        described = {**settings, "data": str(Path(data).resolve())}
        run = cls.start(path, task, described, resume=resume, tensorboard=tensorboard)
        try:
            yield run
        except (DataError, ModelError, TrainingError, MissingExtra):
            if not resume:
                run.discard()
            raise

    @property
    def task(self) -> str:
        """``images``, ``text``, ``embedder``, ``detector`` or ``faces``."""
        return str(self.facts["task"])

    def seen_through(self, preprocess: Preprocess | TextInput) -> Run:
        """The same run, its samples prepared for another input."""
        other = copy.copy(self)
        other.facts = {**self.facts, "input": preprocess.to_dict()}
        return other

    def divided(self, split: Mapping[str, Any]) -> Run:
        """The same run with its samples in other parts; the folder stays as it is."""
        other = copy.copy(self)
        other._other_split = dict(split)
        return other

    def note(self, **facts: Any) -> None:
        """Add facts to ``run.json`` (labels, input, calibration samples)."""
        self.facts.update(facts)
        self._write_json(RUN, self.facts)

    def check_split(self, split: Mapping[str, Any]) -> None:
        """Raise where the run was begun with other samples than these.

        Raises:
            DataError: a sample is gone or new, so that what was learnt from might be tested on.
        """
        if (self.path / SPLIT).exists() and self.split != dict(split):
            raise DataError(
                f"cannot resume {self.path}: the samples in {self.facts['settings']['data']} are "
                "not those it began with: put them back, or choose another --out"
            )

    def write_split(self, split: Mapping[str, Any]) -> None:
        """Write ``split.json``: names of samples by part, such as train, validation and test."""
        self._write_json(SPLIT, split)

    @property
    def split(self) -> dict[str, Any]:
        """What stands in ``split.json``.

        Raises:
            DataError: it is missing or not JSON.
        """
        return self._read_json(SPLIT) if self._other_split is None else self._other_split

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Write ``metrics.json``; this completes the run."""
        self._write_json(METRICS, metrics)
        (self.path / CHECKPOINT).unlink(missing_ok=True)

    @property
    def metrics(self) -> dict[str, Any]:
        """What stands in ``metrics.json``.

        Raises:
            DataError: the run is not complete.
        """
        return self._read_json(METRICS)

    def discard(self) -> None:
        """Take back a run that cannot be completed, so that its place is free again.

        Only files that a training wrote are removed, and the folder where it is empty then.
        """
        for name in (RUN, SPLIT, HISTORY, VOCABULARY, MODEL, REPORT, CHECKPOINT):
            (self.path / name).unlink(missing_ok=True)
        shutil.rmtree(self.path / TENSORBOARD, ignore_errors=True)
        if not any(self.path.iterdir()):
            self.path.rmdir()

    def keep(self, name: str, found: Mapping[str, Any]) -> None:
        """Write what was found out later, :data:`SPEED` and its like; what stood there gives way.

        Raises:
            StorageError: it cannot be written.
        """
        self._write_json(name, found)

    def found(self, name: str) -> dict[str, Any] | None:
        """What was found out later; None where nobody has yet.

        Raises:
            DataError: the file is not JSON.
        """
        if not (self.path / name).is_file():
            return None
        try:
            content: dict[str, Any] = json.loads((self.path / name).read_text("utf-8"))
            return content
        except (OSError, ValueError) as e:
            raise DataError(f"{self.path / name} cannot be read ({e}): remove it") from e

    def add_history(self, row: Mapping[str, Any]) -> None:
        """Append an epoch to ``history.csv``; columns that are new widen the file."""
        rows = [*self.history, {k: str(v) for k, v in row.items()}]
        columns = list(dict.fromkeys(k for r in rows for k in r))
        with whole_file(self.path / HISTORY) as draft, open(draft, "w", newline="") as f:
            writer = csv.DictWriter(f, columns, restval="")
            writer.writeheader()
            writer.writerows(rows)

    @property
    def history(self) -> list[dict[str, str]]:
        """The rows of ``history.csv``, oldest first; empty before the first epoch."""
        try:
            with open(self.path / HISTORY, newline="") as f:
                return list(csv.DictReader(f))
        except FileNotFoundError:
            return []

    def keep_history(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Replace the history, as when resuming from a checkpoint older than its last row."""
        (self.path / HISTORY).unlink(missing_ok=True)
        for row in rows:
            self.add_history(row)

    def save_model(self, model: Any) -> None:
        """Write ``model.keras``, whole or not at all."""
        with whole_file(self.path / MODEL) as draft:
            model.save(draft)

    def load_model(self) -> Any:
        """The trained Keras network.

        Raises:
            DataError: the run has none, or it cannot be read.
        """
        try:
            return networks.load(self.path / MODEL)
        except (OSError, ValueError, TypeError) as e:  # TypeError: a layer of an earlier version
            raise DataError(
                f"{self.path / MODEL} cannot be loaded ({str(e).splitlines()[0]}): train again"
            ) from e

    def lend_weights(self, network: Any) -> None:
        """Give ``network`` the weights of this run's, to train it further.

        Raises:
            DataError: the run has no network, or one of another shape.
        """
        weights = self.load_model().get_weights()
        try:
            network.set_weights(weights)
        except ValueError as e:
            raise DataError(
                f"the network in {self.path} has another shape than the settings say "
                f"({str(e).splitlines()[0]}): use the options it was trained with"
            ) from e

    def _write_json(self, name: str, content: Mapping[str, Any]) -> None:
        write_json(self.path / name, content)

    def _read_json(self, name: str) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads((self.path / name).read_text("utf-8"))
            return content
        except (OSError, ValueError) as e:
            raise DataError(
                f"{self.path} has no readable {name}: the training did not end; "
                "go on with edgecnn train --resume"
            ) from e

"""What travels to a board: a folder with a manifest, hashes, and a self-test.

::

    bundle/
      manifest.json           the facts below
      *.tflite                the int8 models
      *_edgetpu.tflite        the same compiled for an Edge TPU, where edgecnn compile has been
      golden.npz              inputs and the outputs the workstation computed
      vocabulary.npz          (text) the words and their vectors
      cohort.npz              (faces) embeddings of strangers, to choose the threshold by
      card.md                 data, terms, recipe, measured results
      gallery.sqlite          (faces) the people enrolled; changes, so it has no hash

A faces bundle holds a ``detector``, its twin for portrait pictures and an ``embedder``, an images
bundle a ``classifier``, a text bundle a ``text-classifier``. The models that ship in
``edgecnn/assets`` are a faces bundle themselves.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import BundleError, DataError
from edgecnn.images import Preprocess
from edgecnn.runtime.interpreter import Model
from edgecnn.storage import owner_of, sha256_of
from edgecnn.text import VOCABULARY, TextInput, Vocabulary, input_from

SCHEMA = 1
MANIFEST = "manifest.json"
GOLDEN = "golden.npz"
SIGNATURE = "manifest.json.sig"
"""What ``edgecnn sign`` leaves beside it."""

CARD = "card.md"
EDGETPU = "_edgetpu.tflite"
"""What Coral's compiler calls its file, in place of ``.tflite``."""

COHORT = "cohort.npz"
GALLERY = "gallery.sqlite"
ASSETS = Path(__file__).parent / "assets"
"""The bundle that ships: the detector and the embedder this project trained."""

DETECTOR = "detector"
PORTRAIT = "detector-portrait"
"""The detector's twin, with the same weights, for pictures that are higher than wide. A bundle may
lack it: such pictures then come out smaller in the detector."""

TEXT_CLASSIFIER = "text-classifier"

TASKS = {
    "images": ("classifier",),
    "text": (TEXT_CLASSIFIER,),
    "faces": (DETECTOR, "embedder"),
    "detector": (DETECTOR,),
    "embedder": ("embedder",),
}
"""The models that a bundle of each task cannot be without."""


@dataclass(frozen=True)
class ModelEntry:
    """A model in a bundle.

    Attributes:
        file: its name in the bundle.
        input: how a picture, or a text, becomes its input.
        labels: class names in output order (classifier), else empty.
        facts: what the code that reads its outputs needs (score threshold, NMS IoU, whether a
            classifier's outputs are probabilities already, ...).
        metrics: ``{"float": {...}, "int8": {...}}`` on held-out data.
        calibration: ``{"count": n, "sha256": ...}`` of the pictures it was calibrated on.
    """

    file: str
    input: Preprocess | TextInput
    labels: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)

    @property
    def picture(self) -> Preprocess:
        """:attr:`input`, where that is of pictures.

        Raises:
            BundleError: it is of texts.
        """
        if isinstance(self.input, TextInput):
            raise BundleError(f"expected a model of pictures. {self.file} is one of texts")
        return self.input


@dataclass(frozen=True)
class OperatingPoint:
    """The threshold, and what was measured at it.

    Attributes:
        threshold: faces: cosine similarity; images, text: probability. Below it the answer is
            unknown.
        error_rate: faces: the share of strangers who are given a name at the threshold, each looked
            at once; images, text: the share of wrong answers among those given.
        measured_on: the data the rate was measured on, in words.
        trials: how many strangers or answers the rate rests on.
        strangers: faces: the rate that the threshold was chosen for; None where it was chosen by
            pairs of faces, for want of people, and ``error_rate`` is that of pairs.
        people: faces: how many enrolled people it was chosen for, one: a gallery changes, and what
            it takes is found by the cohort when the camera starts. None as above.
    """

    threshold: float
    error_rate: float
    measured_on: str
    trials: int
    strangers: float | None = None
    people: int | None = None


@dataclass(frozen=True)
class Manifest:
    """The facts of a bundle, as they stand in ``manifest.json``.

    Attributes:
        cohort: whose faces ``cohort.npz`` holds, and how they were chosen; empty without one.
    """

    task: str
    models: dict[str, ModelEntry]
    target: str
    operating_point: OperatingPoint | None = None
    cohort: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    schema: int = SCHEMA

    def to_json(self) -> str:
        """The manifest as indented JSON with a final newline."""
        facts = asdict(self)
        for name, entry in self.models.items():
            facts["models"][name]["input"] = entry.input.to_dict()
        return json.dumps(facts, indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """The inverse of :meth:`to_json`.

        Raises:
            BundleError: not JSON, another schema, or a fact is missing.
        """
        try:
            facts = json.loads(text)
            if facts["schema"] != SCHEMA:
                raise BundleError(
                    f"expected manifest schema {SCHEMA}. Received: {facts['schema']}: "
                    "convert the run again with this version of edgecnn"
                )
            point = facts["operating_point"]
            return cls(
                task=facts["task"],
                models={
                    name: ModelEntry(
                        **{
                            **entry,
                            "input": input_from(entry["input"]),
                            "labels": tuple(entry["labels"]),
                        }
                    )
                    for name, entry in facts["models"].items()
                },
                target=facts["target"],
                operating_point=OperatingPoint(**point) if point else None,
                cohort=facts.get("cohort", {}),
                versions=facts["versions"],
                files=facts["files"],
            )
        except BundleError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError, DataError) as e:
            raise BundleError(
                f"{MANIFEST} cannot be read ({type(e).__name__}: {e}): convert the run again"
            ) from e


class Bundle:
    """A bundle whose files were found to match its manifest.

    Attributes:
        path: the folder.
        manifest: its facts.
        edgetpu: whether models that are compiled for an Edge TPU run there. False at first, since
            that may end the process: see :mod:`edgecnn.camera.accelerator`.

    Raises:
        BundleError: no manifest, a missing, changed, foreign or unreadable file, a model that the
            task needs is absent, or there is no measured threshold where one is needed.
    """

    def __init__(self, path: str | Path, edgetpu: bool = False):
        self.path, self.edgetpu = Path(path), edgetpu
        try:
            text = (self.path / MANIFEST).read_text("utf-8")
        except PermissionError as e:
            raise _refused(self.path / MANIFEST, e) from e
        except OSError as e:
            raise BundleError(
                f"expected a bundle with a {MANIFEST}. {path} has none ({e.strerror}): "
                "make one with edgecnn convert"
            ) from e
        except UnicodeDecodeError as e:
            raise BundleError(f"{self.path / MANIFEST} is not text: convert the run again") from e
        self.manifest = Manifest.from_json(text)
        self._check()

    def _check(self) -> None:
        m = self.manifest
        expected = TASKS.get(m.task)
        if expected is None or set(expected) - set(m.models):
            raise BundleError(
                f"expected the models {expected or 'of ' + ', '.join(TASKS)} for task {m.task!r}. "
                f"Received: {sorted(m.models)}: convert the run again"
            )
        for name, digest in m.files.items():
            file = self.path / name
            if Path(name).name != name or not file.is_file():
                raise BundleError(f"{self.path} lacks its file {name!r}: copy the bundle again")
            try:
                found = sha256_of(file)
            except OSError as e:
                raise _refused(file, e) from e
            if found != digest:
                raise BundleError(
                    f"{file} is not the file that the manifest names (its sha256 differs): "
                    "copy the bundle again"
                )
        for entry in m.models.values():
            if entry.file not in m.files:
                raise BundleError(f"{MANIFEST} has no hash for {entry.file}: convert again")
        if m.task != "detector" and m.operating_point is None:
            raise BundleError(
                f"{self.path} has no threshold with a measured error rate, so it could name a "
                "stranger: convert the run again"
            )

    @property
    def gallery(self) -> Path:
        """Where the people enrolled with this bundle stand unless told otherwise."""
        return self.path / GALLERY

    @property
    def threshold(self) -> float:
        """The measured threshold below which the answer is *unknown*."""
        point = self.manifest.operating_point
        if point is None:
            raise BundleError(f"{self.path} has no threshold: it is not for recognition")
        return point.threshold

    def entry(self, name: str) -> ModelEntry:
        """The facts of the model ``name``.

        Raises:
            BundleError: there is none, as with a detector in an images bundle.
        """
        try:
            return self.manifest.models[name]
        except KeyError:
            raise BundleError(
                f"expected a bundle with a {name}. {self.path} is for task "
                f"{self.manifest.task!r} and has: {', '.join(self.manifest.models)}"
            ) from None

    def vocabulary(self) -> Vocabulary:
        """The words of a text bundle.

        Raises:
            BundleError: there are none, or they are not as wide as the model's input.
        """
        try:
            if VOCABULARY not in self.manifest.files:
                raise DataError(f"{self.path} has no {VOCABULARY}")
            found = Vocabulary.load(self.path / VOCABULARY)
        except DataError as e:
            raise BundleError(f"{e}: convert the run again") from e
        wanted = self.entry(TEXT_CLASSIFIER).input.shape[2]
        if found.table.shape[1] != wanted:
            raise BundleError(
                f"expected {wanted} numbers a word in {self.path / VOCABULARY}. Received: "
                f"{found.table.shape[1]}: convert the run again"
            )
        return found

    @property
    def compiled(self) -> dict[str, Path]:
        """Files for the Edge TPU by the model's name; empty where none was compiled."""
        twins = {
            name: entry.file.removesuffix(".tflite") + EDGETPU
            for name, entry in self.manifest.models.items()
        }
        return {n: self.path / twin for n, twin in twins.items() if twin in self.manifest.files}

    def model(self, name: str, threads: int | None = None, runtime: str | None = None) -> Model:
        """Load the model ``name``; see :attr:`edgetpu`."""
        entry = self.entry(name)
        twin = self.compiled.get(name) if self.edgetpu else None
        file = twin or self.path / entry.file
        return Model(file, threads, runtime, entry.input, edgetpu=twin is not None)

    def self_test(self, runtime: str | None = None) -> dict[str, int]:
        """Compare this machine's outputs with the workstation's: ``golden.npz``.

        Returns:
            The largest difference of any output, in least significant bits, by model.

        Raises:
            BundleError: an output is not the :func:`same_answer`, or there is nothing to compare
                with.
        """
        golden = self.golden()
        worst: dict[str, int] = {}
        for name in self.manifest.models:
            model = self.model(name, runtime=runtime)
            names = [f"{name}.output{k}" for k in range(len(model.outputs))]
            inputs = golden.get(f"{name}.input", np.zeros(0))
            if inputs.shape[1:] != model.inputs[0].shape[1:] or not len(inputs):
                raise BundleError(f"{self.path / GOLDEN} has no input for {name}: convert again")
            wanted = [(len(inputs), *output.shape[1:]) for output in model.outputs]
            if [golden[n].shape if n in golden else None for n in names] != wanted:
                raise BundleError(f"{self.path / GOLDEN} lacks outputs of {name}: convert again")
            found = [np.stack(runs)[:, 0] for runs in zip(*map(model.from_pixels, inputs))]  # noqa: B905
            pairs = [(output, golden[n]) for n, output in zip(names, found, strict=True)]
            worst[name] = max(int(np.abs(_apart(a, b)).max()) for a, b in pairs)
            if not all(same_answer(a, b) for pair in pairs for a, b in zip(*pair, strict=True)):
                raise BundleError(
                    f"the {name} computes something else here than on the workstation: its "
                    f"outputs differ by up to {worst[name]} steps of 256: install the run time "
                    "that edgecnn doctor names"
                )
        return worst

    def golden(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays of ``golden.npz``, as :func:`golden_outputs` made them.

        Raises:
            BundleError: they cannot be read.
        """
        try:
            with open(self.path / GOLDEN, "rb") as f, np.load(f, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, TypeError) as e:
            raise BundleError(f"{self.path / GOLDEN} cannot be read ({e}): copy it again") from e


def _refused(file: Path, error: OSError) -> BundleError:
    return BundleError(
        f"{file} of the bundle cannot be read ({error.strerror}); it belongs to {owner_of(file)}: "
        "change its permissions, or copy the bundle again"
    )


GOLDEN_STEPS = 1.0
"""Least significant bits that the kernels of two run times may be apart in any case."""

GOLDEN_SHARE = 0.4
"""Root mean square difference allowed, as a share of the output's own spread.

Run times round differently after every layer, and a deep network carries that on: between
ai-edge-litert 2.3 and tflite-runtime 2.14 a published int8 MobileFaceNet differs by up to 19 steps,
a cosine of 0.964 at worst over 44 pictures, which is a share of 0.27. An output of zeros, which old
run times compute for some files without a word, is at 1 or above, another network's at 1.4.
"""


def same_answer(found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> bool:
    """Whether two stored outputs for one picture differ by no more than rounding explains."""
    rms = float(np.sqrt(np.mean(np.square(_apart(found, expected).astype(np.float64)))))
    return rms <= max(GOLDEN_STEPS, GOLDEN_SHARE * float(expected.std()))


def _apart(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    return a.astype(np.int64) - b.astype(np.int64)


def golden_outputs(models: dict[str, Model], inputs: dict[str, Any]) -> dict[str, Any]:
    """The arrays of ``golden.npz``: ``NAME.input`` (N, H, W, C) uint8 and ``NAME.output0`` ...

    Args:
        models: the loaded int8 models by their name in the bundle.
        inputs: pixels for each, ``(N, H, W, C)`` uint8.
    """
    arrays: dict[str, Any] = {}
    for name, model in models.items():
        runs = [model.from_pixels(pixels) for pixels in inputs[name]]
        arrays[f"{name}.input"] = np.asarray(inputs[name], np.uint8)
        for k in range(len(model.outputs)):
            arrays[f"{name}.output{k}"] = np.stack([run[k][0] for run in runs])
    return arrays

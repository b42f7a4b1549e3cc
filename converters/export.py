"""From a run folder to a bundle: the one entry of this package.

Calibrate, convert, verify (with a page beside the run), measure the threshold again on the int8
file, write the bundle whole or not at all, and only after it has passed its own self-test.
"""

from __future__ import annotations

import dataclasses
import importlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from converters import (
    activations,
    calibrate,
    child,
    flatbuffer,
    heal,
    int8,
    metadata,
    models,
    verify,
    verify_report,
)
from converters.card import bundle_card, model_card
from converters.faults import Finding
from converters.models import FILES, Recipe
from edgecnn import training
from edgecnn.bundle import (
    ASSETS,
    CARD,
    COHORT,
    DETECTOR,
    GALLERY,
    GOLDEN,
    MANIFEST,
    PORTRAIT,
    TASKS,
    TEXT_CLASSIFIER,
    Bundle,
    Manifest,
    ModelEntry,
    OperatingPoint,
    golden_outputs,
)
from edgecnn.errors import BundleError, ConversionError, DataError, StorageError
from edgecnn.faces.cohort import Cohort
from edgecnn.faces.embed import fingerprint
from edgecnn.faces.exchange import refuse_to_lose
from edgecnn.faces.gallery import Gallery
from edgecnn.faces.threshold import FEWEST_PEOPLE, STRANGERS
from edgecnn.images import Image, Preprocess
from edgecnn.runtime.interpreter import Model
from edgecnn.storage import refuse_taken, sha256_of, whole_file, whole_folder
from edgecnn.text import VOCABULARY, TextInput, input_from
from edgecnn.training import strangers as impostors
from edgecnn.training.run import MODEL, Run, versions

KINDS = {
    "images": "classifier",
    "text": TEXT_CLASSIFIER,
    "detector": DETECTOR,
    "embedder": "embedder",
}
"""Name, in the bundle, of the model that a run of each task trains."""

FACTS = {DETECTOR: ("score_threshold", "nms_iou"), TEXT_CLASSIFIER: ("columns",)}
"""Facts that stand in ``run.json`` and without which a model's outputs cannot be read."""


@dataclass(frozen=True)
class Part:
    """A model on its way into a bundle.

    Attributes:
        file: where it stands now.
        card: its model card, Markdown.
        golden: its arrays for ``golden.npz``.
        verification: what stands about it in ``verification.json``, None for nothing.
        files: what else the bundle needs for it, by name.
    """

    name: str
    entry: ModelEntry
    file: Path
    card: str
    golden: dict[str, npt.NDArray[Any]]
    verification: dict[str, Any] | None = None
    files: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Strangers:
    """What a bundle knows about strangers.

    Attributes:
        point: its threshold; None for a lone detector.
        cohort: None where the embedder has none.
        facts: of the cohort, for the manifest.
    """

    point: OperatingPoint | None = None
    cohort: Cohort | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def export(
    run_path: str | Path,
    board: str,
    out: str | Path,
    *,
    max_drop: float = verify.MAX_DROP,
    parts: Bundle | None = None,
    calibration_count: int = calibrate.COUNT,
    seed: int = 0,
    replace: bool = False,
    float_out: str | Path | None = None,
    card: str | None = None,
    strangers: float | None = None,
    quantiser: str = int8.QUANTISERS[0],
    cures: Sequence[str] = (),
    watch: Callable[[heal.Trial], None] = lambda trial: None,
) -> Bundle:
    """Convert a finished run into a bundle for ``board``.

    A detector or an embedder comes out together with its counterpart from ``parts``, as a bundle
    that recognises faces; without a counterpart, alone. A run of people's photos trains no
    network and takes both models from the bundle it was made with.

    A cohort of impostors goes with its embedder: made anew for a run of one, else taken along.

    Args:
        board: name of the target, for the manifest.
        max_drop: how much of the headline figure int8 may lose, as a share of 1.
        parts: where the other face model comes from; None for the ones that ship.
        calibration_count: training pictures to calibrate on.
        replace: an existing ``out`` gives way.
        float_out: also write the float32 ``.tflite`` there, to compare speeds with.
        card: Markdown that opens the model card, in place of the run's own.
        strangers: choose the threshold so that this share of the strangers gets a name with one
            person enrolled; the camera starts from the same share, whoever is enrolled then. None
            for the share of ``parts``, or :data:`edgecnn.faces.threshold.STRANGERS`.
        quantiser: one of :data:`converters.int8.QUANTISERS`.
        cures: out of :data:`converters.heal.CURES`, to be tried where int8 loses more than half of
            ``max_drop`` on the data to choose by; the other half is for the data of the report.
        watch: is told each :class:`converters.heal.Trial` as it ends.

    Raises:
        DataError: ``run_path`` is not a finished run, or no threshold can be chosen for
            ``strangers`` by it: another task, or too few people; or it has no network to heal or
            to keep in float.
        ConversionError: the converter failed, or int8 lost more than ``max_drop``.
        BundleError: ``parts`` is damaged, computes something else here, or has no cohort to choose
            a threshold for ``strangers`` by.
        GalleryError: a run of people's photos was made with another embedder than that of
            ``parts``; or people were enrolled in ``out`` who would be lost.
        StorageError: ``out`` exists or cannot be written, nothing is left behind; or ``float_out``
            lies in it.
    """
    run, out = Run(run_path), Path(out)
    _ = run.metrics  # a run without them did not end
    refuse_taken(out, replace, MANIFEST)
    refuse_to_lose(out / GALLERY, run.path / GALLERY if run.task == "faces" else None)
    if strangers is not None and run.task not in ("embedder", "faces"):
        raise DataError(
            "expected a run of people, or of an embedder, to choose a threshold by strangers. "
            f"{run.path} is of task {run.task}: leave --strangers out"
        )
    if run.task == "faces" and (cures or float_out is not None):
        raise DataError(
            "expected a run that trained a network, to heal it or to keep it in float. "
            f"{run.path} is of task faces and takes its models from a bundle: leave "
            f"{'--heal' if cures else '--float-out'} out"
        )
    if cures and quantiser != int8.QUANTISERS[0]:
        raise DataError(
            f"expected TensorFlow's converter, to heal with. Received: --quantiser {quantiser}: "
            "leave it out, or --heal"
        )
    if float_out is not None and Path(float_out).resolve().is_relative_to(out.resolve()):
        raise StorageError(
            f"expected a place outside of the bundle {out} for the float file. Received: "
            f"{float_out}: choose another --float-out"
        )
    if card is not None:
        run.facts["card"] = card
    if run.task == "faces":
        return _people(run, board, out, parts, replace, strangers)
    with tempfile.TemporaryDirectory(prefix="edgecnn-") as work, child.ahead("converters.int8"):
        training.start_keras()
        task = importlib.import_module(training.TASKS[run.task])
        recipe = Recipe(run.path / MODEL, calibration_count, quantiser=quantiser)
        made = _convert(task, run, Path(work), max_drop, recipe, seed, float_out, cures, watch)
        known = _measured(task, run, made[0], strangers)
        if run.task in ("detector", "embedder"):
            if parts is None and (ASSETS / MANIFEST).exists():
                parts = Bundle(ASSETS)
            other = {"detector": "embedder", "embedder": "detector"}[run.task]
            if parts is not None and other in parts.manifest.models:
                kept = set(parts.manifest.models) - {part.name for part in made}
                made += [_taken(parts, name) for name in sorted(kept)]
                if run.task == "detector":
                    known = _along(parts)
        return write_bundle(out, board, made, known, None, replace)


def _measured(task: Any, run: Run, part: Part, rate: float | None) -> Strangers:
    """The threshold of a trained model, and an embedder's cohort."""
    predict = verify.int8_predict(Model(part.file))
    if hasattr(task, "strangers"):
        faces = {name: impostors.embed(f, predict) for name, f in task.strangers(run).items()}
        cohort = impostors.cohort_of(faces["choose"], sha256_of(part.file))
        facts = impostors.facts(run, cohort)
        if rate is not None or cohort.people >= FEWEST_PEOPLE:
            point = impostors.operating_point(**faces, rate=rate or STRANGERS, data=facts["data"])
        else:
            point = OperatingPoint(**task.operating_point(run, predict))
        return Strangers(point, cohort, facts)
    if hasattr(task, "operating_point"):
        return Strangers(OperatingPoint(**task.operating_point(run, predict)))
    return Strangers()


def _along(bundle: Bundle) -> Strangers:
    return Strangers(bundle.manifest.operating_point, Cohort.load(bundle), bundle.manifest.cohort)


def _convert(
    task: Any,
    run: Run,
    work: Path,
    max_drop: float,
    recipe: Recipe,
    seed: int,
    float_out: str | Path | None,
    cures: Sequence[str],
    watch: Callable[[heal.Trial], None],
) -> list[Part]:
    """The models of a run: one, or a detector for each of its views."""
    kind = KINDS[run.task]
    facts = FACTS.get(kind, ())
    network = run.load_model()
    inputs = inputs_of(task, run, network)
    healing: dict[str, Any] = {}
    if cures:
        learner, part = heal.choosing(run)
        case = heal.Case(task, learner, part, kind, inputs, seed, work, max_drop / 2)
        made = heal.heal(case, recipe, cures, watch).made or {}
        healing = case.facts()
        before = case.trials[0].made or {}
    else:
        before = made = models.make(task, run, inputs, recipe, seed, work)
    entries, findings = {}, list[Finding]()
    for name, preprocess in inputs.items():
        file, calibration = made[name].file, made[name].calibration
        findings += calibration.findings
        findings += activations.check(task, run.seen_through(preprocess), file, calibration.pixels)
        labels = tuple(run.facts.get("labels", ()))
        if isinstance(preprocess, Preprocess) and name in metadata.OUTPUTS:
            metadata.write(file, name, preprocess, labels)
        known = {f: run.facts[f] for f in facts}
        known["float_bytes"] = before[name].float_file.stat().st_size
        if healing.get("cures"):
            known["cures"] = healing["cures"]
        entries[name] = ModelEntry(
            file=FILES[name],
            input=preprocess,
            labels=labels,
            facts=known,
            calibration=calibration.facts | {"quantiser": recipe.quantiser},
        )
    files = [made[name].file for name in entries]
    proof = verify.verify(task, run, network, files, findings, healing)
    try:
        verify_report.write(run.path, kind, proof)
    except StorageError:
        text = "the run's folder cannot be written to, so it has no verification.html"
        proof.findings.append(Finding("report", text))
    verify.judge(proof, max_drop)
    if float_out is not None:
        with whole_file(float_out) as copy:
            shutil.copyfile(before[kind].float_file, copy)
    parts = []
    for (name, entry), file in zip(entries.items(), files, strict=True):
        entry = dataclasses.replace(entry, metrics=proof.metrics())
        asked = task.made_up(run) if kind == TEXT_CLASSIFIER else golden_pictures(entry.input.shape)
        golden = golden_outputs({name: Model(file)}, {name: asked})
        card = model_card(name, entry, flatbuffer.read(file), run.facts)
        proven = proof.facts() if name == kind else None
        extra = {VOCABULARY: run.path / VOCABULARY} if kind == TEXT_CLASSIFIER else {}
        parts.append(Part(name, entry, file, card, golden, proven, extra))
    return parts


def inputs_of(task: Any, run: Run, network: Any) -> dict[str, Preprocess | TextInput]:
    """The inputs that a run's network is converted for, by the model's name in a bundle: one, or
    those of the task's ``views``.

    Raises:
        ConversionError: ``run`` lacks a fact, or says another input than ``network`` has.
    """
    lacks = [f for f in ("input", *FACTS.get(KINDS[run.task], ())) if f not in run.facts]
    if lacks:
        raise ConversionError(f"{run.path} does not say its {', '.join(lacks)}: train it again")
    preprocess = input_from(run.facts["input"])
    if network.input.shape[1:] != preprocess.shape:
        raise ConversionError(
            f"{run.path} says its input is {preprocess.shape}, its network takes "
            f"{network.input.shape[1:]}: train it again"
        )
    views: dict[str, Preprocess | TextInput] = task.views(run) if hasattr(task, "views") else {}
    return views or {KINDS[run.task]: preprocess}


def golden_pictures(shape: tuple[int, int, int]) -> Image:
    """Four pictures ``(4, H, W, C)`` uint8 for the self-test: squares of 4, 8, 16 and 32 pixels.

    Made up, since a bundle travels and nobody's photo should travel with it; squares, since these
    compress well and still reach every channel.
    """
    generator, (h, w, channels) = np.random.default_rng(0), shape
    pictures = []
    for size in (4, 8, 16, 32):
        coarse = generator.integers(0, 256, (-(-h // size), -(-w // size), channels), np.uint8)
        pictures.append(coarse.repeat(size, 0).repeat(size, 1)[:h, :w])
    return np.stack(pictures)


def _taken(bundle: Bundle, name: str) -> Part:
    entry = bundle.entry(name)
    card = bundle.path / f"{Path(entry.file).stem}.md"
    golden = {k: v for k, v in bundle.golden().items() if k.startswith(f"{name}.")}
    text = card.read_text("utf-8") if card.is_file() else f"# {entry.file}\n"
    file, known = bundle.path / entry.file, verify_report.read(bundle.path)
    return Part(name, entry, file, text, golden, known.get(name))


def _people(
    run: Run, board: str, out: Path, parts: Bundle | None, replace: bool, rate: float | None
) -> Bundle:
    bundle = parts or Bundle(run.facts["settings"].get("bundle") or ASSETS)
    made = [_taken(bundle, name) for name in bundle.manifest.models]
    with Gallery(run.path / GALLERY, fingerprint(bundle)):
        pass  # it opens, and these are embeddings of the very embedder that goes along
    known = _along(bundle)
    if rate is not None:
        if known.cohort is None:
            raise BundleError(
                f"expected a bundle with a cohort, to choose a threshold by. {bundle.path} has "
                "none: convert the run of its embedder again, or leave --strangers out"
            )
        known = dataclasses.replace(known, point=impostors.by_cohort(known.cohort, rate))
    return write_bundle(out, board, made, known, run.path / GALLERY, replace)


def write_bundle(
    out: Path,
    board: str,
    parts: list[Part],
    known: Strangers,
    gallery: Path | None,
    replace_existing: bool,
) -> Bundle:
    """Put parts together as a bundle in ``out``, whole or not at all, and let it test itself."""
    parts = sorted(parts, key=lambda p: p.name)
    needed = {p.name for p in parts} - {PORTRAIT}
    manifest = Manifest(
        task=next(task for task, models in TASKS.items() if set(models) == needed),
        models={p.name: p.entry for p in parts},
        target=board,
        operating_point=known.point,
        cohort=known.facts,
        versions=versions(),
    )
    with whole_folder(out, replace=replace_existing) as draft:
        for part in parts:
            shutil.copyfile(part.file, draft / part.entry.file)
            (draft / f"{Path(part.entry.file).stem}.md").write_text(part.card, "utf-8")
            for name, file in part.files.items():
                shutil.copyfile(file, draft / name)
        arrays: dict[str, Any] = {k: v for part in parts for k, v in part.golden.items()}
        np.savez_compressed(draft / GOLDEN, **arrays)
        if known.cohort is not None:
            known.cohort.save(draft / COHORT)
        proven = {p.name: p.verification for p in parts if p.verification}
        if proven:
            verify_report.write_facts(draft, proven)
        (draft / CARD).write_text(bundle_card(manifest), "utf-8")
        hashes = {f.name: sha256_of(f) for f in sorted(draft.iterdir())}
        text = dataclasses.replace(manifest, files=hashes).to_json()
        (draft / MANIFEST).write_text(text, "utf-8")
        if gallery is not None:
            shutil.copy(gallery, draft / GALLERY)  # stays readable by its owner alone
        Bundle(draft).self_test()
    return Bundle(out)

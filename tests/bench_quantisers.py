"""TensorFlow's converter and LiteRT's quantiser side by side: ``make bench-quantisers``.

Each makes full int8 of the same float file by the same pictures; the files then take turns. Writes
the table of ``docs/quantisers.md``. Networks: those of the RUNS named (task images), a depthwise
one trained here on the pictures of the first, and, where the research data is, the detector and the
embedder that ship, made float again (:mod:`edgecnn.training.thaw`).
"""

from __future__ import annotations

import argparse
import importlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

import numpy as np

from converters import flatbuffer, formats, int8, litert, preflight, verify
from edgecnn import training
from edgecnn.bundle import ASSETS, Bundle
from edgecnn.images import largest, to_network
from edgecnn.networks import build
from edgecnn.runtime.interpreter import Model
from edgecnn.training.run import Run
from edgecnn.training.thaw import THAWED, thaw

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("EDGECNN_SHARED_DATA", ROOT.parent / "shared" / "data"))
PAGE = ROOT / "docs" / "quantisers.md"
CALIBRATION, HELD_OUT, ROUNDS = 128, 128, 100

HEAD = """# Two quantisers

Written by `make bench-quantisers RUNS="RUN RUN"`: full int8 of the same float file by the same
{calibration} pictures. *LiteRT* is `edgecnn convert --quantiser litert`: `ai-edge-quantizer`
{version} with the ends of ranges taken as the least and greatest value seen; *averaged* is the same
with the moving average that it takes itself.

* error: root mean square difference of the outputs from Keras', as a share of their spread; cosine:
  mean over the pictures. Both of the worst output, on {held_out} held-out pictures.
* time: median invoke as a share of that of TensorFlow's file, in turn, in one run.
* version: the highest of any operation in the file.
* Edge TPU: what `edgecnn preflight` says, and how many operations it maps.
* Runs: MNIST's digits by `edgecnn train mnist --task images --epochs 8`, also with
  `--network dense`. The shipped networks were made float again from their int8 files, so that their
  weights lose nothing in either.

| network | by | accuracy, float → int8 | error | cosine | bytes | time | version | Edge TPU |
| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | --- |
"""


@dataclass
class Case:
    """A network, ``(N, H, W, C)`` uint8 to calibrate on and held out, and its figure if any."""

    name: str
    network: Any
    calibration: Any
    held_out: Any
    figure: Any = None


def of_run(path: Path) -> Case:
    run = Run(path)
    task = importlib.import_module(training.TASKS[run.task])

    def figure(predict: Any) -> float:
        return next(iter(task.answers(run, predict, verify.held_out(run)).figures.values()))

    return Case(
        run.facts["settings"]["network"],
        run.load_model(),
        task.samples(run, "train", CALIBRATION, 0)[0],
        task.samples(run, verify.held_out(run), HELD_OUT, 0)[0],
        figure,
    )


def depthwise(path: Path) -> Case:
    """A net of depthwise convolutions, trained for three rounds on the pictures of a run."""
    import keras

    from edgecnn.images import to_network

    case, run = of_run(path), Run(path)
    task = importlib.import_module(training.TASKS[run.task])
    pixels, targets = task.samples(run, "train")
    keras.utils.set_random_seed(0)
    x = picture = keras.Input(pixels.shape[1:])
    x = keras.layers.Conv2D(16, 3, 2, padding="same", use_bias=False)(x)
    for channels, stride in ((32, 1), (64, 2), (64, 1)):
        x = keras.layers.ReLU(6)(keras.layers.BatchNormalization(momentum=0.9)(x))
        x = keras.layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False)(x)
        x = keras.layers.ReLU(6)(keras.layers.BatchNormalization(momentum=0.9)(x))
        x = keras.layers.Conv2D(channels, 1, use_bias=False)(x)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.BatchNormalization(momentum=0.9)(x))
    network = keras.Model(picture, keras.layers.Dense(len(run.facts["labels"]))(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(2e-3), loss)
    network.fit(to_network(pixels), targets, batch_size=64, epochs=3, verbose=0)
    return Case("depthwise", network, case.calibration, case.held_out, case.figure)


def shipped() -> Iterator[Case]:
    """The detector and the embedder that ship."""
    from edgecnn.data import aligned, scenes

    bundle, several = Bundle(ASSETS), CALIBRATION + HELD_OUT
    embedder, detector = bundle.entry("embedder"), bundle.entry("detector")
    people = sorted(aligned.index(DATA / "faces112").items())
    step = len(people) // several
    faces = aligned.load(DATA / "faces112", dict(people[::step][:several]), embedder.input).pixels
    network = build("embedder")
    thaw(ASSETS / embedder.file, network, to_network(faces[:THAWED]))
    yield Case("embedder, shipped", network, faces[::2], faces[1::2])
    photos = scenes.read_scenes(DATA / "scenes")
    seen = photos.read(sorted(photos.faces)[:several])
    pixels = np.stack([largest([detector.input], photo)(photo) for photo in seen])
    network = build("detector")
    thaw(ASSETS / detector.file, network, to_network(pixels[:THAWED]))
    yield Case("detector, shipped", network, pixels[::2], pixels[1::2])


def rows(case: Case, work: Path) -> Iterator[str]:
    """A line of the table for each quantiser."""
    from ai_edge_quantizer.utils import qsv_utils

    case.network.save(work / "m.keras")
    np.save(work / "p.npy", case.calibration)
    files = {name: work / f"{name}.tflite" for name in ("TensorFlow", "LiteRT", "averaged")}
    int8.convert(work / "m.keras", work / "p.npy", files["TensorFlow"], work / "f.tflite")
    pixels = int8._with_both_ends(case.calibration)
    as_float = (work / "f.tflite").read_bytes()
    files["LiteRT"].write_bytes(litert.quantise(as_float, pixels))
    with mock.patch.object(qsv_utils, "min_max_update", qsv_utils.moving_average_update):
        files["averaged"].write_bytes(litert.quantise(as_float, pixels))
    keras = verify.float_predict(case.network)
    wanted, was = keras(case.held_out), case.figure(keras) if case.figure else None
    models = {name: Model(file, threads=1) for name, file in files.items()}
    took = in_turn(models, case.held_out)
    for name, model in models.items():
        predict, graph = verify.int8_predict(model), flatbuffer.read(files[name])
        found = predict(case.held_out)
        told, highest = preflight.of_graph(graph), max(o.version for o in graph.operations)
        accuracy = f"{was:.4f} → {case.figure(predict):.4f}" if was is not None else ""
        yield (
            f"| {case.name} | {name} | {accuracy} | {formats.difference(wanted, found):.4f} | "
            f"{cosine(wanted, found):.5f} | {graph.file_bytes:,} | "
            f"{took[name] / took['TensorFlow']:.2f} | {highest} | "
            f"{told.verdict}, {told.mapped} of {len(told.operations)} |"
        )


def cosine(wanted: list[Any], found: list[Any]) -> float:
    """Mean over the pictures, of the worst output, each picture's output as one direction."""
    pairs = zip(*(sorted(outputs, key=np.shape) for outputs in (wanted, found)), strict=True)
    means = []
    for a, b in pairs:
        a, b = (x.reshape(len(x), -1).astype(np.float64) for x in (a, b))
        lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        means.append(float(np.mean((a * b).sum(1) / np.maximum(lengths, 1e-12))))
    return min(means)


def in_turn(models: dict[str, Model], pixels: Any) -> dict[str, float]:
    """Median seconds of one invoke of each."""
    took: dict[str, list[float]] = {name: [] for name in models}
    for k in range(ROUNDS + 5):
        for name, model in models.items():
            start = time.perf_counter()
            model.from_pixels(pixels[k % len(pixels)])
            took[name].append(time.perf_counter() - start)
    return {name: float(np.median(times[5:])) for name, times in took.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    runs = parser.parse_args().runs
    training.start_keras()
    cases = [*map(of_run, runs), depthwise(runs[0]), *(shipped() if DATA.is_dir() else ())]
    lines = []
    for case in cases:
        with TemporaryDirectory() as work:
            for row in rows(case, Path(work)):
                print(row, flush=True)
                lines.append(row + "\n")
    found = version("ai-edge-quantizer")
    head = HEAD.format(calibration=CALIBRATION, held_out=HELD_OUT, version=found)
    PAGE.write_text(head + "".join(lines), "utf-8")


if __name__ == "__main__":
    main()

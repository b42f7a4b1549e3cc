"""Ours and its peers on the same frames, in one run: ``make bench-peers``.

Writes the tables and the plot of ``docs/benchmarks.md``. Each contender does the whole work of a
frame (find, align, embed, match against 1,000 people) on one thread, and all take turns, so that a
busy machine treats all alike: read the ratios, not the milliseconds.

Peers come from their packages. YuNet, MobileFaceNet and the published int8 MobileFaceNet are files
of their own; without the research data they are left out, and the page says so.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("EDGECNN_SHARED_DATA", ROOT.parent / "shared" / "data"))
VENV = ROOT / ".venv-peers"
PACKAGES = (
    ("-e", str(ROOT), "scikit-image", "matplotlib", "dlib-bin", "face_recognition_models",
     "setuptools<81"),
    ("--no-deps", "face_recognition==1.3.0"),
)  # fmt: skip
"""face_recognition asks for dlib's sources, which take an hour to build; dlib-bin is the same
library, built. Its weights need ``pkg_resources``, which setuptools 81 dropped."""
PEOPLE = 1000
SIZES = (1, 1_000, 10_000, 100_000, 1_000_000)
FRAMES = 12

Call = Callable[[Any], object]


def frames() -> list[Any]:
    """``(480, 640, 3)`` uint8 BGR: Eileen Collins, one face, moved by some pixels each time."""
    import cv2
    import skimage.data

    portrait = cv2.resize(skimage.data.astronaut()[..., ::-1], (720, 720))
    return [portrait[3 * k : 3 * k + 480, 6 * k : 6 * k + 640].copy() for k in range(FRAMES)]


def people() -> Any:
    """A gallery of :data:`PEOPLE` who are nobody."""
    import numpy as np

    from edgecnn.faces.embed import unit
    from edgecnn.faces.match import Index

    random = np.random.default_rng(0).normal(size=(PEOPLE, 128))
    return Index([str(i) for i in range(PEOPLE)], unit(random))


def ours() -> tuple[dict[str, Call], Any]:
    """The whole chain, detection alone, and the two bare invokes; and what embeds a face and its
    mirror image together."""
    import numpy as np

    from edgecnn.bundle import ASSETS, Bundle
    from edgecnn.faces.align import align
    from edgecnn.faces.detect import Detector
    from edgecnn.faces.embed import Embedder

    bundle = Bundle(ASSETS)
    models = {name: bundle.model(name, 1) for name in ("detector", "embedder")}
    detect = Detector.of(bundle, 1)
    embed = Embedder(models["embedder"], bundle.entry("embedder"))
    index = people()
    rng = np.random.default_rng(0)
    pixels = {
        name: rng.integers(0, 256, model.inputs[0].shape, np.uint8)
        for name, model in models.items()
    }

    def whole(frame: Any) -> int:
        faces = detect(frame)
        for face in faces:
            index.best(embed(align(frame, face.landmarks_xy)))
        return len(faces)

    return {
        "edgecnn": whole,
        "edgecnn, detection": detect,
        "edgecnn, two bare invokes": lambda _: [m.invoke(pixels[n]) for n, m in models.items()],
        "edgecnn, embedder's invoke": lambda _: models["embedder"].invoke(pixels["embedder"]),
    }, Embedder(models["embedder"], bundle.entry("embedder"), mirror=True)


def opencv(teachers: Path) -> tuple[dict[str, Call], Callable[[Any], Any]]:
    """YuNet at two sizes and MobileFaceNet in float, all in OpenCV; and what embeds both ways."""
    import cv2
    import numpy as np

    from edgecnn.faces.align import align
    from edgecnn.faces.embed import unit

    network = cv2.dnn.readNetFromONNX(str(teachers / "mobilefacenet.onnx"))
    index = people()

    def embed(face: Any) -> Any:
        network.setInput(cv2.dnn.blobFromImage(face, 1.0, (112, 112), swapRB=True))
        return network.forward()[0]

    calls: dict[str, Call] = {}
    for width in (640, 320):
        yunet = cv2.FaceDetectorYN.create(
            str(teachers / "yunet.onnx"), "", (width, width * 3 // 4), 0.6
        )

        def find(frame: Any, yunet: Any = yunet, width: int = width) -> Any:
            small = frame if width == 640 else cv2.resize(frame, (width, width * 3 // 4))
            found = yunet.detect(small)[1]
            return [] if found is None else found

        def whole(frame: Any, find: Call = find, width: int = width) -> int:
            found: Any = find(frame)
            for row in found:
                marks = row[4:14].reshape(5, 2).astype(np.float32) * (640 / width)
                index.best(unit(embed(align(frame, marks))[None])[0])
            return len(found)

        calls[f"YuNet at {width} + MobileFaceNet, OpenCV DNN"] = whole
        calls[f"YuNet at {width}, detection"] = find
    return calls, both_ways(embed)


def published_int8(teachers: Path) -> tuple[dict[str, Call], Callable[[Any], Any]]:
    """The published int8 MobileFaceNet for Coral: its bare invoke; and what embeds both ways."""
    import numpy as np

    from edgecnn.runtime.interpreter import Model

    model = Model(teachers / "peer-mobilefacenet-int8.tflite", 1)
    pixels = np.zeros(model.inputs[0].shape, np.float32)

    def embed(face: Any) -> Any:
        rgb = face[:, 8:-8, ::-1].astype(np.float32)  # its input is 96 wide
        return model.invoke((rgb[None] - 127.5) / 128)[0][0]

    calls: dict[str, Call] = {
        "published int8 MobileFaceNet, invoke": lambda _: model.invoke(pixels)
    }
    return calls, both_ways(embed)


def both_ways(embed: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The embedding of a face and that of its mirror image, summed."""
    return lambda face: embed(face) + embed(face[:, ::-1].copy())


def face_recognition() -> dict[str, Call]:
    """dlib's HOG detector, five landmarks and ResNet, as its README uses them."""
    import face_recognition as peer
    import numpy as np

    known = list(np.random.default_rng(0).normal(size=(PEOPLE, 128)) / 11)

    def whole(frame: Any) -> int:
        rgb = np.ascontiguousarray(frame[..., ::-1])
        places = peer.face_locations(rgb)
        for encoding in peer.face_encodings(rgb, places):
            np.argmin(peer.face_distance(known, encoding))
        return len(places)

    return {"face_recognition 1.3 (dlib)": whole}


def race(calls: dict[str, Call], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each call, frame by frame, all calls in turn."""
    pictures = frames()
    for call in calls.values():
        call(pictures[0])
    took: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    for k in range(rounds):
        frame = pictures[k % len(pictures)]
        for name in names[k % len(names) :] + names[: k % len(names)]:
            start = time.perf_counter()
            calls[name](frame)
            took[name].append(1e3 * (time.perf_counter() - start))
    return took


def matching(rounds: int) -> dict[int, float]:
    """Median milliseconds to find the nearest of so many embeddings."""
    import numpy as np

    from edgecnn.faces.embed import unit
    from edgecnn.faces.match import Index

    rng = np.random.default_rng(0)
    face = unit(rng.normal(size=(1, 128)))[0]
    took = {}
    for size in SIZES:
        rows = rng.standard_normal((size, 128), np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        index = Index([str(i) for i in range(size)], rows)
        index.best(face)
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            index.best(face)
            times.append(1e3 * (time.perf_counter() - start))
        took[size] = float(np.median(times))
    return took


def verification(embedders: dict[str, Callable[[Any], Any]]) -> dict[str, tuple[float, float]]:
    """LFW accuracy and TAR at FAR 1e-3, in percent, original and mirrored embedding summed."""
    import numpy as np

    from edgecnn.data.lfw import Faces, files_and_indices, read_pairs
    from edgecnn.faces.embed import unit
    from edgecnn.faces.verify import fold_accuracies, pair_scores, tar_at_far

    files, pairs, same = files_and_indices(read_pairs(DATA / "lfw"))
    faces = Faces(DATA / "lfw")
    found: dict[str, list[Any]] = {name: [] for name in embedders}
    for file in files:
        for name, embed in embedders.items():
            found[name].append(embed(faces[file]))
    results = {}
    for name, rows in found.items():
        x = unit(np.stack(rows))
        scores = pair_scores(x, pairs)
        results[name] = (100 * float(fold_accuracies(scores, same).mean()),
                         100 * tar_at_far(scores, same, 1e-3))  # fmt: skip
    return results


def page(
    took: dict[str, list[float]], match: dict[int, float],
    lfw: dict[str, tuple[float, float]], absent: list[str],
) -> str:  # fmt: skip
    """The text of ``docs/benchmarks.md``."""
    import numpy as np

    median = {name: float(np.median(ms)) for name, ms in took.items()}
    rows = [
        f"| {name} | {ms:.2f} | {np.percentile(took[name], 95):.2f} | "
        f"{ms / median['edgecnn']:.2f} |"
        for name, ms in median.items()
    ]
    lines = [
        "# Benchmarks", "",
        "Written by `make bench-peers`: everything in one run, in turn, on one thread, on the same",
        f"frames of 640×480 with one face; match against {PEOPLE:,} people. "
        f"Here on {platform.machine()}, {os.cpu_count()}",
        "processors. The ratios carry over to another machine better than the milliseconds.", "",
        "![Milliseconds a frame, ours and peers](benchmarks.png)", "",
        "| what | p50 ms | p95 ms | times ours |", "| --- | ---: | ---: | ---: |", *rows, "",
        "| people in the gallery | match, p50 ms |", "| ---: | ---: |",
        *(f"| {size:,} | {ms:.3f} |" for size, ms in match.items()), "",
    ]  # fmt: skip
    if lfw:
        lines += ["| embedder, LFW's 6,000 pairs | accuracy % | TAR at FAR 1e-3 % |",
                  "| --- | ---: | ---: |",
                  *(f"| {n} | {a:.2f} | {t:.2f} |" for n, (a, t) in lfw.items()), ""]  # fmt: skip
    if absent:
        lines += [f"Not measured in this run: {', '.join(absent)}.", ""]
    return "\n".join(lines)


def plot(took: dict[str, list[float]], path: Path) -> None:
    """Medians as bars, on a logarithmic axis."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np

    names = sorted(took, key=lambda n: -float(np.median(took[n])))
    figure, axes = plt.subplots(figsize=(8, 0.4 * len(names) + 1), layout="constrained")
    colours = ["#2a6f97" if n.startswith("edgecnn") else "#adb5bd" for n in names]
    bars = axes.barh(names, [np.median(took[n]) for n in names], color=colours)
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.set(xscale="log", xlabel="milliseconds a frame of 640×480, median, one thread")
    axes.margins(x=0.15)
    figure.savefig(path, dpi=110)


def measure(out: Path, rounds: int, with_lfw: bool) -> None:
    """Run all contenders and write the page and its plot."""
    import cv2

    cv2.setNumThreads(1)
    teachers, absent = DATA / "teachers", []
    calls, embed = ours()
    embedders = {"edgecnn, int8": embed}
    if teachers.is_dir():
        for name, (more, peer) in (
            ("MobileFaceNet, float, OpenCV DNN", opencv(teachers)),
            ("published int8 MobileFaceNet", published_int8(teachers)),
        ):
            calls |= more
            embedders[name] = peer
    else:
        absent.append("YuNet and the MobileFaceNets (no research data here)")
    calls |= face_recognition()
    lfw = verification(embedders) if with_lfw and (DATA / "lfw").is_dir() else {}
    if not lfw:
        absent.append("LFW (`LFW=1 make bench-peers` with the research data)")
    took = race(calls, rounds)
    out.mkdir(parents=True, exist_ok=True)
    plot(took, out / "benchmarks.png")
    text = page(took, matching(15), lfw, absent)
    (out / "benchmarks.md").write_text(text, "utf-8")
    print(text)


def main() -> int:
    """Make the peers' environment where it is missing, and measure in it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--lfw", action="store_true")
    options = parser.parse_args()
    if Path(sys.prefix) == VENV:
        measure(options.out, options.rounds, options.lfw)
        return 0
    python = VENV / "bin" / "python"
    if not (VENV / ".installed").exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        for packages in PACKAGES:
            subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        (VENV / ".installed").touch()
    return subprocess.run([python, __file__, *sys.argv[1:]]).returncode


if __name__ == "__main__":
    sys.exit(main())

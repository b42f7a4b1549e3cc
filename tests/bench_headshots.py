"""Taught from headshots, asked about whole pictures: ``make bench-headshots``.

Writes ``docs/headshots.md``: a dense network, a plain convolutional one and the face chain that
ships, taught the same people from the same headshots and asked about the same pictures. The people
trained no part of the embedder; whom a photo shows is CelebA's word, of which 4-5 % is wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from edgecnn import training
from edgecnn.bundle import Bundle
from edgecnn.data import aligned
from edgecnn.data.scenes import Scenes, read_scenes
from edgecnn.errors import DataError
from edgecnn.faces.align import align
from edgecnn.faces.detect import Detector
from edgecnn.faces.embed import Embedder, fingerprint
from edgecnn.faces.enrol import enrol
from edgecnn.faces.gallery import Gallery
from edgecnn.images import Image, Preprocess, to_network
from edgecnn.training.measures import interval

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "headshots.md"
DATA = Path(os.environ.get("EDGECNN_SHARED_DATA") or ROOT.parent / "shared" / "data")
LEAST = 8
"""Photos of a person at least, to take part: half teach, half are asked."""
MARGIN = 0.4
"""Of the face's box, around it on each side of a headshot."""
SIDE, EPOCHS = 64, 40

Ask = Callable[[Image], str | None]
"""A picture, ``(H, W, 3)`` uint8 BGR, to a person or None for unknown."""


def headshot(image_bgr: Image, faces: np.ndarray) -> Image | None:
    """The largest face with some of what is around it; None where no face is labelled."""
    if not len(faces):
        return None
    left, top, right, bottom = max(faces, key=lambda f: f[3] - f[1])[:4]
    dx, dy = MARGIN * (right - left), MARGIN * (bottom - top)
    y, x = max(0, int(top - dy)), max(0, int(left - dx))
    return np.ascontiguousarray(image_bgr[y : int(bottom + dy), x : int(right + dx)])


def people(scenes: Scenes, faces112: Path) -> dict[str, list[str]]:
    """Files by person, of those who trained no embedder and have enough photos with a face."""
    trained = set(aligned.split(aligned.index(faces112), 0)["train"].values())
    found: dict[str, list[str]] = defaultdict(list)
    for name in scenes.names:
        person = scenes.people.get(name)
        if person and person not in trained and len(scenes.faces[name]):
            found[person].append(name)
    return {p: files for p, files in sorted(found.items()) if len(files) >= LEAST}


def network(folder: Path, out: Path, settings: dict[str, object]) -> Ask:
    """A classifier taught from ``folder``."""
    training.start_keras()
    from edgecnn.training import images

    run = images.train(folder, out, {"size": SIDE, "epochs": EPOCHS, "mirror": True, **settings})
    model, preprocess = run.load_model(), Preprocess.from_dict(run.facts["input"])
    labels: list[str] = run.facts["labels"]

    def ask(picture: Image) -> str:
        logits = model.predict_on_batch(to_network(preprocess(picture)[None]))
        return labels[int(np.argmax(logits))]

    return ask


def chain(folder: Path, place: Path) -> tuple[Ask, Ask]:
    """The models that ship, taught from ``folder``: with their threshold, and without one."""
    bundle = Bundle(ROOT / "edgecnn" / "assets")
    for person in sorted(folder.iterdir()):
        enrol(bundle, place, person.name, sorted(person.iterdir()), force=True)
    with Gallery(place, fingerprint(bundle)) as gallery:
        index = gallery.index()
    detect, embed = Detector.of(bundle), Embedder.of(bundle, mirror=True)

    def nearest(picture: Image) -> tuple[str | None, float]:
        faces = detect(picture)
        if not faces:
            return None, 0.0
        main = max(faces, key=lambda f: float(f.box_xyxy[3] - f.box_xyxy[1]))
        try:
            scores = index.scores(embed(align(picture, main.landmarks_xy)))
        except DataError:
            return None, 0.0
        return index.people[int(scores.argmax())], float(scores.max())

    def sure(picture: Image) -> str | None:
        name, score = nearest(picture)
        return name if score >= bundle.threshold else None

    return sure, lambda picture: nearest(picture)[0]


def row(name: str, pictures: dict[str, list[Image]], ask: Ask) -> str:
    """One line of the table."""
    answers = [(person, ask(p)) for person, asked in pictures.items() for p in asked]
    right = sum(a == person for person, a in answers)
    unknown = sum(a is None for _, a in answers)
    low, high = interval(right, len(answers))
    share = f"{100 * right / len(answers):.1f} % ({100 * low:.1f} to {100 * high:.1f})"
    wrong = len(answers) - right - unknown
    return f"| {name} | {len(answers)} | {right} | {wrong} | {unknown} | {share} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of research data")
    given = parser.parse_args()
    scenes = read_scenes(given.data / "scenes")
    who = people(scenes, given.data / "faces112")
    asked: dict[str, list[Image]] = {}
    close: dict[str, list[Image]] = {}
    areas = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "headshots")
        taught = 0
        for person, files in who.items():
            (folder / person).mkdir(parents=True)
            pictures = scenes.read(files)
            for file, picture in list(zip(files, pictures, strict=True))[::2]:
                name = Path(file).stem + ".png"
                cv2.imwrite(str(folder / person / name), headshot(picture, scenes.faces[file]))
                taught += 1
            rest = list(zip(files, pictures, strict=True))[1::2]
            asked[person] = [picture for _, picture in rest]
            close[person] = [headshot(picture, scenes.faces[file]) for file, picture in rest]
            areas += [
                float(np.prod(c.shape[:2])) / float(np.prod(p.shape[:2]))
                for c, p in zip(close[person], asked[person], strict=True)
            ]
        dense = network(folder, Path(place, "dense"), {"network": "dense"})
        cnn = network(folder, Path(place, "cnn"), {"network": "compact"})
        sure, nearest = chain(folder, Path(place, "gallery.sqlite"))
        rows = [
            row(f"{name}, asked about {what}", pictures, ask)
            for what, pictures in (("whole pictures", asked), ("headshots", close))
            for name, ask in (("dense network", dense), ("plain CNN", cnn))
        ]
        rows += [
            row("face chain, with its threshold, asked about whole pictures", asked, sure),
            row("face chain, the nearest person, asked about whole pictures", asked, nearest),
        ]
    total = sum(map(len, asked.values()))
    text = "\n".join([
        "# Taught from headshots, asked about whole pictures", "",
        f"Written by `make bench-headshots`: {len(who)} people with {LEAST} photos or more, every",
        f"other photo's face, cut out, teaches ({taught} headshots); the other {total} photos are",
        f"asked about. A headshot takes {100 * np.median(areas):.0f} % of its photo (median). The "
        "photos are CelebA's, up",
        "to 320 pixels, mostly from the chest or the waist up; few show a whole body. Nobody of",
        "them trained the embedder; the detector may have seen their photos, and some of them were",
        "among the strangers by whom the threshold was chosen. About 4–5 % of the identities are",
        f"wrong, and a guess is right once in {len(who)}. So few people and pictures say which way",
        "is better, not by how many points.", "",
        "| taught from headshots | asked | right | wrong | unknown | right (95 % interval) |",
        "| --- | ---: | ---: | ---: | ---: | ---: |", *rows, "",
        f"Dense and plain CNN: `edgecnn train headshots --task images --size {SIDE} --epochs "
        f"{EPOCHS} --mirror`,",
        "with `--network dense` and `compact`; 30 % of the headshots validate and test these two,",
        "as ever. The face chain: `edgecnn enroll`, then the largest face that the detector finds.",
        "Intervals: Wilson's. The networks always name somebody; the chain may say unknown.", "",
    ])  # fmt: skip
    PAGE.write_text(text, "utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

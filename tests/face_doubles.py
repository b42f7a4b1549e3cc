"""Faces for tests: tinted, textured squares on black, a detector that finds them, an embedder that
tells them apart by their tint. Two squares of one tint and another seed are two photos of somebody.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgecnn.bundle import Bundle, Manifest, ModelEntry, OperatingPoint
from edgecnn.faces import enrol
from edgecnn.faces.align import TEMPLATE
from edgecnn.faces.embed import unit
from edgecnn.faces.types import Detection
from edgecnn.images import Preprocess
from edgecnn.storage import sha256_of

ANN, BOB, CID = (60, -30, -30), (-30, 60, -30), (-30, -30, 60)
"""Tints: what is added to the grey of blue, green and red."""
THRESHOLD = 0.5


def face(tint, seed=0, side=112):
    """A square of texture, ``(side, side, 3)`` uint8, nowhere darker than 40."""
    rng = np.random.default_rng(seed)
    coarse, fine = (rng.uniform(-35, 35, (n, n)).astype(np.float32) for n in (6, 28))
    grey = cv2.resize(coarse, (side, side)) + cv2.resize(fine, (side, side))
    grey = grey + rng.normal(0, 6, (side, side))
    shade = np.array(tint) + rng.normal(0, 2, 3)
    return np.clip(140 + grey[..., None] + shade, 40, 255).astype(np.uint8)


def scene(*faces, size_wh=(320, 240)):
    """A black picture with faces: ``(face, left, top)`` each."""
    picture = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    for pixels, left, top in faces:
        h, w = pixels.shape[:2]
        picture[top : top + h, left : left + w] = pixels
    return picture


def portrait(tint, seed=0, side=112):
    """One face on black."""
    return scene((face(tint, seed, side), 90, 60))


def detect(picture):
    """The squares, largest first; the landmarks where the template has them."""
    mask = (picture.max(axis=2) > 30).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    found = []
    for x, y, w, h, area in sorted(stats[1:].tolist(), key=lambda s: -s[4]):
        if area > 100:
            marks = (TEMPLATE + 0.5) * (w / 112) - 0.5 + np.float32([x, y])
            box = np.array([x, y, x + w, y + h], np.float32)
            found.append(Detection(box, 0.9, marks.astype(np.float32)))
    return found


def embed(face_bgr):
    """The tint, ``(3,)`` float32 of length 1."""
    mean = face_bgr.reshape(-1, 3).mean(axis=0)
    return unit(mean - mean.mean())


def embed_photo(face_bgr):
    """The tint and, for two parts in five, the texture: ``(67,)`` float32 of length 1. Two photos
    of somebody have a cosine of about 0.7, copies of one nearly 1, other people's -0.4."""
    small = cv2.resize(face_bgr.mean(axis=2), (8, 8), interpolation=cv2.INTER_AREA).ravel()
    return unit(np.concatenate([embed(face_bgr), 0.65 * unit(small - small.mean())]))


def bundle(folder: Path, monkeypatch: Any) -> Bundle:
    """A bundle whose models are files of no content; the doubles above stand in for them."""
    folder.mkdir(parents=True)
    files = {"detector": "face-detector.tflite", "embedder": "face-embedder.tflite"}
    for name, file in files.items():
        (folder / file).write_bytes(name.encode())
    manifest = Manifest(
        task="faces",
        models={n: ModelEntry(f, Preprocess((112, 112))) for n, f in files.items()},
        target="virtual",
        operating_point=OperatingPoint(THRESHOLD, 0.001, "tints", 1000),
        files={f: sha256_of(folder / f) for f in files.values()},
    )
    (folder / "manifest.json").write_text(manifest.to_json())
    for module in (enrol, __import__("edgecnn.training.people", fromlist=["people"])):
        monkeypatch.setattr(module.Detector, "of", lambda bundle, threads=None: detect)
        monkeypatch.setattr(
            module.Embedder, "of", lambda bundle, threads=None, mirror=False: embed_photo
        )
    monkeypatch.setattr(Bundle, "model", lambda *args, **options: None)
    return Bundle(folder)


def save(path: Path, picture: Any) -> Path:
    """Write a PNG, its folder too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture)
    return path

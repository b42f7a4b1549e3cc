"""Scenes drawn with OpenCV: round faces with eyes, nose and mouth on coloured ground."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np

from edgecnn.data.scenes import COLUMNS
from edgecnn.images import Floats, Image

MARKS = np.array([[-0.2, -0.15], [0.2, -0.15], [0, 0.05], [-0.15, 0.22], [0.15, 0.22]])
"""The five landmarks, in shares of the face's side, away from its centre."""


def draw_face(image: Image, centre: tuple[float, float], side: float) -> Floats:
    """Draw a face and return its ``(14,)`` label."""
    x, y = centre
    axes = (round(0.42 * side), round(0.5 * side))
    cv2.ellipse(image, (round(x), round(y)), axes, 0, 0, 360, (120, 160, 220), -1)
    points = np.array(centre) + MARKS * side
    for k, (px, py) in enumerate(points):
        colour = (30, 30, 30) if k < 2 else (60, 60, 190)
        cv2.circle(image, (round(px), round(py)), max(1, round(side / 14)), colour, -1)
    box = [x - 0.42 * side, y - side / 2, x + 0.42 * side, y + side / 2]
    return np.concatenate([box, points.reshape(-1)]).astype(np.float32)


def make_scenes(folder: Path, count: int, *, people: int = 0) -> list[Floats]:
    """Write ``count`` pictures and their tables; every fourth shows no face, every third two."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    rows, labels = [], []
    for k in range(count):
        image = np.full((96, 128, 3), rng.integers(0, 255, 3), np.uint8)
        places = [] if k % 4 == 3 else [(40.0, 48.0), (95.0, 45.0)][: 1 + (k % 3 == 2)]
        faces = [draw_face(image, p, float(rng.uniform(30, 52))) for p in places]
        labels.append(np.array(faces, np.float32).reshape(-1, 14))
        cv2.imwrite(str(folder / f"{k:03}.png"), image)
        for face in faces:
            row = [face[0], face[1], face[2] - face[0], face[3] - face[1], *face[4:]]
            rows.append([f"{k:03}.png", *(round(float(v), 2) for v in row)])
    write_csv(folder / "boxes.csv", ["file", *COLUMNS], rows)
    if people:
        who = [[f"{k:03}.png", f"person {k % people}"] for k in range(count)]
        write_csv(folder / "people.csv", ["file", "person"], who)
    return labels


def write_csv(path: Path, header: list[str], rows: list[list[object]]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows([header, *rows])

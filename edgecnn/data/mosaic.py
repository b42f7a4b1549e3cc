"""Training pictures for the detector: scenes moved and mixed, with their labels.

A picture is one of four kinds: a scene as the board would see it; one face brought to a random
size, place and tilt; a mosaic of up to nine such tiles, which is where small faces and several
faces a picture come from; or no face at all, made of other photos, of scenes whose faces are
painted over, and of textures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgecnn.data.spoil import covered, crop, resize, spoil, texture, without_faces
from edgecnn.errors import DataError
from edgecnn.images import ZERO_BYTE, Floats, Image

KINDS = {"plain": 0.3, "single": 0.25, "mosaic": 0.38, "empty": 0.07}
GRIDS = {(2, 2): 0.45, (3, 2): 0.3, (2, 1): 0.1, (1, 2): 0.05, (3, 3): 0.1}
"""Columns and rows of a mosaic, and how often."""
SMALLEST, LARGEST = 8.0, 260.0
"""Side of a face, the root of its area, in pixels of the network's input."""
RARE, SMALL_SHARE = 4.0, 0.1
"""How much more often than others a rare face is shown, and the share of the photo's longer side
below which a face is rare for being small."""
SINGLE = 32.0
"""Least side of the one face of a picture; smaller ones come by mosaics, many at once."""
TILT = 30.0
"""Degrees by which a face is tilted at most."""
TEXTURES = 100
"""Made once: grounds without a face, and what faces are covered with."""
WHOLE, GONE = 0.6, 0.2
"""A face of which at least this share is in the picture counts; below the second it is none; in
between the network is told neither."""


class Sample(NamedTuple):
    """A picture ``(H, W, 3)`` uint8 BGR, its faces ``(N, 14)`` as in
    :class:`edgecnn.data.scenes.Scenes`, and boxes ``(M, 4)`` where nothing is to be learnt."""

    image: Image
    faces: Floats
    ignore: Floats


def mirror(image: Image, faces: Floats) -> tuple[Image, Floats]:
    """Left becomes right; the landmarks of the two eyes and mouth corners change places."""
    import cv2

    width = image.shape[1]
    flipped = faces.copy()
    flipped[:, [0, 2]] = width - faces[:, [2, 0]]
    points = faces[:, 4:].reshape(-1, 5, 2)[:, [1, 0, 2, 4, 3]].copy()
    points[..., 0] = width - points[..., 0]
    flipped[:, 4:] = points.reshape(-1, 10)
    return np.asarray(cv2.flip(image, 1), np.uint8), flipped


def move_faces(faces: Floats, matrix: Floats) -> Floats:
    """``(N, 14)`` faces under a ``(2, 3)`` similarity; a tilted box holds the tilted ellipse."""
    linear, shift = matrix[:, :2], matrix[:, 2]
    points = faces[:, 4:].reshape(-1, 5, 2) @ linear.T + shift
    centre = (faces[:, :2] + faces[:, 2:4]) / 2 @ linear.T + shift
    # Half sides of the box around an ellipse with the half axes of the old box, turned.
    half = np.sqrt(((faces[:, 2:4] - faces[:, :2]) / 2) ** 2 @ (linear**2).T)
    return np.concatenate(
        [centre - half, centre + half, points.reshape(-1, 10)], 1, dtype=np.float32
    )


def settle(faces: Floats, size_wh: tuple[int, int]) -> tuple[Floats, Floats]:
    """Which faces a picture of ``size_wh`` shows: those that count, and boxes to ignore.

    A face whose landmarks are not numbers is one that nobody is sure of: it is ignored.
    """
    w, h = size_wh
    low, high = np.maximum(faces[:, :2], 0), np.minimum(faces[:, 2:4], (w, h))
    area = np.prod(faces[:, 2:4] - faces[:, :2], axis=1)
    seen = np.prod(np.maximum(high - low, 0), axis=1) / np.maximum(area, 1e-6)
    side = np.sqrt(area)
    counts = is_sure(faces) & (seen >= WHOLE) & (side >= SMALLEST) & (side <= 1.15 * LARGEST)
    return faces[counts], np.concatenate([low, high], 1)[~counts & (seen > GONE)]


def rarity(faces: Floats, side: int) -> Floats:
    """How much more often than a plain one each face is to be shown: ``(N,)``, 1…:data:`RARE`, and
    0 for one that nobody is sure of.

    Faces in profile and small faces are few in photos and hard to find: what counts is how far the
    nose is from the middle of the eyes, and the size beside the photo's.

    Args:
        faces: ``(N, 14)``. ``side``: the photo's longer one.
    """
    size = faces[:, 2:4] - faces[:, :2]
    aside = np.abs(faces[:, 8] - (faces[:, 4] + faces[:, 6]) / 2) / np.maximum(size[:, 0], 1e-3)
    small = np.sqrt(np.prod(size, axis=1)) < SMALL_SHARE * side
    turned = np.clip((aside - 0.08) / 0.12, 0, 1)
    odds = 1 + (RARE - 1) * np.maximum(turned, small)
    return np.asarray(np.where(is_sure(faces), odds, 0), np.float32)


def is_sure(faces: Floats) -> npt.NDArray[np.bool_]:
    """``(N,)``: which faces have landmarks."""
    return np.asarray(np.isfinite(faces[:, 4:]).all(axis=1), np.bool_)


class Composer:
    """Makes training pictures out of scenes.

    Args:
        images: the training scenes, BGR. ``faces``: theirs, ``(N, 14)`` each.
        size_wh: of the network's input.
        negatives: photos that show no face.

    Raises:
        DataError: no scene has a face.
    """

    def __init__(
        self,
        images: Sequence[Image],
        faces: Sequence[Floats],
        size_wh: tuple[int, int],
        negatives: Sequence[Image] = (),
    ):
        self._images, self._faces, self._size_wh = images, faces, size_wh
        self._negatives = negatives
        weights = [rarity(f, max(i.shape)) for i, f in zip(images, faces, strict=True)]
        self._picks = [(k, n) for k, f in enumerate(faces) for n in range(len(f))]
        if not any(map(np.any, weights)):
            raise DataError(f"none of {len(images)} photos has a face: label some in each part")
        self._odds = np.cumsum(np.concatenate(weights))
        self._photo_odds = np.cumsum([w.max(initial=1.0) for w in weights])
        rng = np.random.default_rng(0)
        noise = rng.standard_normal((size_wh[1] + 64, size_wh[0] + 64, 3))
        self._noise = noise.astype(np.float32)
        self._textures = [texture(rng, size_wh) for _ in range(TEXTURES)]

    def __len__(self) -> int:
        """Scenes that pictures are made of."""
        return len(self._images)

    def __call__(self, rng: np.random.Generator, kind: str | None = None) -> Sample:
        """One picture of a random kind, or of ``kind`` out of :data:`KINDS`."""
        kind = kind or str(rng.choice(list(KINDS), p=list(KINDS.values())))
        if kind == "plain":
            sample = self._plain(rng)
        elif kind == "single":
            sample = self._tile(rng, self._size_wh, SINGLE, min(LARGEST, 1.1 * min(self._size_wh)))
        elif kind == "mosaic":
            sample = self._mosaic(rng)
        else:
            nothing = np.zeros((0, 14), np.float32)
            sample = Sample(self._background(rng, self._size_wh), nothing, nothing[:, :4])
        image = sample.image
        if rng.random() < 0.2:
            image = covered(image, sample.faces, rng)
        return sample._replace(image=spoil(image, rng, self._noise))

    def _plain(self, rng: np.random.Generator) -> Sample:
        k = int(np.searchsorted(self._photo_odds, rng.random() * self._photo_odds[-1], "right"))
        image, faces = self._images[k], self._faces[k]
        if rng.random() < 0.5:
            image, faces = mirror(image, faces)
        (w, h), (height, width) = self._size_wh, image.shape[:2]
        scale = min(w / width, h / height)
        canvas = np.full((h, w, 3), ZERO_BYTE, np.uint8)
        inner = max(1, round(width * scale)), max(1, round(height * scale))
        canvas[: inner[1], : inner[0]] = resize(image, inner)
        return Sample(canvas, *settle(faces * np.float32(scale), self._size_wh))

    def _mosaic(self, rng: np.random.Generator) -> Sample:
        columns, rows = list(GRIDS)[rng.choice(len(GRIDS), p=list(GRIDS.values()))]
        w, h = self._size_wh
        xs, ys = _cuts(rng, columns, w), _cuts(rng, rows, h)
        canvas = np.empty((h, w, 3), np.uint8)
        faces, ignore = [], []
        for x0, x1 in pairwise(xs):
            for y0, y1 in pairwise(ys):
                size_wh = (x1 - x0, y1 - y0)
                if rng.random() < 0.2:
                    canvas[y0:y1, x0:x1] = self._background(rng, size_wh)
                    continue
                largest = max(SMALLEST * 1.5, 0.9 * min(size_wh))
                tile = self._tile(rng, size_wh, SMALLEST, largest)
                canvas[y0:y1, x0:x1] = tile.image
                shift = np.array([x0, y0], np.float32)
                faces.append(tile.faces + np.tile(shift, 7))
                ignore.append(tile.ignore + np.tile(shift, 2))
        nothing = np.zeros((0, 14), np.float32)
        return Sample(
            canvas,
            np.concatenate([nothing, *faces]),
            np.concatenate([nothing[:, :4], *ignore]),
        )

    def _tile(
        self, rng: np.random.Generator, size_wh: tuple[int, int], smallest: float, largest: float
    ) -> Sample:
        """A scene moved so that one of its faces is of a random size, in a random place."""
        pick = int(np.searchsorted(self._odds, rng.random() * self._odds[-1], "right"))
        k, n = self._picks[pick]
        image, faces = self._images[k], self._faces[k]
        if rng.random() < 0.5:
            image, faces = mirror(image, faces)
        face = faces[n]
        before = math.sqrt(float(np.prod(face[2:4] - face[:2])))
        # By the logarithm, since detecting is a matter of scale; the power favours the larger ones.
        side = smallest * (largest / smallest) ** (rng.random() ** 0.7)
        scale = min(side / before, 4.0)
        side = scale * before
        angle = rng.uniform(-TILT, TILT) * (1.0 if rng.random() < 0.5 else 0.35)
        place = [
            rng.uniform(0.45 * side, n - 0.45 * side) if n > 0.9 * side else n / 2 for n in size_wh
        ]
        turn = math.radians(angle)
        cos, sin = scale * math.cos(turn), scale * math.sin(turn)
        linear = np.array([[cos, -sin], [sin, cos]]) @ np.diag([rng.uniform(0.92, 1.08), 1.0])
        shift = np.array(place) - linear @ ((face[:2] + face[2:4]) / 2)
        matrix = np.concatenate([linear, shift[:, None]], 1).astype(np.float32)
        canvas = self._frame(rng, size_wh)
        return Sample(
            _warp(image, matrix, scale, canvas, rng), *settle(move_faces(faces, matrix), size_wh)
        )

    def _frame(self, rng: np.random.Generator, size_wh: tuple[int, int]) -> Image:
        """What shows where a moved scene does not reach."""
        kind = rng.random()
        if kind < 0.4:
            return self._background(rng, size_wh)
        colour = (ZERO_BYTE,) * 3 if kind < 0.7 else tuple(rng.integers(0, 256, 3).tolist())
        return np.full((size_wh[1], size_wh[0], 3), colour, np.uint8)

    def _background(self, rng: np.random.Generator, size_wh: tuple[int, int]) -> Image:
        """A picture without a face."""
        kind = rng.random()
        if kind < 0.35 and self._negatives:
            return crop(self._negatives[int(rng.integers(len(self._negatives)))], size_wh, rng)
        if kind < 0.55:
            return crop(self._textures[int(rng.integers(TEXTURES))], size_wh, rng)
        k = int(rng.integers(len(self._images)))
        cover = self._textures[int(rng.integers(TEXTURES))]
        return crop(without_faces(self._images[k], self._faces[k], cover, rng), size_wh, rng)


def _warp(
    image: Image, matrix: Floats, scale: float, canvas: Image, rng: np.random.Generator
) -> Image:
    """``image`` under ``matrix`` on top of ``canvas``, averaged where it shrinks."""
    import cv2

    linear, shift = matrix[:, :2].astype(np.float64), matrix[:, 2].astype(np.float64)
    if scale < 0.75 and rng.random() < 0.85:
        height, width = image.shape[:2]
        small = max(8, round(width * scale)), max(8, round(height * scale))
        image = np.asarray(cv2.resize(image, small, interpolation=cv2.INTER_AREA), np.uint8)
        linear = linear @ np.diag([width / small[0], height / small[1]])
    # Pixel k spans k … k + 1 in the labels; OpenCV counts from the centres of pixels.
    shift = shift + linear @ (0.5, 0.5) - 0.5
    h, w = canvas.shape[:2]
    return np.asarray(
        cv2.warpAffine(
            image,
            np.concatenate([linear, shift[:, None]], 1),
            (w, h),
            dst=canvas,
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_TRANSPARENT,
        ),
        np.uint8,
    )


def _cuts(rng: np.random.Generator, parts: int, length: int) -> list[int]:
    jitter = rng.uniform(-0.25, 0.25, parts - 1)
    inner = (np.arange(1, parts) + jitter) * length / parts
    return [0, *np.round(inner).astype(int).tolist(), length]

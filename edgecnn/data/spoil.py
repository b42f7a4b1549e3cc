"""What stands in a detector's way: grounds without a face, covered faces, and what cameras do."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgecnn.images import Floats, Image


def texture(rng: np.random.Generator, size_wh: tuple[int, int]) -> Image:
    """Noise of several scales, with stripes, ellipses, boxes and lines on it."""
    import cv2

    w, h = size_wh
    picture = np.full((h, w, 3), rng.uniform(20, 235, 3), np.float32)
    for cells in (2, 5, 12, 40):
        grid = rng.standard_normal((cells, max(1, round(cells * w / h)), 3)).astype(np.float32)
        if rng.random() < 0.5:
            grid[:] = grid[..., :1]
        picture += rng.uniform(0, 90 / math.sqrt(cells)) * cv2.resize(
            grid, size_wh, interpolation=cv2.INTER_CUBIC
        )
    if rng.random() < 0.3:
        turn, period = rng.uniform(0, math.pi), rng.uniform(3, 40)
        x, y = np.meshgrid(np.arange(w), np.arange(h))
        wave = np.sin((x * math.cos(turn) + y * math.sin(turn)) * (2 * math.pi / period))
        picture += rng.uniform(10, 60) * wave[..., None].astype(np.float32)
    image = np.clip(picture, 0, 255).astype(np.uint8)
    for _ in range(int(rng.integers(0, 12))):
        colour = rng.integers(0, 256, 3).tolist()
        a, b = ((int(rng.integers(0, w)), int(rng.integers(0, h))) for _ in range(2))
        what, thick = rng.integers(3), int(rng.integers(1, 6)) if rng.random() < 0.5 else -1
        if what == 0:
            axes = (int(rng.integers(2, w // 4 + 3)), int(rng.integers(2, h // 3 + 3)))
            cv2.ellipse(image, a, axes, rng.uniform(0, 180), 0, 360, colour, thick)
        elif what == 1:
            cv2.rectangle(image, a, b, colour, thick)
        else:
            cv2.line(image, a, b, colour, max(1, thick))
    return image


def spoil(image: Image, rng: np.random.Generator, noise: Floats) -> Image:
    """What cameras do: light, colour, blur, sensor noise and compression; at random, mostly mild.

    Args:
        noise: standard normal, larger than the picture by up to 64 pixels each way.
    """
    import cv2

    out: Any = image  # the stubs of OpenCV know no byte pictures
    h, w = image.shape[:2]
    if rng.random() < 0.8:
        dark = rng.random() < 0.15
        gamma = rng.uniform(1.3, 2.5) if dark else math.exp(rng.uniform(-0.45, 0.45))
        gain = rng.uniform(0.25, 0.8) if dark else rng.uniform(0.65, 1.35)
        lift = rng.uniform(0, 20) if dark else rng.uniform(-30, 30)
        tint = rng.uniform(0.85, 1.15, 3) if rng.random() < 0.5 else np.ones(3)
        ramp = np.arange(256) / 255
        table = 255 * gain * ramp[:, None] ** gamma * tint + lift
        out = cv2.LUT(out, np.clip(table, 0, 255).astype(np.uint8)[:, None])
    chance = rng.random()
    if chance < 0.12:
        out = cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    elif chance < 0.4:
        grey = cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        colour = rng.uniform(0.3, 1.6)
        out = cv2.addWeighted(out, colour, grey, 1 - colour, 0)
    chance = rng.random()
    if chance < 0.15:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.4, 1.6))
    elif chance < 0.22:
        length, turn = int(rng.integers(3, 9)), rng.uniform(0, math.pi)
        kernel = np.zeros((9, 9), np.float32)
        end = round(length / 2 * math.cos(turn)), round(length / 2 * math.sin(turn))
        cv2.line(kernel, (4 - end[0], 4 - end[1]), (4 + end[0], 4 + end[1]), 1.0)
        out = cv2.filter2D(out, -1, kernel / kernel.sum())
    if rng.random() < 0.25:
        x, y = int(rng.integers(0, 64)), int(rng.integers(0, 64))
        amount = rng.uniform(2, 22)
        out = cv2.add(out, amount * noise[y : y + h, x : x + w], dtype=cv2.CV_8U)
    if rng.random() < 0.25:
        _, data = cv2.imencode(".jpg", out, (cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 85))))
        out = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return np.asarray(out, np.uint8)


def resize(image: Image, size_wh: tuple[int, int]) -> Image:
    """A picture in another size, averaged where it shrinks below a half."""
    import cv2

    shrinks = size_wh[0] < image.shape[1] / 2
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size_wh, interpolation=how), np.uint8)


def crop(image: Image, size_wh: tuple[int, int], rng: np.random.Generator) -> Image:
    """A random part of ``image``, at a random scale, mirrored or turned over now and then."""
    import cv2

    w, h = size_wh
    height, width = image.shape[:2]
    most = min(width / w, height / h)
    take = most * math.exp(rng.uniform(math.log(0.25), 0))
    cw, ch = max(2, int(w * take)), max(2, int(h * take))
    x, y = int(rng.integers(0, width - cw + 1)), int(rng.integers(0, height - ch + 1))
    part = resize(image[y : y + ch, x : x + cw], size_wh)
    if rng.random() < 0.5:
        part = np.asarray(cv2.flip(part, 1 if rng.random() < 0.75 else -1), np.uint8)
    return part


def without_faces(image: Image, faces: Floats, cover: Image, rng: np.random.Generator) -> Image:
    """Faces and what is around them hidden by a part of ``cover``, often in the colour of the skin.

    What is left are hair, hats, necks and hands, which by themselves are no face.
    """
    import cv2

    image = image.copy()
    height, width = image.shape[:2]
    for face in faces:
        grow = rng.uniform(0.02, 0.25) * (face[2:4] - face[:2])
        x0, y0 = np.maximum(face[:2] - grow, 0).astype(int)
        x1, y1 = np.minimum(face[2:4] + grow, (width, height)).astype(int)
        if x1 - x0 < 2 or y1 - y0 < 2:
            continue
        patch = crop(cover, (int(x1 - x0), int(y1 - y0)), rng)
        if rng.random() < 0.5:
            skin = image[y0:y1, x0:x1].reshape(-1, 3).mean(0)
            patch = np.clip(patch * 0.15 + skin * 0.85, 0, 255).astype(np.uint8)
        if rng.random() < 0.5:
            image[y0:y1, x0:x1] = patch
        else:
            inside = np.zeros((y1 - y0, x1 - x0), np.uint8)
            half = int(x1 - x0) // 2, int(y1 - y0) // 2
            cv2.ellipse(inside, half, half, 0, 0, 360, 255, -1)
            # The ellipse leaves the box's corners, so it is grown to hide the whole face.
            inside = cv2.dilate(inside, np.ones((5, 5), np.uint8))
            cv2.copyTo(patch, inside, image[y0:y1, x0:x1])
    return image


def covered(image: Image, faces: Floats, rng: np.random.Generator) -> Image:
    """Something before a part of each face: a patch of another place, or of one colour."""
    image = image.copy()
    height, width = image.shape[:2]
    for face in faces:
        size = face[2:4] - face[:2]
        if size.min() < 20 or rng.random() < 0.4:
            continue
        w, h = (rng.uniform(0.15, 0.45, 2) * size).astype(int)
        x, y = (face[:2] + rng.uniform(0, 1, 2) * (size - (w, h))).astype(int)
        x, y = int(np.clip(x, 0, width - w - 1)), int(np.clip(y, 0, height - h - 1))
        if rng.random() < 0.5:
            fx, fy = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
            image[y : y + h, x : x + w] = image[fy : fy + h, fx : fx + w].copy()
        else:
            image[y : y + h, x : x + w] = rng.integers(0, 256, 3)
    return image

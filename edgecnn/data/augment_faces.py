"""What a camera does to an aligned face: small misalignment, light, blur, noise, compression."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecnn.images import Image

EASY = 0.5
"""Share of the faces that are mirrored or left as they are, and nothing more."""


def augment_face(face: Image, rng: np.random.Generator) -> Image:
    """A changed copy of a face ``(H, W, 3)`` uint8; channel order does not matter.

    Half of the faces are mirrored, and :data:`EASY` of them are left at that. Of the others, shifts
    reach 3.5 %, turns 6 degrees and scales 6 %, about what a detector's landmarks are off by; each
    further change is drawn by itself.
    """
    import cv2

    x: Any = face
    h, w = face.shape[:2]
    if rng.random() < 0.5:
        x = np.ascontiguousarray(x[:, ::-1])
    if rng.random() < EASY:
        return np.asarray(x, np.uint8)
    if rng.random() < 0.7:
        turn = rng.normal(0, 3.0)
        matrix = cv2.getRotationMatrix2D((w / 2, h / 2), turn, 1 + rng.uniform(-0.06, 0.06))
        matrix[:, 2] += rng.uniform(-0.035, 0.035, 2) * np.array((w, h))
        x = cv2.warpAffine(x, matrix, (w, h), borderMode=cv2.BORDER_REFLECT_101)
    if rng.random() < 0.3:
        # A face that was small in the frame: detail is gone, the size is not.
        small = int(rng.uniform(28, 90))
        x = cv2.resize(x, (small, small), interpolation=cv2.INTER_AREA)
        x = cv2.resize(x, (w, h), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.15:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.5, 2.0))
    if rng.random() < 0.6:
        x = _relight(x, rng)
    if rng.random() < 0.2:
        noise = rng.normal(0, rng.uniform(2, 14), x.shape)
        x = np.clip(x + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        quality = int(rng.uniform(25, 90))
        _, data = cv2.imencode(".jpg", x, [cv2.IMWRITE_JPEG_QUALITY, quality])
        x = cv2.imdecode(data, cv2.IMREAD_COLOR)
    if rng.random() < 0.1:
        x = np.repeat(x.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    if rng.random() < 0.15:
        x = _occlude(x, rng)
    return np.asarray(x, np.uint8)


def _relight(face: Image, rng: np.random.Generator) -> Image:
    """Exposure, contrast, gamma, colour cast, and now and then light from one side."""
    w = face.shape[1]
    x = (face.astype(np.float32) / 255) ** np.float32(np.exp(rng.normal(0, 0.3)))
    x = (x - 0.5) * np.float32(rng.uniform(0.7, 1.25)) + 0.5 + np.float32(rng.normal(0, 0.08))
    x *= rng.normal(1, 0.05, 3).astype(np.float32)
    if rng.random() < 0.3:
        ramp = np.linspace(-1, 1, w, dtype=np.float32) * rng.choice([-1, 1])
        x *= 1 + np.float32(rng.uniform(0.2, 0.7)) * ramp[None, :, None] / 2
    return np.clip(x * 255, 0, 255).astype(np.uint8)


def _occlude(face: Image, rng: np.random.Generator) -> Image:
    """A patch of one colour over up to a quarter of the face."""
    h, w = face.shape[:2]
    ph, pw = (rng.uniform(0.15, 0.5, 2) * (h, w)).astype(int)
    top, left = int(rng.integers(0, h - ph)), int(rng.integers(0, w - pw))
    face = face.copy()
    face[top : top + ph, left : left + pw] = rng.integers(0, 256, 3)
    return face

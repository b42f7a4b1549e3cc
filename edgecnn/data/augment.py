"""Small random changes of a picture, so that a few photos teach what many would."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgecnn.images import Image


@dataclass(frozen=True)
class Augment:
    """How far a picture may be changed; each amount is the limit of a uniform draw.

    Attributes:
        shift: share of width and height.
        scale: share of the size, both ways.
        rotation_deg: degrees, both ways.
        mirror: left and right change places every other time. Off unless told: it makes another
            letter, digit or side of the road.
        brightness: bytes, both ways.
        contrast: share of the distance to mid-grey, both ways.
        noise: standard deviation of Gaussian noise in bytes, 0…noise, every other time.
    """

    shift: float = 0.08
    scale: float = 0.1
    rotation_deg: float = 10.0
    mirror: bool = False
    brightness: float = 25.0
    contrast: float = 0.2
    noise: float = 6.0

    def __call__(self, pixels: Image, rng: np.random.Generator) -> Image:
        """``(H, W, C)`` uint8 to the same shape, changed; the border repeats its last pixel."""
        import cv2

        height, width, channels = pixels.shape
        turn, grow, right, down, light, stretch, grain = rng.uniform(-1, 1, 7)
        matrix = cv2.getRotationMatrix2D(
            # The centre of pixel (0, 0) is the origin, so the picture's centre is half a pixel off.
            ((width - 1) / 2, (height - 1) / 2),
            turn * self.rotation_deg,
            1 + grow * self.scale,
        )
        matrix[:, 2] += right * self.shift * width, down * self.shift * height
        moved = cv2.warpAffine(
            pixels, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        ).reshape(height, width, channels)
        if self.mirror and rng.random() < 0.5:
            moved = moved[:, ::-1]
        changed = (moved.astype(np.float32) - 128) * np.float32(1 + stretch * self.contrast)
        changed += np.float32(128 + light * self.brightness)
        if grain > 0 and self.noise > 0:
            changed += rng.standard_normal(changed.shape, np.float32) * np.float32(
                grain * self.noise
            )
        return np.asarray(np.clip(np.rint(changed), 0, 255), np.uint8)

"""What the motion measure takes for motion: noise, light, and people who walk in.

.venv/bin/python tests/bench_motion.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from edgecnn.camera import simulation
from edgecnn.camera.motion import LEAST_CELLS, Motion, changed_cells, small
from edgecnn.camera.tour import GAINS, QUALITIES, View
from edgecnn.images import Image, decode_image

SIZE_WH = (640, 480)
FPS = 30.0
PLAIN = 120
"""Grey of a wall without a pattern."""


class Still:
    """A camera that stands still before a wall, with a sensor's noise and a webcam's JPEG.

    Args:
        portrait: somebody who may walk in, ``(H, W, 3)`` uint8.
        width: of the portrait in pixels of the frame.
        plain: the wall has one colour, not a pattern.
    """

    def __init__(
        self, portrait: Image | None = None, width: int = 160, seed: int = 0, plain: bool = False
    ):
        rng = np.random.default_rng(seed)
        h, w = SIZE_WH[1], SIZE_WH[0]
        texture = rng.integers(40, 200, (16, 16, 3), np.uint8)
        if plain:
            texture[:] = PLAIN
        import cv2

        big = cv2.resize(texture, (256, 256), interpolation=cv2.INTER_CUBIC)
        self._wall = simulation.Layer(np.asarray(big, np.uint8), np.eye(3))
        self._noise = rng.standard_normal((h + 64, w + 64, 3), np.float32)
        self._rng, self._portrait, self._width = rng, portrait, width
        view = View(0, 0)
        self._to_frame = simulation.homography(view, SIZE_WH)
        self._empty = self._wall.texture(self._to_frame, SIZE_WH)

    def frame(self, view: View, left: float | None = None) -> Image:
        """One frame; ``left`` is where the portrait's left edge stands, None for nobody."""
        scene = self._empty.copy()
        if left is not None and self._portrait is not None:
            unit = self._width / self._portrait.shape[1]
            place = np.array([[unit, 0, left - SIZE_WH[0] / 2], [0, unit, -100], [0, 0, 1]])
            simulation.Layer(self._portrait, place).paste(scene, self._to_frame)
        scene = simulation.defocus(scene, view.defocus_px)
        y, x = self._rng.integers(0, 64, 2)
        noise = self._noise[y : y + SIZE_WH[1], x : x + SIZE_WH[0]]
        packed = simulation.compress(simulation.sensor(scene, view, noise), view.quality)
        return decode_image(packed, "frame")


def head(size: int = 120, brightness: int = 150, ground: int = 90) -> Image:
    """A grey ellipse on a ground, ``(size, size, 3)`` uint8."""
    import cv2

    picture = np.full((size, size, 3), ground, np.uint8)
    middle, axes = (size // 2, size // 2), (size // 3, size * 9 // 20)
    cv2.ellipse(picture, middle, axes, 0, 0, 360, (brightness,) * 3, -1, cv2.LINE_AA)
    return picture


def still_table(frames: int = 100) -> list[str]:
    """Pictures in which nothing moves but the noise."""
    camera = Still()
    lines = [
        "| nothing moves | largest change of a cell, grey levels | frames taken for motion |",
        "| --- | ---: | ---: |",
    ]
    for gain in (GAINS[0], 0.5, 1.0, GAINS[1]):
        for quality in QUALITIES:
            view = View(0, 0, log_gain=np.log(gain), quality=quality)
            pictures = [small(camera.frame(view)) for _ in range(frames + 1)]
            pairs = list(pairwise(pictures))
            largest = max(float(np.abs(b - a).max()) for a, b in pairs)
            moved = sum(changed_cells(a, b) >= LEAST_CELLS for a, b in pairs)
            what = f"light × {gain:g}, JPEG of quality {quality:g}"
            lines.append(f"| {what} | {largest:.1f} | {moved} of {frames} |")
    return lines


LIGHTS: dict[str, Callable[[int], float]] = {
    "a lamp flickers by 10 %": lambda i: 1 + 0.1 * np.sin(2 * np.pi * 7.3 * i / FPS),
    "dusk: half the light in a minute": lambda i: 0.5 ** (i / FPS / 60),
    "exposure steps by 20 % each second": lambda i: 1.2 ** (int(i / FPS) % 2),
    "a lamp is switched on: twice the light": lambda i: 1.0 + (i >= 50),
}
"""Factor on the light by the frame's number."""


def light_table(frames: int = 100) -> list[str]:
    """The light changes, and nothing moves."""
    lines = ["| the light changes | frames taken for motion |", "| --- | ---: |"]
    for what, factor in LIGHTS.items():
        camera = Still()
        views = [View(0, 0, log_gain=np.log(factor(i))) for i in range(frames + 1)]
        pictures = [small(camera.frame(view)) for view in views]
        moved = sum(changed_cells(a, b) >= LEAST_CELLS for a, b in pairwise(pictures))
        lines.append(f"| {what} | {moved} of {frames} |")
    return lines


def walk_in(camera: Still, view: View, speed_px: float, width: int, phase: int) -> int:
    """How many frames after its first pixel a head that walks in from the left is noticed; it walks
    on until it is. The camera has rested before, and looked last ``phase`` frames ago."""
    motion = Motion(hold_s=-1.0)
    empty = [camera.frame(view) for _ in range(3)]
    motion(empty[0], 0.0)
    for step in range(phase):
        motion(empty[1 + step % 2], (step + 1) / FPS)
    for step in range(90):
        left = min((step + 1) * speed_px, SIZE_WH[0] / 2) - width
        if motion(camera.frame(view, left), (phase + 1 + step) / FPS):
            return step
    raise AssertionError("never noticed")


WALKERS = (
    ("near, a brisk walk", 160, 8.0, 150, False),
    ("far, slowly", 40, 1.0, 150, False),
    ("near, 15 grey levels from a plain wall", 160, 8.0, PLAIN + 15, True),
    ("far, 15 grey levels from a plain wall", 40, 1.0, PLAIN + 15, True),
    ("far, 5 grey levels from a plain wall", 40, 1.0, PLAIN + 5, True),
)
"""What; pixels wide; pixels a frame; brightness; before a plain wall."""


def walker_table() -> list[str]:
    """Somebody walks in."""
    lines = [
        "| light | who walks in | pixels wide | pixels a frame | seen after, ms: median, worst |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for gain in (GAINS[0], 1.0):
        view = View(0, 0, log_gain=np.log(gain), quality=QUALITIES[0])
        for what, width, speed, brightness, plain in WALKERS:
            person = head(120, brightness, PLAIN if plain else 90)
            late = []
            for phase in (0, 4, 8, 13):
                camera = Still(person, width, phase, plain)
                frames = walk_in(camera, view, speed, width, phase)
                late.append(1e3 * (frames + 1) / FPS)
            lines.append(
                f"| × {gain:g} | {what} | {width} | {speed:g} | {np.median(late):.0f}, "
                f"{max(late):.0f} |"
            )
    return lines


def look_ms(size_wh: tuple[int, int]) -> float:
    """What one look at a picture costs, median."""
    image = np.random.default_rng(0).integers(0, 255, (size_wh[1], size_wh[0], 3), np.uint8)
    before, took = small(image), []
    for _ in range(200):
        start = time.perf_counter()
        changed_cells(before, small(image))
        took.append(1e3 * (time.perf_counter() - start))
    return float(np.median(took))


def tables() -> list[str]:
    """All of them, as lines of Markdown."""
    return [
        *(*still_table(), ""),
        *(*light_table(), ""),
        *(*walker_table(), ""),
        f"A look takes {look_ms((640, 480)):.2f} ms at 640×480, {look_ms((1920, 1080)):.2f} ms at "
        "1920×1080 (median).",
    ]


if __name__ == "__main__":
    print("\n".join(tables()))

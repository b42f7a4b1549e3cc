"""What the motion measure takes for motion: noise, light, and people who walk in.

.venv/bin/python tests/bench_motion.py
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from edgecnn.camera import simulation
from edgecnn.camera.motion import LEAST_CELLS, Motion, changed_cells, small
from edgecnn.camera.tour import GAINS, QUALITIES, View
from edgecnn.images import Image, decode_image

SIZE_WH = (640, 480)
FPS = 30.0


class Still:
    """A camera that stands still before a wall, with a sensor's noise and a webcam's JPEG.

    Args:
        portrait: somebody who may walk in, ``(H, W, 3)`` uint8.
        width: of the portrait in pixels of the frame.
    """

    def __init__(self, portrait: Image | None = None, width: int = 160, seed: int = 0):
        rng = np.random.default_rng(seed)
        h, w = SIZE_WH[1], SIZE_WH[0]
        texture = rng.integers(40, 200, (16, 16, 3), np.uint8)
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


def head(size: int = 120, brightness: int = 150) -> Image:
    """An ellipse of skin on a grey ground, ``(size, size, 3)`` uint8."""
    import cv2

    picture = np.full((size, size, 3), 90, np.uint8)
    colour = (brightness * 0.7, brightness * 0.8, brightness)
    middle, axes = (size // 2, size // 2), (size // 3, size * 9 // 20)
    cv2.ellipse(picture, middle, axes, 0, 0, 360, colour, -1, cv2.LINE_AA)
    return picture


def views() -> Iterator[tuple[str, View]]:
    """Lights and JPEG qualities that the synthetic camera has."""
    for gain in (GAINS[0], 0.5, 1.0, GAINS[1]):
        for quality in QUALITIES:
            yield (
                f"light {gain:g}, JPEG {quality:g}",
                View(0, 0, log_gain=np.log(gain), quality=quality),
            )


def still_table(frames: int = 100) -> None:
    """Pictures in which nothing moves but the noise."""
    camera = Still()
    print("| nothing moves | largest change of a cell, grey levels | frames taken for motion |")
    print("| --- | ---: | ---: |")
    for name, view in views():
        pictures = [small(camera.frame(view)) for _ in range(frames + 1)]
        pairs = list(pairwise(pictures))
        largest = max(float(np.abs(b - a).max()) for a, b in pairs)
        moved = sum(changed_cells(a, b) >= LEAST_CELLS for a, b in pairs)
        print(f"| {name} | {largest:.1f} | {moved} of {frames} |")


def light(index: int, kind: str) -> float:
    """Factor on the light in frame ``index``."""
    seconds = index / FPS
    return {
        "lamp that flickers by 10 %": 1 + 0.1 * np.sin(2 * np.pi * 7.3 * seconds),
        "dusk: half the light in a minute": 0.5 ** (seconds / 60),
        "exposure that steps by 20 % each second": 1.2 ** (int(seconds) % 2),
        "lamp switched on: twice the light": 1.0 + (index >= 50),
    }[kind]


def light_table(frames: int = 100) -> None:
    """The light changes, and nothing moves."""
    print("| the light changes | frames taken for motion |")
    print("| --- | ---: |")
    for kind in (
        "lamp that flickers by 10 %",
        "dusk: half the light in a minute",
        "exposure that steps by 20 % each second",
        "lamp switched on: twice the light",
    ):
        camera = Still()
        pictures = [
            small(camera.frame(View(0, 0, log_gain=np.log(light(i, kind)))))
            for i in range(frames + 1)
        ]
        moved = sum(changed_cells(a, b) >= LEAST_CELLS for a, b in pairwise(pictures))
        print(f"| {kind} | {moved} of {frames} |")


def walk_in(
    view: View, brightness: int, speed_px: float, width: int, seed: int
) -> tuple[int, float]:
    """How many frames after its first pixel a head that walks in from the left is noticed, and how
    much of it is in the frame by then; as the loop does, held against the last look."""
    camera = Still(head(brightness=brightness), width, seed)
    motion = Motion(hold_s=0.0)
    index = 0
    for index in range(90):  # settled: it looks every half second
        motion(camera.frame(view), index / FPS)
    phase = int(seed * 5) % 15
    for step in range(phase):
        motion(camera.frame(view), (index + 1 + step) / FPS)
    begun = index + 1 + phase
    for step in range(60):
        shown = (step + 1) * speed_px
        if motion(camera.frame(view, shown - width), (begun + step) / FPS):
            return step, min(1.0, shown / width)
    raise AssertionError("never noticed")


def walker_table(seeds: int = 3) -> None:
    """Somebody walks in."""
    print(
        "| light | head | speed, px a frame | noticed after, ms, median and worst | in the frame |"
    )
    print("| --- | --- | ---: | ---: | ---: |")
    for gain in (GAINS[0], 1.0):
        view = View(0, 0, log_gain=np.log(gain), quality=QUALITIES[0])
        for brightness, says in ((200, "bright"), (100, "like the wall")):
            for width, speed in ((160, 8.0), (60, 2.0)):
                runs = [walk_in(view, brightness, speed, width, s) for s in range(seeds)]
                late = [1e3 * (frames + 1) / FPS for frames, _ in runs]
                share = max(s for _, s in runs)
                print(
                    f"| {gain:g} | {width} px, {says} | {speed:g} | {np.median(late):.0f}, "
                    f"{max(late):.0f} | {share:.0%} |"
                )


def main() -> None:
    """Print the tables."""
    still_table()
    light_table()
    walker_table()
    image = Still().frame(View(0, 0))
    before, took = small(image), []
    for _ in range(300):
        start = time.perf_counter()
        changed_cells(before, small(image))
        took.append(1e3 * (time.perf_counter() - start))
    print(f"one look takes {np.median(took):.2f} ms")


if __name__ == "__main__":
    main()

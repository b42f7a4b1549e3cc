"""A camera that never was: it moves over photos on a wall and knows what it shows.

For the demo and for tests: real photos, real geometry, and for every frame the truth about each
face. The same seed gives the same frames on every run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgecnn.camera import simulation
from edgecnn.camera.sources.source import Frame, Source
from edgecnn.camera.tour import Matrix, Place, Tour, View
from edgecnn.errors import DataError
from edgecnn.images import Floats, Image, decode_image

WHOLE_MARGIN = 0.04
"""A face counts as whole where this share of its size is left to every edge of the frame."""


@dataclass(frozen=True)
class Face:
    """A face on a photo: whose, and its left, top, right and bottom in the photo's pixels."""

    name: str
    box_xyxy: tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo on the wall.

    Attributes:
        image_bgr: ``(H, W, 3)`` uint8.
        width: its width on the wall, in wall units.
        face: the one face on it, if any.
    """

    image_bgr: Image
    width: float
    face: Face | None = None


@dataclass(frozen=True, eq=False)
class Truth:
    """A face in a frame, as it is.

    Attributes:
        name: whose.
        box_xyxy: ``(4,)`` float32 in frame pixels, reaching beyond the frame where the face does.
        whole: all of it is in the frame, with a margin.
        blur_px: standard deviation of lens and motion blur together, in frame pixels.
    """

    name: str
    box_xyxy: Floats
    whole: bool
    blur_px: float


class SyntheticCamera(Source):
    """Photos side by side on a wall, and a hand-held camera that goes from one to another.

    Args:
        photos: from left to right; they do not overlap, so no face ever hides another.
        wall_bgr: ``(H, W, 3)`` uint8, a texture one wall unit a pixel, repeated.
        frames: how many there are.
        size_wh: of a frame, in pixels.
        fps: frames a second that the camera says it gives.

    Attributes:
        frames: how many there are.

    Raises:
        DataError: no photo.
    """

    name = "synthetic"
    live = False

    def __init__(
        self,
        photos: Sequence[Photo],
        wall_bgr: Image,
        *,
        frames: int = 600,
        size_wh: tuple[int, int] = (640, 480),
        fps: float = 25.0,
        seed: int = 0,
    ):
        if not photos:
            raise DataError("expected at least one photo for the synthetic camera. Received: none")
        self.frames, self.size_wh, self.fps = frames, size_wh, fps
        self._next = 0
        rng = np.random.default_rng(seed)
        w, h = size_wh
        # One field of noise, seen through another window in each frame: normals are slow to draw.
        self._noise = rng.standard_normal((h + 64, w + 64, 3), np.float32)
        self._windows = rng.integers(0, 64, (frames, 2))
        self._streamed: dict[int, bytes] = {}
        self._wall = simulation.Layer(wall_bgr, np.eye(3))
        self._layers: list[simulation.Layer] = []
        self._outlines: list[tuple[str, Matrix]] = []
        self._tour = Tour(self._hang(photos), frames, size_wh, fps, rng)

    def read(self) -> Frame | None:
        """The next frame, or None after the last."""
        if self._next >= self.frames:
            return None
        index, self._next = self._next, self._next + 1
        return Frame(self.render(index), index / self.fps, index)

    def rewind(self) -> None:
        """Begin the tour again; its frames are not rendered a second time, for they are kept as
        JPEG, 33 kB each in the demo."""
        self._next = 0

    def close(self) -> None:
        """End the source."""
        self._next = self.frames

    def render(self, index: int) -> Image:
        """Frame ``index`` as ``(H, W, 3)`` uint8 BGR; the same at every call."""
        if index not in self._streamed:
            self._streamed[index] = self._stream(index)
        return decode_image(self._streamed[index], "frame")

    def _stream(self, index: int) -> bytes:
        """Frame ``index`` as JPEG."""
        (w, h), view = self.size_wh, self.view(index)
        to_frame = simulation.homography(view, self.size_wh)
        frame = self._wall.texture(to_frame, self.size_wh)
        for layer in self._layers:
            layer.paste(frame, to_frame)
        frame = simulation.defocus(frame, view.defocus_px)
        frame = simulation.streak(frame, self._moved(index, [[view.x, view.y]]))
        y, x = self._windows[index]
        noise = self._noise[y : y + h, x : x + w]
        return simulation.compress(simulation.sensor(frame, view, noise), view.quality)

    def truth(self, index: int) -> list[Truth]:
        """Every face of which any part is in frame ``index``."""
        (w, h), view = self.size_wh, self.view(index)
        to_frame = simulation.homography(view, self.size_wh)
        found = []
        for name, outline in self._outlines:
            seen = simulation.project(to_frame, outline)
            (left, top), (right, bottom) = seen.min(0), seen.max(0)
            if right <= 0 or bottom <= 0 or left >= w or top >= h:
                continue
            margin = WHOLE_MARGIN * max(right - left, bottom - top)
            moved = self._moved(index, outline.mean(0, keepdims=True))
            # A streak of length d spreads like a uniform distribution: d / sqrt(12).
            blur = np.hypot(view.defocus_px, np.hypot(*moved) / np.sqrt(12))
            found.append(
                Truth(
                    name=name,
                    box_xyxy=np.array([left, top, right, bottom], np.float32),
                    whole=bool(min(left, top, w - right, h - bottom) >= margin),
                    blur_px=float(blur),
                )
            )
        return found

    def view(self, index: int) -> View:
        """Where the camera is in frame ``index``, and what the light is like."""
        return self._tour(index)

    def _moved(self, index: int, point_xy: npt.ArrayLike) -> Matrix:
        """Frame pixels that a point of the wall moves while the shutter is open, ``(2,)``."""
        now, before = (
            simulation.project(
                simulation.homography(self.view(i), self.size_wh), np.asarray(point_xy)
            )[0]
            for i in (index, max(0, index - 1))
        )
        moved: Matrix = simulation.SHUTTER * (now - before)
        return moved

    def _hang(self, photos: Sequence[Photo]) -> list[Place]:
        """Put the photos in a row with gaps, their middles on one height."""
        gap, left, places = 0.12 * float(np.mean([p.width for p in photos])), 0.0, []
        for photo in photos:
            height, width = photo.image_bgr.shape[:2]
            unit = photo.width / width
            to_wall = np.array([[unit, 0, left], [0, unit, -unit * height / 2], [0, 0, 1]])
            border = round(0.02 * width)
            self._layers.append(simulation.Layer(photo.image_bgr, to_wall, border))
            outline = None
            if photo.face:
                outline = simulation.project(to_wall, _ellipse(photo.face.box_xyxy))
                self._outlines.append((photo.face.name, outline))
            places.append(Place(left + photo.width / 2, photo.width, unit * height, outline))
            left += photo.width + gap
        return places


def _ellipse(box_xyxy: tuple[float, float, float, float]) -> Matrix:
    """``(48, 2)``: the outline of the face in a box. A turned face fills the box around its
    turned ellipse, not the one around its box's turned corners, which is larger."""
    left, top, right, bottom = box_xyxy
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    return np.column_stack(
        [
            (left + right) / 2 + (right - left) / 2 * np.cos(angle),
            (top + bottom) / 2 + (bottom - top) / 2 * np.sin(angle),
        ]
    )

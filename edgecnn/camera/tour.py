"""Where a synthetic camera goes: stops drawn from a seed, and the way between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

FACE_WIDTHS_PX = (64.0, 210.0)
"""The range of face widths at which the camera comes to rest: from across a room to a desk."""

TURNS_DEG = (25.0, 15.0, 10.0)
"""Most roll, yaw and pitch of the camera, both ways."""

GAINS = (0.15, 1.7)
"""Factors on the light: a corner of a room without a lamp, to a burnt-out window seat. A picture
shown with gamma 2.2 has 0.42 and 1.27 of its brightness then."""

DEFOCUS_PX = (0.3, 1.1)
"""Standard deviation of the lens's blur: sharp, to a cheap fixed-focus lens too near."""

QUALITIES = (45.0, 90.0)
"""JPEG qualities of webcams' streams."""

SPEED_PX = 11.0
"""Frame pixels a frame that the camera pans in the mean of a move; the peak is 1.9 times that: 640
pixels, a frame's width, in 1.2 seconds at 25 frames a second."""

STAY = (18, 36)
"""Frames for which the camera stays at a stop: 0.7 to 1.4 seconds at 25 a second."""


@dataclass(frozen=True)
class View:
    """Where the camera is and what the light is like, in one moment.

    Attributes:
        x, y: the point of the wall that the frame's centre shows, in wall units.
        log_zoom: natural logarithm of frame pixels a wall unit becomes.
        roll, yaw, pitch: of the camera to the wall, in degrees; 0 looks straight at it.
        log_gain: natural logarithm of the factor on the light; 0 shows a photo as it is.
        gamma: exponent of the contrast curve; above 1 darkens the middle tones.
        warmth: -1…1 turns the light blue or yellow, by that share on red and blue.
        shadow: 0…1, how dark the shaded half of the frame is.
        shadow_x: where the shadow's edge stands, 0 left to 1 right.
        defocus_px: standard deviation of the lens's blur, in frame pixels.
        quality: of the JPEG compression that a webcam's stream goes through, 1…100.
    """

    x: float
    y: float
    log_zoom: float = 0.0
    roll: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    log_gain: float = 0.0
    gamma: float = 1.0
    warmth: float = 0.0
    shadow: float = 0.0
    shadow_x: float = 0.5
    defocus_px: float = 0.4
    quality: float = 80.0

    def array(self) -> Matrix:
        """The values in the order of the fields, ``float64``."""
        return np.array([getattr(self, f.name) for f in fields(self)])


def ease(share: float) -> float:
    """Minimum-jerk easing of 0…1 to 0…1: how a hand moves from rest to rest.

    Source: Flash and Hogan, "The coordination of arm movements", 1985, equation 3.
    """
    return share**3 * (10 - 15 * share + 6 * share**2)


def between(views: list[View], starts: list[int], moves: list[int], index: int) -> View:
    """The view of frame ``index`` on a tour.

    Args:
        views: one a stop, in order.
        starts: the frame at which the camera sets out for that stop; the first is 0, rising.
        moves: frames it takes to get there; the first is not used.
    """
    stop = int(np.searchsorted(starts, index, side="right")) - 1
    if stop == 0:
        return views[0]
    share = ease(min(1.0, (index - starts[stop]) / max(1, moves[stop])))
    return View(*((1 - share) * views[stop - 1].array() + share * views[stop].array()))


@dataclass(frozen=True)
class Place:
    """A photo's place on the wall: its middle (y is 0), its size, its face's outline, if any."""

    x: float
    width: float
    height: float
    outline: Matrix | None


class Tour:
    """Stops until the frames are full; each round has every kind of stop, in random order.

    Each face is seen alone three times a round, from different distances; neighbours with faces
    together, and once a photo without a face or the bare wall.

    Args:
        places: from left to right.
        frames: how many the tour lasts.
        size_wh: of a frame, in pixels.
        fps: frames a second.
        rng: decides the order, the distances, the turns and the light.
    """

    def __init__(
        self,
        places: Sequence[Place],
        frames: int,
        size_wh: tuple[int, int],
        fps: float,
        rng: np.random.Generator,
    ):
        self._fps = fps
        self._phases = rng.uniform(0, 2 * np.pi, 5)
        self._views: list[View] = []
        self._starts: list[int] = []
        self._moves: list[int] = []
        at, stops = 0, list[View]()
        while at < frames:
            stops = stops or _stops(places, size_wh, rng)
            self._views.append(stops.pop())
            move = _frames_between(*self._views[-2:]) if at else 0
            self._starts.append(at)
            self._moves.append(move)
            at += move + int(rng.integers(*STAY))

    def __call__(self, index: int) -> View:
        """The view of frame ``index``: the tour, and the shake of the hand on top of it."""
        view = between(self._views, self._starts, self._moves, index)
        t, zoom = index / self._fps, float(np.exp(view.log_zoom))
        # Drift below 1 Hz and a tremor of a pixel at 3 to 6 Hz, as of a camera held in the hand.
        waves = np.sin(2 * np.pi * np.array([0.31, 0.43, 0.23, 3.7, 5.3]) * t + self._phases)
        return replace(
            view,
            x=view.x + float(10 * waves[0] + 0.8 * waves[3]) / zoom,
            y=view.y + float(8 * waves[1] + 0.8 * waves[4]) / zoom,
            roll=view.roll + float(1.5 * waves[2]),
        )


def _frames_between(last: View, view: View) -> int:
    """How long a hand takes from one view to the next."""
    zoom = np.exp((last.log_zoom + view.log_zoom) / 2)
    pan_px = np.hypot(view.x - last.x, view.y - last.y) * zoom
    return int(max(20, pan_px / SPEED_PX, 20 * abs(view.log_zoom - last.log_zoom)))


def _view(rng: np.random.Generator, x: float, y: float, zoom: float, light: float) -> View:
    """A view of that spot; turns, contrast, shadow, focus and compression are drawn.

    Args:
        light: 0…1, where in the range of :data:`GAINS`.
    """
    roll, yaw, pitch = rng.uniform(-1, 1, 3) * TURNS_DEG
    half_in_shadow = rng.random() < 0.35
    return View(
        x=float(x),
        y=float(y),
        log_zoom=float(np.log(zoom)),
        roll=float(roll),
        yaw=float(yaw),
        pitch=float(pitch),
        log_gain=float(np.interp(light, (0, 1), np.log(GAINS))),
        gamma=float(rng.uniform(0.85, 1.2)),
        warmth=float(rng.uniform(-0.15, 0.15)),
        shadow=float(rng.uniform(0.4, 0.8)) if half_in_shadow else 0.0,
        shadow_x=float(rng.uniform(0.3, 0.8)),
        defocus_px=float(rng.uniform(*DEFOCUS_PX)),
        quality=float(rng.uniform(*QUALITIES)),
    )


def _stops(
    places: Sequence[Place], size_wh: tuple[int, int], rng: np.random.Generator
) -> list[View]:
    """Every kind of stop, in random order."""
    w, h = size_wh
    stops: list[View] = []
    faceless = [place for place in places if place.outline is None]
    if faceless and rng.random() < 0.5:
        place = faceless[rng.integers(len(faceless))]
        zoom = rng.uniform(0.6, 1.1) * w / place.width
        stops.append(_view(rng, place.x, 0, zoom, rng.random()))
    else:
        # Under the photos there is bare wall; 0.75 of a frame's height reaches it, turned or not.
        zoom, x = rng.uniform(1.0, 1.6), rng.choice([p.x for p in places])
        y = max(p.height for p in places) / 2 + 0.75 * h / zoom
        stops.append(_view(rng, x, y, zoom, rng.random()))
    for i, place in enumerate(places):
        if place.outline is None:
            continue
        centre, face_width = place.outline.mean(0), float(np.ptp(place.outline[:, 0]))
        # A third of the distances and a third of the light each, in any combination.
        thirds = (np.array([range(3), rng.permutation(3)]) + rng.random((2, 3))) / 3
        for near, light in thirds.T:
            zoom = np.exp(np.interp(near, (0, 1), np.log(FACE_WIDTHS_PX))) / face_width
            x, y = centre + rng.uniform(-0.28, 0.28, 2) * size_wh / zoom
            stops.append(_view(rng, x, y, zoom, light))
        following = places[i + 1].outline if i + 1 < len(places) else None
        if following is not None:
            both = np.vstack([place.outline, following])
            x, y = (both.min(0) + both.max(0)) / 2
            zoom = rng.uniform(0.55, 0.85) * w / float(np.ptp(both[:, 0]))
            stops.append(_view(rng, x, y, zoom, rng.random()))
    return [stops[i] for i in rng.permutation(len(stops))]

"""Motion: noise, light and JPEG are none; whoever comes in is, within a stated time."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest
from bench_motion import FPS, Still, head
from camera_tools import face

from edgecnn.camera.motion import HOLD_S, IDLE_S, LEAST_CELLS, Motion, changed_cells, small
from edgecnn.camera.pace import Pace
from edgecnn.camera.pipeline import Stats, run
from edgecnn.camera.sources import Frame, Source
from edgecnn.camera.tour import GAINS, View
from edgecnn.faces.look import REFRESH_S
from edgecnn.faces.track import PATIENCE_S, Tracker
from edgecnn.faces.types import Recognition
from edgecnn.images import Image


def flat(value: float) -> np.ndarray:
    return np.full((60, 80), value, np.float32)


def with_square(value: float, by: float, side: int) -> np.ndarray:
    cells = flat(value)
    cells[10 : 10 + side, 20 : 20 + side] += by
    return cells


@pytest.mark.parametrize(
    ("size_wh", "shape"),
    [
        ((640, 480), (60, 80)),
        ((1280, 960), (60, 80)),
        ((480, 640), (80, 60)),
        ((1280, 720), (60, 91)),
        ((1920, 1080), (60, 91)),
        ((8, 8), (8, 8)),
    ],
)
def test_a_picture_of_any_size_becomes_about_4800_cells(
    size_wh: tuple[int, int], shape: tuple[int, int]
) -> None:
    assert small(np.zeros((size_wh[1], size_wh[0], 3), np.uint8)).shape == shape


@pytest.mark.parametrize(
    ("before", "now", "cells"),
    [
        (flat(100), flat(100), 0),
        (flat(100), flat(150), 0),  # a lamp: the same everywhere, in proportion
        (flat(100), with_square(100, 5, 3), 0),  # below the floor
        (flat(100), with_square(100, 20, 3), 9),
        (flat(100), with_square(100, -20, 2), 4),
        (flat(0), flat(0), 0),
        (flat(0), flat(255), 0),
    ],
)
def test_cells_that_changed(before: np.ndarray, now: np.ndarray, cells: int) -> None:
    assert changed_cells(before, now) == cells


def test_noise_that_the_picture_itself_shows_is_no_motion() -> None:
    rng = np.random.default_rng(0)
    before, now = (flat(100) + rng.normal(0, 3, (60, 80)).astype(np.float32) for _ in range(2))
    assert np.abs(now - before).max() > 12, "far above the floor"
    assert changed_cells(before, now) < LEAST_CELLS
    assert changed_cells(before, now + with_square(0, 60, 4)) >= 12


def test_a_camera_that_is_moved_has_every_cell_changed() -> None:
    rng = np.random.default_rng(0)
    wall = rng.uniform(40, 200, (60, 80)).astype(np.float32)
    assert changed_cells(wall, np.roll(wall, 3, 1)) == wall.size


@pytest.mark.parametrize("gain", [GAINS[0], 1.0, GAINS[1]])
def test_a_sensors_noise_in_any_light_is_no_motion(gain: float) -> None:
    camera = Still()
    pictures = [
        small(camera.frame(View(0, 0, log_gain=np.log(gain), quality=45))) for _ in range(8)
    ]
    moved = [changed_cells(pictures[0], later) >= LEAST_CELLS for later in pictures[1:]]
    assert moved == [False] * 7


def test_rests_after_the_last_motion_and_looks_twice_a_second() -> None:
    motion = Motion()
    still = np.full((480, 640, 3), 100, np.uint8)
    moved = still.copy()
    moved[100:200, 100:200] = 200
    times = np.arange(0, 10, 0.1)
    looked = [t for t in times if motion(moved if 4 <= t < 4.1 else still, float(t))]
    first = [t for t in looked if t <= HOLD_S]
    assert len(first) == 21, "every frame while it holds"
    resting = [t for t in looked if HOLD_S < t < 4]
    assert np.diff(resting).min() >= IDLE_S - 1e-6 and len(resting) == 3
    # Frame 4.0 has the square and 4.1 has lost it: it moves until then.
    assert {4.0, 4.1} <= {round(t, 1) for t in looked}
    assert len([t for t in looked if 4 <= t <= 4.1 + HOLD_S]) >= 21


def test_a_camera_that_changes_its_size_is_looked_at() -> None:
    motion = Motion(hold_s=0)
    assert motion(np.zeros((480, 640, 3), np.uint8), 0.0)
    assert not motion(np.zeros((480, 640, 3), np.uint8), 0.1)
    assert motion(np.zeros((720, 1280, 3), np.uint8), 0.2)


def test_a_rest_is_shorter_than_a_track_lives_and_no_longer_than_a_name() -> None:
    assert IDLE_S <= REFRESH_S < PATIENCE_S
    tracker, box = Tracker(), np.array([10, 10, 60, 70], np.float32)
    numbers = {tracker.update([box], i * (IDLE_S + 1 / 30))[0].number for i in range(8)}
    assert numbers == {1}


class Doorway(Source):
    """A still doorway with noise; at ``enters`` a head walks in. Paced by its own clock."""

    name, live, fps = "doorway", True, FPS

    def __init__(self, frames: int, enters: int):
        camera, view = Still(head(), 160), View(0, 0, quality=60)
        self.frames = [
            camera.frame(view, None if i < enters else 8.0 * (i - enters + 1) - 160)
            for i in range(frames)
        ]
        self.index = 0

    def read(self) -> Frame | None:
        if self.index == len(self.frames):
            return None
        frame = Frame(self.frames[self.index], self.index / FPS, self.index)
        self.index += 1
        return frame

    def close(self) -> None:
        """Nothing to let go of."""


def test_in_the_loop_an_empty_doorway_costs_two_frames_a_second_and_a_visitor_is_seen_at_once() -> (
    None
):
    enters, hold_s = 60, 0.5
    recognised: list[int] = []

    def recogniser(image_bgr: Image, time_s: float) -> Sequence[Recognition]:
        recognised.append(round(time_s * FPS))
        return [face("Ann")]

    stats = run(Doorway(75, enters), recogniser, pace=Pace(Motion(hold_s)), stats=Stats())
    resting = [i for i in recognised if hold_s * FPS < i < enters]
    assert len(resting) <= (enters / FPS - hold_s) / IDLE_S + 1
    after = [i for i in recognised if i >= enters]
    assert after[0] <= enters + 2, "within 100 ms of the first pixel"
    assert after == [*range(after[0], 75)], "and from then on every frame"
    assert stats.frames == len(recognised) and stats.pace.still == 75 - len(recognised)


def test_a_look_costs_little() -> None:
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    motion = Motion()
    shortest = 1.0
    for i in range(50):
        start = time.perf_counter()
        motion(image, i / 30)
        shortest = min(shortest, time.perf_counter() - start)
    assert shortest < 0.005

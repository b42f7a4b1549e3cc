"""The governor: what the kernel's files say, and a board that would get too hot without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from camera_tools import picture

from edgecnn.camera.governor import CALM_S, CHECK_S, SLOWEST_FPS, Governor, is_calm, reason
from edgecnn.camera.pace import Pace
from edgecnn.camera.sources import Frame
from edgecnn.camera.vitals import Board, Vitals


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


ZONE = "sys/class/thermal/thermal_zone0"
CPU = "sys/devices/system/cpu"
PSI = "some avg10={} avg60=1.00 avg300=0.50 total=12345\nfull avg10=0.00 avg60=0.00 avg300=0.00"

BOARDS: dict[str, tuple[dict[str, str], Vitals]] = {
    "nothing told": ({}, Vitals()),
    "Raspberry Pi: only where it switches itself off": (
        {
            f"{ZONE}/temp": "61322",
            f"{ZONE}/type": "cpu-thermal",
            f"{ZONE}/trip_point_0_type": "critical",
            f"{ZONE}/trip_point_0_temp": "110000",
            "proc/loadavg": "1.50 1.20 0.90 3/190 4711",
            **{f"{CPU}/cpu{i}/cpufreq/scaling_max_freq": "1500000" for i in range(4)},
        },
        Vitals(61.322, 80.0, load=0.375),
    ),
    "Coral Dev Board: a passive trip point": (
        {
            f"{ZONE}/temp": "70000",
            f"{ZONE}/trip_point_0_type": "passive",
            f"{ZONE}/trip_point_0_temp": "80000",
            f"{ZONE}/trip_point_1_type": "passive",
            f"{ZONE}/trip_point_1_temp": "85000",
            f"{ZONE}/trip_point_2_type": "critical",
            f"{ZONE}/trip_point_2_temp": "90000",
            "proc/pressure/cpu": PSI.format("12.50"),
            "proc/loadavg": "9.0 9.0 9.0 3/190 4711",
        },
        Vitals(70.0, 80.0, pressure=0.125),
    ),
    "a fan's trip points are no limit, a low critical one is": (
        {
            f"{ZONE}/temp": "50000",
            f"{ZONE}/trip_point_0_type": "active",
            f"{ZONE}/trip_point_0_temp": "50000",
            f"{ZONE}/trip_point_1_type": "critical",
            f"{ZONE}/trip_point_1_temp": "85000",
        },
        Vitals(50.0, 75.0),
    ),
    "of two zones the one nearest to its limit": (
        {
            f"{ZONE}/temp": "60000",
            f"{ZONE}/trip_point_0_type": "passive",
            f"{ZONE}/trip_point_0_temp": "95000",
            "sys/class/thermal/thermal_zone1/temp": "58000",
            "sys/class/thermal/thermal_zone1/trip_point_0_type": "passive",
            "sys/class/thermal/thermal_zone1/trip_point_0_temp": "70000",
        },
        Vitals(58.0, 70.0),
    ),
    "sensors that say nonsense": (
        {
            f"{ZONE}/temp": "-274000",
            "sys/class/thermal/thermal_zone1/temp": "none",
            "sys/class/thermal/thermal_zone2/temp": "0",
            "proc/pressure/cpu": "off",
            "proc/loadavg": "",
        },
        Vitals(),
    ),
    "a Pi whose firmware caps the clock": (
        {
            f"{ZONE}/temp": "82000",
            "sys/devices/platform/soc/soc:firmware/get_throttled": "e0008",
        },
        Vitals(82.0, 80.0, throttled=True),
    ),
    "a Pi that was throttled some time ago": (
        {"sys/devices/platform/soc/soc:firmware/get_throttled": "e0000"},
        Vitals(),
    ),
}


@pytest.mark.parametrize(("files", "expected"), BOARDS.values(), ids=BOARDS)
def test_what_a_board_says(files: dict[str, str], expected: Vitals, tmp_path: Path) -> None:
    write(tmp_path, files)
    assert Board(tmp_path).look() == expected


def test_a_clock_that_the_kernel_lowered_is_throttling(tmp_path: Path) -> None:
    path = f"{CPU}/cpu0/cpufreq/scaling_max_freq"
    write(tmp_path, {path: "1500000"})
    board = Board(tmp_path)
    assert not board.look().throttled
    write(tmp_path, {path: "1000000"})
    assert board.look().throttled
    write(tmp_path, {path: "1500000"})
    assert not board.look().throttled


def test_this_machine_can_be_looked_at() -> None:
    vitals = Board().look()
    assert vitals.pressure is not None or vitals.load is not None


@pytest.mark.parametrize(
    ("vitals", "says", "calm"),
    [
        (Vitals(), "", True),
        (Vitals(74.9), "", False),
        (Vitals(75.0), "the board has 75 °C and slows itself down at 80 °C", False),
        (Vitals(70.0), "", True),
        (Vitals(70.1), "", False),
        (Vitals(66.0, 70.0), "the board has 66 °C and slows itself down at 70 °C", False),
        (Vitals(60.0, throttled=True), "the board slows itself down (60 °C)", False),
        (Vitals(throttled=True), "the board slows itself down", False),
        (Vitals(pressure=0.8), "programs waited for a processor 80% of the time", False),
        (Vitals(pressure=0.79), "", False),
        (Vitals(pressure=0.4), "", True),
        (Vitals(load=2.0), "2.0 programs want each processor", False),
        (Vitals(load=1.25), "", True),
    ],
)
def test_why_the_rate_is_lowered_and_when_it_may_be_raised(
    vitals: Vitals, says: str, calm: bool
) -> None:
    assert (reason(vitals), is_calm(vitals)) == (says, calm)


@dataclass
class Simulated:
    """A board of a heat capacity and a resistance, that recognises at a rate.

    At rest it goes to 45 °C, at ``fps`` frames a second to ``45 + heat * fps``, with a time
    constant of 60 s: at 20 frames a second to 105 °C. Its files are those of a real one.
    """

    root: Path
    heat: float = 3.0
    fps: float = 20.0
    now_s: float = 0.0
    degrees: float = 45.0
    log: list[tuple[float, float, float]] = field(default_factory=list)

    def write(self) -> None:
        write(
            self.root,
            {
                f"{ZONE}/temp": str(round(self.degrees * 1e3)),
                f"{ZONE}/trip_point_0_type": "passive",
                f"{ZONE}/trip_point_0_temp": "80000",
            },
        )

    def run(self, seconds: float, governor: Governor | None) -> None:
        end = self.now_s + seconds
        while self.now_s < end:
            limit = governor.limit_fps if governor else None
            fps = min(self.fps, limit or self.fps)
            step = 1 / fps
            self.now_s += step
            self.degrees += (45 + self.heat * fps - self.degrees) * step / 60
            self.log.append((self.now_s, fps, self.degrees))
            if governor:
                governor.recognised()


def governed(board: Simulated, said: list[str]) -> Governor:
    kernel = Board(board.root)

    def look() -> Vitals:
        board.write()
        return kernel.look()

    return Governor(look, said.append, lambda: board.now_s)


def test_the_board_would_get_too_hot_without_it(tmp_path: Path) -> None:
    board = Simulated(tmp_path)
    board.run(600, None)
    assert max(degrees for _, _, degrees in board.log) > 100


def test_the_board_never_reaches_where_it_slows_itself_down(tmp_path: Path) -> None:
    board, said = Simulated(tmp_path), []
    governor = governed(board, said)
    board.run(1800, governor)
    assert max(degrees for _, _, degrees in board.log) < 80
    # 10 frames a second hold it at the 75 °C from which the rate is lowered: it stays near that.
    late = [fps for now, fps, _ in board.log if now > 900]
    assert 6 <= sum(late) / len(late) <= 11
    assert governor.lowered >= 2 and governor.lowest_fps == min(fps for _, fps, _ in board.log)
    assert said[0].startswith("the board has 75 °C and slows itself down at 80 °C: at most 15")
    limits = [fps for now, fps, _ in board.log if now > 900]
    changes = sum(a != b for a, b in pairwise(limits))
    assert changes <= 900 / CALM_S, "it settles, and does not swing"


def test_the_rate_comes_back_when_the_sun_is_gone(tmp_path: Path) -> None:
    board, said = Simulated(tmp_path), []
    governor = governed(board, said)
    board.run(600, governor)
    assert governor.limit_fps is not None
    board.heat = 0.5
    board.run(900, governor)
    assert governor.limit_fps is None
    assert said[-1] == "the board is at ease again: every frame counts"


def steady(
    look: Callable[[], Vitals],
) -> tuple[Governor, list[str], Callable[[float, float], None]]:
    said: list[str] = []
    clock = [0.0]
    governor = Governor(look, said.append, lambda: clock[0])

    def go(seconds: float, fps: float) -> None:
        for _ in range(round(seconds * fps)):
            clock[0] += 1 / fps
            governor.recognised()

    return governor, said, go


def test_it_looks_once_in_two_seconds_and_lowers_once_in_ten() -> None:
    looks: list[int] = []
    governor, said, go = steady(lambda: looks.append(1) or Vitals(pressure=0.9))
    go(9.9, 20)
    assert len(looks) == int(9.9 / CHECK_S) and said == [], "a start is a load of its own"
    go(2, 20)
    assert len(said) == 1 and governor.limit_fps == pytest.approx(15, rel=0.05)
    go(7, 15)
    assert len(said) == 1
    go(5, 15)
    assert len(said) == 2 and governor.limit_fps == pytest.approx(11.25, rel=0.05)


def test_it_never_goes_below_the_slowest_rate() -> None:
    governor, said, go = steady(lambda: Vitals(throttled=True))
    for _ in range(40):
        go(10, governor.limit_fps or 4.0)
    assert governor.limit_fps == SLOWEST_FPS
    assert len(said) == governor.lowered <= 6, "and says nothing more then"


def test_between_calm_and_busy_nothing_changes() -> None:
    now = [Vitals(pressure=0.9)]
    governor, said, go = steady(lambda: now[0])
    go(14, 20)
    now[0] = Vitals(pressure=0.6)
    go(300, 15)
    assert len(said) == 1 and governor.limit_fps is not None


@pytest.mark.parametrize("limit_fps", [20.0, 10.0, 7.0, 1.0])
def test_the_pace_keeps_a_limit_on_the_average(limit_fps: float) -> None:
    governor = Governor(Vitals)
    governor.limit_fps = limit_fps
    pace = Pace(None, governor)
    frames = [Frame(picture(0), i / 30, i) for i in range(900)]  # half a minute
    done = sum(pace.wants(frame) for frame in frames)
    assert done == pytest.approx(30 * limit_fps, abs=2)
    assert pace.rested == 900 - done


def test_without_a_limit_every_frame_counts() -> None:
    pace = Pace(None, Governor(Vitals))
    assert all(pace.wants(Frame(picture(0), i / 30, i)) for i in range(100))

"""How a camera is asked to take pictures, and what it makes of that."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

RATE_TOLERANCE = 0.05
"""Cameras state 29.97 for 30, and a sensor's frame takes a whole number of lines."""


@dataclass(frozen=True)
class Mode:
    """What is asked of a camera, or what it gives; None where nobody says.

    Attributes:
        fourcc: four letters of the pixel format, such as ``MJPG``.
        size_wh: of a frame, in pixels.
        fps: frames a second.
    """

    fourcc: str | None = None
    size_wh: tuple[int, int] | None = None
    fps: float | None = None

    def asked(self) -> dict[str, Any]:
        """What is not left open, by name."""
        pairs = ((f.name, getattr(self, f.name)) for f in fields(self))
        return {name: value for name, value in pairs if value is not None}

    def __str__(self) -> str:
        """
        >>> str(Mode("MJPG", (1280, 720), 30.0))
        'MJPG, 1280×720, 30 frames a second'
        """
        size = self.size_wh and f"{self.size_wh[0]}×{self.size_wh[1]}"
        rate = self.fps and f"{self.fps:g} frames a second"
        return ", ".join(part for part in (self.fourcc, size, rate) if part)


def remark(name: str, asked: Mode, given: Mode) -> str:
    """One line where a camera does otherwise than it was asked, or ``""``.

    >>> remark("/dev/video0", Mode(size_wh=(1280, 720)), Mode("YUYV", (640, 480), 30.0))
    '/dev/video0 was asked for 1280×720 and gives 640×480'
    """
    given_by_name, differ = given.asked(), {}
    for key, wanted in asked.asked().items():
        value = given_by_name.get(key, wanted)
        same = value == wanted
        if key == "fps":
            same = abs(value - wanted) <= RATE_TOLERANCE * wanted
        if not same:
            differ[key] = (wanted, value)
    if not differ:
        return ""
    wanted, came = (Mode(**{key: pair[i] for key, pair in differ.items()}) for i in (0, 1))
    return f"{name} was asked for {wanted} and gives {came}"

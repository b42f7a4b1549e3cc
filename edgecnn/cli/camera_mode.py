"""``--fourcc``, ``--size`` and ``--fps``: what ``edgecnn camera`` asks of a camera."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from edgecnn.cli.options import gathered

if TYPE_CHECKING:
    from edgecnn.camera.sources import Mode


class Size(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.4 on
    """Width and height in pixels: ``1280x720``."""

    name = "size"

    def convert(
        self, value: str | tuple[int, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Both numbers."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"([1-9]\d{1,4})[x×]([1-9]\d{1,4})", value.strip().lower())
        if not match:
            self.fail(f"expected a size such as 1280x720. Received: {value}", param, ctx)
        return int(match[1]), int(match[2])

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """For the help."""
        return "WxH"


class Fourcc(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.4 on
    """Four letters or digits that name a pixel format: ``MJPG``."""

    name = "fourcc"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """In capitals, as V4L2 has them."""
        if not re.fullmatch(r"[A-Za-z0-9]{4}", value):
            self.fail(f"expected four letters such as MJPG. Received: {value}", param, ctx)
        return value.upper()

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """For the help."""
        return "CODE"


def _mode(fourcc: str | None, size: tuple[int, int] | None, fps: float | None) -> Mode:
    from edgecnn.camera.sources.mode import Mode

    return Mode(fourcc, size, fps)


mode_options = gathered(
    "mode",
    {
        "fourcc": click.option(
            "--fourcc", type=Fourcc(), help="Format of a USB camera.  [YUYV, or MJPG if faster]"
        ),
        "size": click.option("--size", type=Size(), help="Size of a camera's frames.  [640x480]"),
        "fps": click.option(
            "--fps", type=click.FloatRange(0.1, 1000), help="A camera's rate.  [30]"
        ),
    },
    _mode,
)
"""The three options, handed on as one argument ``mode``."""

"""Which frames of a live source are recognised: those in which something moves, as many as the
board can bear."""

from __future__ import annotations

import math

from edgecnn.camera.governor import Governor
from edgecnn.camera.motion import Motion
from edgecnn.camera.sources.source import Frame


class Pace:
    """Passes frames over.

    Args:
        motion: None recognises still pictures, too.
        governor: None for no limit.

    Attributes:
        still: frames passed over since nothing moved.
        rested: frames passed over to spare the board.
    """

    def __init__(self, motion: Motion | None = None, governor: Governor | None = None):
        self.still = self.rested = 0
        self.governor = governor
        self._motion, self._due_s = motion, -math.inf

    def wants(self, frame: Frame) -> bool:
        """Whether to recognise a frame; asked once for each."""
        limit_fps = self.governor.limit_fps if self.governor else None
        if limit_fps is not None and frame.time_s < self._due_s:
            self.rested += 1
            return False
        if self._motion is not None and not self._motion(frame.image_bgr, frame.time_s):
            self.still += 1
            return False
        if limit_fps is not None:
            # From when it was due, since a camera's frames do not come just then.
            step_s = 1 / limit_fps
            self._due_s = max(self._due_s + step_s, frame.time_s)
        return True

    def recognised(self) -> None:
        """A frame was recognised."""
        if self.governor is not None:
            self.governor.recognised()

"""A stand-in for picamera2, by its manual: what is called out of order, or kept, fails.

https://datasheets.raspberrypi.com/camera/picamera2-manual.pdf
"""

from __future__ import annotations

import time
from concurrent.futures import Future
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from edgecnn.images import Image

BUFFERS = 6


class FakeRequest:
    """A completed request (chapter 6.3): one of few buffers, to be released once."""

    def __init__(self, camera: FakePicamera2, number: int):
        self._camera, self._number, self._released = camera, number, False

    def make_array(self, name: str) -> Image:
        assert not self._released and name == "main"
        w, h = FakePicamera2.gives_wh or self._camera.config["main"]["size"]
        picture = np.full((h, w, FakePicamera2.channels), self._number * 20 % 256, np.uint8)
        picture[..., 0] = 255  # blue, where RGB888 is BGR in memory
        return picture

    def get_metadata(self) -> dict[str, Any]:
        assert not self._released
        limits = self._camera.config["controls"]["FrameDurationLimits"]
        return {"FrameDuration": FakePicamera2.gives_us or limits[0], "SensorTimestamp": 1}

    def release(self) -> None:
        assert not self._released, "released twice"
        self._released = True
        self._camera.buffers += 1


class FakeJob:
    """What a capture with ``wait=False`` gives (chapter 6.5)."""

    def __init__(self, camera: FakePicamera2):
        self._camera = camera

    def get_result(self, timeout: float | None = None) -> FakeRequest:
        assert timeout is not None, "a camera that hangs would hang us"
        if FakePicamera2.hangs:
            self._camera.waiting = True
            Future[FakeRequest]().result(timeout=min(timeout, 0.01))
        time.sleep(0.005)
        assert self._camera.buffers > 0, "all buffers are held"
        self._camera.buffers -= 1
        self._camera.taken += 1
        return FakeRequest(self._camera, self._camera.taken - 1)


class FakePicamera2:
    """``Picamera2`` as far as a source needs it; class attributes say what the next one does."""

    models: ClassVar[list[str]] = ["imx708"]
    busy = False
    hangs = False
    starts = True
    gives_wh: ClassVar[tuple[int, int] | None] = None
    gives_us: ClassVar[int | None] = None
    channels = 3
    open: ClassVar[set[int]] = set()

    def __init__(self, camera_num: int = 0):
        self.waiting = False
        if self.busy:
            try:
                raise RuntimeError("Failed to acquire camera: Device or resource busy")
            except RuntimeError:
                raise RuntimeError("Camera __init__ sequence did not complete.")  # noqa: B904
        assert camera_num not in self.open, "opened twice"
        self.number, self.config = camera_num, {}
        self.started, self.buffers, self.taken = False, BUFFERS, 0
        self.open.add(camera_num)

    config: dict[str, Any]

    @staticmethod
    def global_camera_info() -> list[dict[str, Any]]:
        return [{"Model": m, "Num": i, "Id": f"/base/{m}"} for i, m in enumerate(FAKE.models)]

    def create_video_configuration(
        self, main: dict[str, Any], controls: dict[str, Any]
    ) -> dict[str, Any]:
        assert main["format"] == "RGB888"
        return {"main": main, "controls": controls}

    def configure(self, config: dict[str, Any]) -> None:
        assert not self.started
        self.config = config

    def start(self) -> None:
        assert self.config
        if not self.starts:
            raise RuntimeError("Failed to start camera: No space left")
        self.started = True

    def capture_request(self, wait: bool = True) -> FakeJob:
        assert self.started and not wait
        return FakeJob(self)

    def cancel_all_and_flush(self) -> None:
        self.waiting = False

    def close(self) -> None:
        assert not self.waiting, "stopping it would wait for ever behind a capture"
        self.started = False
        self.open.discard(self.number)


FAKE = FakePicamera2


def fake_module() -> ModuleType:
    """``picamera2``, with one camera of a fresh class."""
    module = ModuleType("picamera2")
    for name, value in {
        "models": ["imx708"],
        "busy": False,
        "hangs": False,
        "starts": True,
        "gives_wh": None,
        "gives_us": None,
        "channels": 3,
        "open": set(),
    }.items():
        setattr(FakePicamera2, name, value)
    module.Picamera2 = FakePicamera2  # type: ignore[attr-defined]
    return module

"""Moving faces before the virtual board's camera: ``feed.py SCENE``, run on the board as root.

What is written to /dev/video1, an output of the driver vivid, is seen by its camera /dev/video0
(https://docs.kernel.org/admin-guide/media/vivid.html). SCENE is a picture larger than a frame, over
which the camera sways; another one put in its place is seen from the next frame on. Structures and
numbers are those of linux/videodev2.h on 64-bit machines. Standard library alone.
"""

from __future__ import annotations

import fcntl
import math
import mmap
import os
import struct
import sys
import time

CAMERA, SCREEN = "/dev/video0", "/dev/video1"
WIDTH, HEIGHT, FPS = 640, 480, 10
YUYV = int.from_bytes(b"YUYV", "little")
ROW, FRAME = 2 * WIDTH, 2 * WIDTH * HEIGHT

OUTPUT, MAPPED = 2, 1  # V4L2_BUF_TYPE_VIDEO_OUTPUT, V4L2_MEMORY_MMAP
NO_FIELD, SRGB = 1, 8
QUERYCTRL, S_CTRL = 0xC0445624, 0xC008561C
S_FMT, REQBUFS, QUERYBUF = 0xC0D05605, 0xC0145608, 0xC0585609
QBUF, DQBUF, STREAMON = 0xC058560F, 0xC0585611, 0x40045612
NEXT_CONTROL = 0x80000000
CONTROLS = {"Loop Video": 1, "OSD Text Mode": 2}
"""The camera sees the screen, and no text over it."""


def ask(device: int, request: int, answer: bytearray) -> bytearray:
    fcntl.ioctl(device, request, answer)
    return answer


def set_controls(path: str) -> None:
    """Set those of :data:`CONTROLS` that a device has."""
    device = os.open(path, os.O_RDWR)
    number = 0
    while True:
        try:
            found = ask(device, QUERYCTRL, padded(68, "<I", number | NEXT_CONTROL))
        except OSError:
            break  # there was none behind that one
        (number,) = struct.unpack_from("<I", found)
        name = bytes(found[8:40]).split(b"\0")[0].decode()
        if name in CONTROLS:
            ask(device, S_CTRL, bytearray(struct.pack("<Ii", number, CONTROLS[name])))
    os.close(device)


def padded(size: int, form: str, *values: int) -> bytearray:
    return bytearray(struct.pack(form, *values).ljust(size, b"\0"))


def buffer(index: int, used: int = 0) -> bytearray:
    """A struct v4l2_buffer."""
    head = struct.pack("<5I", index, OUTPUT, used, 0, NO_FIELD).ljust(60, b"\0")
    return bytearray((head + struct.pack("<I", MAPPED)).ljust(88, b"\0"))


def open_screen() -> tuple[int, list[mmap.mmap]]:
    """The output, and the memory of its three frames."""
    screen = os.open(SCREEN, os.O_RDWR)
    form = (OUTPUT, 0, WIDTH, HEIGHT, YUYV, NO_FIELD, ROW, FRAME, SRGB)
    ask(screen, S_FMT, padded(208, "<II7I", *form))
    ask(screen, REQBUFS, padded(20, "<3I", 3, OUTPUT, MAPPED))
    frames = []
    for index in range(3):
        told = ask(screen, QUERYBUF, buffer(index))
        (offset,), (length,) = (
            struct.unpack_from("<I", told, 64),
            struct.unpack_from("<I", told, 72),
        )
        frames.append(mmap.mmap(screen, length, offset=offset))
    return screen, frames


class Scene:
    """The picture, read again where it is another one."""

    def __init__(self, path: str):
        self.path, self.read_from = path, (0, 0)
        self.look()

    def look(self) -> None:
        now = os.stat(self.path)
        if (now.st_ino, now.st_mtime_ns) == self.read_from:
            return
        self.read_from = now.st_ino, now.st_mtime_ns
        with open(self.path, "rb") as f:
            self.width, self.height = struct.unpack("<II", f.read(8))
            self.pixels = memoryview(f.read())

    def frame(self, seconds: float) -> bytes:
        """What the swaying camera sees; two pixels share their colour, so by pairs of these."""
        across, down = (self.width - WIDTH) // 2, (self.height - HEIGHT) // 2
        x = 2 * round(across / 2 * (1 + math.sin(1.3 * seconds)))
        y = round(down * (1 + math.sin(0.9 * seconds)))
        stride = 2 * self.width
        starts = range(y * stride + 2 * x, (y + HEIGHT) * stride, stride)
        return b"".join([self.pixels[at : at + ROW] for at in starts])


def main(path: str) -> None:
    for device in (CAMERA, SCREEN):
        set_controls(device)
    scene, (screen, frames) = Scene(path), open_screen()
    begun, shown = time.monotonic(), 0
    while True:
        index = shown
        if shown >= len(frames):
            (index,) = struct.unpack_from("<I", ask(screen, DQBUF, buffer(0)))
        scene.look()
        frames[index][:FRAME] = scene.frame(shown / FPS)
        ask(screen, QBUF, buffer(index, FRAME))
        shown += 1
        if shown == 1:
            ask(screen, STREAMON, bytearray(struct.pack("<i", OUTPUT)))
        time.sleep(max(0.0, begun + shown / FPS - time.monotonic()))


if __name__ == "__main__":
    main(sys.argv[1])

"""What a frame costs on a tape: ``python tests/bench_tape.py``; no test.

640×480 frames of the demo's synthetic camera, once as a webcam streams them (JPEG) and once as the
sensor gives them, noise and all. Each codec is lossless, which is checked on every frame, and they
take turns with a recognition, so that a busy machine treats all alike. One thread each.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import cycle
from unittest import mock

import cv2
import numpy as np

from edgecnn.bundle import ASSETS, Bundle
from edgecnn.camera import pipeline, simulation
from edgecnn.cli.demo_faces import camera, load_portraits
from edgecnn.images import Image, decode_image
from edgecnn.runtime.timing import interleave

FRAMES, EVERY, ROUNDS = 600, 20, 30

LEVEL, STRATEGY = cv2.IMWRITE_PNG_COMPRESSION, cv2.IMWRITE_PNG_STRATEGY
CODECS: dict[str, tuple[str, list[int]]] = {
    "PNG, OpenCV's default": (".png", []),
    "PNG, level 0": (".png", [LEVEL, 0]),
    "PNG, level 1, any strategy": (".png", [LEVEL, 1, STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT]),
    "PNG, level 6": (".png", [LEVEL, 6]),
    "TIFF, LZW": (".tiff", [cv2.IMWRITE_TIFF_COMPRESSION, cv2.IMWRITE_TIFF_COMPRESSION_LZW]),
    "WebP, lossless": (".webp", [cv2.IMWRITE_WEBP_QUALITY, 101]),
}


def lossless(frame: Image, quality: float) -> bytes:
    """In the place of the synthetic camera's JPEG."""
    return cv2.imencode(".png", frame)[1].tobytes()


def frames() -> list[Image]:
    """Every :data:`EVERY`-th frame of the demo's tour."""
    source = camera(load_portraits(), FRAMES, seed=0)
    return [source.render(i) for i in range(0, FRAMES, EVERY)]


def main() -> None:
    cv2.setNumThreads(1)
    recognise = pipeline.load(Bundle(ASSETS), None, threads=1)
    streamed = frames()
    with mock.patch.object(simulation, "compress", lossless):
        raw = frames()
    time_s = iter(np.arange(1e6) / 25)
    for kind, pictures in {"a webcam's JPEG": streamed, "the sensor's own": raw}.items():
        print(f"{kind}: {len(pictures)} frames of {pictures[0].nbytes:,} bytes")
        calls: dict[str, Callable[[], object]] = {}
        sizes: dict[str, float] = {}
        for name, (suffix, settings) in CODECS.items():
            packed = [cv2.imencode(suffix, p, settings)[1].tobytes() for p in pictures]
            for data, picture in zip(packed, pictures, strict=True):
                assert np.array_equal(decode_image(data, name), picture), f"{name} loses something"
            sizes[name] = float(np.mean([len(data) for data in packed]))
            turns = cycle(pictures)
            calls[name] = partial(
                lambda t, s, o: cv2.imencode(s, next(t), o), turns, suffix, settings
            )
        turns = cycle(pictures)
        calls["a recognition"] = partial(lambda t: recognise(next(t), float(next(time_s))), turns)
        for name, took in interleave(calls, ROUNDS).items():
            size = f"{sizes[name] / 1e3:6.0f} kB" if name in sizes else ""
            print(f"  {name:28}{took['p50_ms']:7.1f} ms {size}")


if __name__ == "__main__":
    main()

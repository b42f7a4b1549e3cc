"""What a board asks of a new release, in that release's own environment.

``python -m devices.selftest bundle BUNDLE [--source S]`` computes the golden answers and takes a
frame; ``python -m devices.selftest gallery BUNDLE FILE [--key-file K]`` makes an empty gallery, so
that there is one to enrol into. One JSON object a line; a fault is ``{"error": ...}`` and exit code
2.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

FRAME_S = 15.0
"""What a camera gets for its first frame; OpenCV waits 10 s for one."""


def bundle(path: Path, source: str | None) -> Iterator[dict[str, Any]]:
    """The bundle computes here what it computed on the workstation, and its camera gives a frame.

    Raises:
        EdgeCNNError: either does not.
    """
    from edgecnn.bundle import Bundle

    yield {"self_test": Bundle(path).self_test()}
    if source is not None:
        yield {"frame": frame(source)}


def frame(source: str) -> list[int]:
    """Width and height of a source's first frame.

    Raises:
        CameraError: none comes.
    """
    import threading

    from edgecnn.camera.sources import masked, open_source
    from edgecnn.errors import CameraError

    stop = threading.Event()
    timer = threading.Timer(FRAME_S, stop.set)
    timer.daemon = True
    timer.start()
    begun = time.monotonic()
    with closing(open_source(source, stop)) as opened:
        found = opened.read()
    timer.cancel()
    if found is None:
        raise CameraError(
            f"expected a frame from {masked(source)}. None came in {time.monotonic() - begun:.0f} "
            "s: check the cable, and --source"
        )
    height, width = found.image_bgr.shape[:2]
    return [int(width), int(height)]


def gallery(path: Path, file: Path, key_file: Path | None) -> Iterator[dict[str, Any]]:
    """An empty gallery for the people whom a bundle's embedder knows; none for other tasks.

    Args:
        key_file: what it is encrypted with, where the camera is told to use one.

    Raises:
        EdgeCNNError: it cannot be made.
    """
    from edgecnn.bundle import Bundle
    from edgecnn.faces.embed import fingerprint
    from edgecnn.faces.gallery import Gallery
    from edgecnn.faces.vault import read_key

    found = Bundle(path)
    if found.manifest.task == "faces" and not file.exists():
        key = read_key(key_file) if key_file else None
        with Gallery(file, fingerprint(found), create=True, key=key):
            pass
    yield {"gallery": str(file) if file.exists() else None}


def main(arguments: list[str]) -> int:
    """Print what is found, line by line; the exit code."""
    parser = argparse.ArgumentParser("selftest")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("bundle", "gallery"):
        verbs.add_parser(verb).add_argument("bundle", type=Path)
    verbs.choices["bundle"].add_argument("--source")
    verbs.choices["gallery"].add_argument("file", type=Path)
    verbs.choices["gallery"].add_argument("--key-file", type=Path)
    asked = parser.parse_args(arguments)
    facts = (
        bundle(asked.bundle, asked.source)
        if asked.verb == "bundle"
        else gallery(asked.bundle, asked.file, asked.key_file)
    )
    try:
        for fact in facts:
            print(json.dumps(fact), flush=True)
    except Exception as e:
        reason = " ".join(str(e).split()) or type(e).__name__
        print(json.dumps({"error": reason}), flush=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""``python -m edgecnn.web.upload_child BUNDLE``: look at photos from the standard input.

The first line is a JSON object with ``name`` and ``files`` (name and bytes of each); their bytes
follow. One line of JSON a photo comes out, in order.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path

from edgecnn.bundle import Bundle
from edgecnn.errors import DataError
from edgecnn.faces.photo import Photo, examine
from edgecnn.faces.sift import without_copies
from edgecnn.images import decode_image
from edgecnn.web.looker import models_of
from edgecnn.web.uploads import TIMEOUT_S, to_json

MEMORY_BYTES = 768 << 20
"""What decoding and looking may take beyond what the models hold: five times the largest photo."""


def limit() -> None:
    """An end to this process's memory, time and core files, where the system can set one."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    seconds = int(TIMEOUT_S)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # it writes no file
    statm = Path("/proc/self/statm")
    if statm.exists():
        held = int(statm.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY_BYTES,) * 2)


def main(bundle: str) -> None:
    """Print what becomes of each photo."""
    facts = json.loads(sys.stdin.buffer.readline())
    files = [(source, sys.stdin.buffer.read(size)) for source, size in facts["files"]]
    detect, embed = models_of(Bundle(bundle))
    import cv2

    cv2.setNumThreads(1)
    limit()
    photos = []
    for source, data in files:
        try:
            image = decode_image(data, source)
            photos.append(examine(facts["name"], source, image, detect, embed))
        except DataError as e:
            photos.append(Photo(facts["name"], source, f"unreadable: {e}"))
        except MemoryError:
            photos.append(Photo(facts["name"], source, "unreadable: it takes too much memory"))
    print("\n".join(to_json(photo) for photo in without_copies(photos)))


if __name__ == "__main__":
    main(sys.argv[1])

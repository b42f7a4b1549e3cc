"""Photos that somebody sent: checked here by their first bytes, decoded in a child with limits.

What comes from outside is decoded in a process of its own, with an end to its time and memory: a
decoder that fails on a hostile file takes that process with it, and not the camera.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from edgecnn.errors import DataError
from edgecnn.faces.photo import Photo
from edgecnn.faces.quality import Quality
from edgecnn.runtime.child import environment
from edgecnn.web.forms import File

MOST_PIXELS = 50_000_000
"""Of one photo: the largest of today's telephones, as they store them; 150 MB decoded."""

TIMEOUT_S = 90.0
"""For all photos of one request: a dozen large ones on the slowest board."""

_one_at_a_time = threading.Lock()


def examine_sent(bundle: Path, name: str, files: Sequence[File]) -> list[Photo]:
    """What becomes of photos that were sent.

    Args:
        bundle: the folder.
        name: whom they show.

    Raises:
        DataError: other photos are looked at just now, or the child failed on these.
    """
    fates = [(file, why_not(file.data)) for file in files]
    good = [file for file, why in fates if not why]
    seen = iter(_in_child(bundle, name, good) if good else [])
    return [
        Photo(name, file.name, f"unreadable: {why}") if why else next(seen) for file, why in fates
    ]


def why_not(data: bytes) -> str:
    """Why a photo is not decoded, told by its header alone; '' where it may be."""
    found = size_of(data)
    if found is None:
        return "expected a JPEG, PNG or WebP picture"
    width, height = found
    if not (width and height):
        return "it has no pixels"
    if width * height > MOST_PIXELS:
        return f"{width}×{height} pixels, {MOST_PIXELS // 1_000_000} million are allowed"
    return ""


def size_of(data: bytes) -> tuple[int, int] | None:
    """Width and height as a picture's header says; None for what is no JPEG, PNG or WebP.

    Sources: PNG, W3C 2003, 11.2.2; JPEG, ITU T.81, B.2.2; WebP, RFC 9649, 2.5 to 2.7.
    """
    if data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR" and len(data) >= 24:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if data[:2] == b"\xff\xd8":
        return _jpeg_size(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and len(data) >= 30:
        return _webp_size(data)
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = (int.from_bytes(data[at + i : at + i + 2], "big") for i in (5, 7))
            return width, height
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:  # markers without a length
            at += 2
        elif marker in (0xD9, 0xDA):  # the end, or pixels, before any size
            return None
        else:
            at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = (int.from_bytes(data[i : i + 2], "little") & 0x3FFF for i in (26, 28))
        return width, height
    if kind == b"VP8L" and data[20] == 0x2F:
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[i : i + 3], "little") + 1 for i in (24, 27))
        return width, height
    return None


def _in_child(bundle: Path, name: str, files: Sequence[File]) -> list[Photo]:
    if not _one_at_a_time.acquire(blocking=False):
        raise DataError("other photos are being looked at: try again in a moment")
    try:
        facts = {"name": name, "files": [(f.name, len(f.data)) for f in files]}
        child = subprocess.run(
            [sys.executable, "-m", "edgecnn.web.upload_child", str(bundle)],
            input=b"".join([json.dumps(facts).encode() + b"\n", *(f.data for f in files)]),
            env=environment(OPENCV_IO_MAX_IMAGE_PIXELS=str(MOST_PIXELS)),
            capture_output=True,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise DataError(
            f"these photos took longer than {TIMEOUT_S:g} s: send fewer, or smaller ones"
        ) from None
    finally:
        _one_at_a_time.release()
    try:
        found = [from_json(line) for line in child.stdout.decode().splitlines()]
    except (ValueError, KeyError, TypeError):
        found = []
    if child.returncode or len(found) != len(files):
        raise DataError(
            "these photos could not be looked at: one of them is damaged, or takes more memory "
            "than there is; send them one by one"
        )
    return found


def to_json(photo: Photo) -> str:
    """A photo as the child hands it on: without its pixels."""
    return json.dumps(
        {
            "name": photo.name,
            "source": photo.source,
            "fate": photo.fate,
            "embedding": None if photo.embedding is None else photo.embedding.tolist(),
            "quality": photo.quality and {k: float(v) for k, v in asdict(photo.quality).items()},
        }
    )


def from_json(line: str) -> Photo:
    """The inverse of :func:`to_json`."""
    facts = json.loads(line)
    embedding, quality = facts["embedding"], facts["quality"]
    return Photo(
        str(facts["name"]),
        str(facts["source"]),
        str(facts["fate"]),
        embedding=None if embedding is None else np.array(embedding, np.float32),
        quality=Quality(**quality) if quality else None,
    )

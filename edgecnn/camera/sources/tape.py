"""Source: a tape, which gives again exactly what ``edgecnn camera --record`` recorded.

The format stands in ``docs/formats.md``: one line of JSON, then a record a frame (a head of 28
bytes and a PNG), then a record that says that the tape is whole.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn.camera.sources.source import Frame, Source
from edgecnn.errors import CameraError
from edgecnn.images import decode_image

SUFFIX = ".tape"
FORMAT, SCHEMA = "edgecnn-tape", 1
FRAME, END = b"FRAM", b"STOP"

_HEAD = struct.Struct("<4sIQd")
_CRC = struct.Struct("<I")
HEAD_BYTES = _HEAD.size + _CRC.size
MAX_LINE = 1 << 16


@dataclass(frozen=True)
class Record:
    """One frame as it lies on the tape; of the end, ``index`` is how many there are."""

    kind: bytes
    index: int
    time_s: float
    png: bytes


def first_line(source: str, fps: float) -> bytes:
    """What a tape begins with."""
    facts = {"format": FORMAT, "schema": SCHEMA, "source": source, "fps": fps}
    return json.dumps(facts, ensure_ascii=False).encode() + b"\n"


def pack(record: Record) -> bytes:
    """A record's head, checksum and picture."""
    head = _HEAD.pack(record.kind, len(record.png), record.index, record.time_s)
    return head + _CRC.pack(zlib.crc32(record.png, zlib.crc32(head))) + record.png


def unpack(file: Any, left: int) -> Record | None:
    """The record at a file's position, or None where no whole one is.

    Args:
        left: bytes from there to the end, so that a damaged length reads nothing absurd.
    """
    head = file.read(HEAD_BYTES)
    if len(head) < HEAD_BYTES:
        return None
    kind, length, index, time_s = _HEAD.unpack(head[: _HEAD.size])
    if kind not in (FRAME, END) or length > left - HEAD_BYTES:
        return None
    png = file.read(length)
    whole = _CRC.unpack(head[_HEAD.size :])[0] == zlib.crc32(png, zlib.crc32(head[: _HEAD.size]))
    return Record(kind, index, time_s, png) if whole else None


def has_frame(file: Any) -> bool:
    """Whether a file, read from its beginning, is a tape with at least one whole frame."""
    size = os.fstat(file.fileno()).st_size
    line = file.readline(MAX_LINE)
    record = unpack(file, size - len(line))
    return record is not None and record.kind == FRAME


class Tape(Source):
    """Every frame of a recording, bit by bit, with the index and the time it had.

    A tape that was cut off ends with its last whole frame, and :attr:`remark` says so.

    Raises:
        CameraError: the file is no tape, of a later version, or holds not one whole frame.
    """

    live = False

    def __init__(self, text: str):
        self.name = text
        self._file = open(text, "rb")  # noqa: SIM115  # close() closes it
        try:
            self._size = os.fstat(self._file.fileno()).st_size
            self.fps = self._begin()
            place = self._file.tell()
            self._file.seek(max(place, self._size - HEAD_BYTES))
            last = unpack(self._file, HEAD_BYTES)
            self._left = last.index if last is not None and last.kind == END else None
            self._file.seek(place)
            self._first = self._next()
            if self._first is None:
                raise CameraError(
                    f"expected frames on the tape {text}. It has no whole one ({self._size} "
                    "bytes): record it again"
                )
        except BaseException:
            self._file.close()
            raise
        if self._left is None:
            self.remark = f"{text} was cut off while it was recorded: it ends with a whole frame"

    @staticmethod
    def accepts(text: str) -> bool:
        """A file ending in ``.tape``."""
        return Path(text).suffix.lower() == SUFFIX and os.path.isfile(text)

    def read(self) -> Frame | None:
        """The next frame as it was recorded.

        Raises:
            CameraError: the tape is damaged before its end.
        """
        frame, self._first = self._first, None
        if frame is None and not self._file.closed:
            frame = self._next()
        return frame

    def close(self) -> None:
        """Close the file."""
        self._first = None
        self._file.close()

    def _begin(self) -> float:
        """The rate in the first line."""
        try:
            facts = json.loads(self._file.readline(MAX_LINE))
            if facts["format"] == FORMAT and int(facts["schema"]) > SCHEMA:
                raise CameraError(
                    f"{self.name} is a tape of schema {facts['schema']}, this edgecnn reads "
                    f"{SCHEMA}: pip install -U edgecnn"
                )
            fps = float(facts["fps"])
            if facts["format"] == FORMAT and 0 < fps < float("inf"):
                return fps
        except (ValueError, KeyError, TypeError, RecursionError):
            pass  # said below
        raise CameraError(
            f"expected a tape of edgecnn camera --record. {self.name} does not begin like one "
            f"({self._size} bytes): record it again"
        )

    def _next(self) -> Frame | None:
        place = self._file.tell()
        record = unpack(self._file, self._size - place)
        if record is not None and record.kind == FRAME:
            self._left = None if self._left is None else self._left - 1
            picture = decode_image(record.png, f"frame {record.index} of {self.name}")
            return Frame(picture, record.time_s, record.index)
        self._file.seek(place)  # a second read ends at the same place
        if self._left is not None and (record is None or self._left):
            raise CameraError(
                f"{self.name} is damaged at byte {place:,}: fetch it again from where it was "
                "recorded"
            )
        return None

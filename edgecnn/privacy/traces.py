"""Whether anything of a person is left in files: their name in many spellings, their embeddings.

The bytes of a file are searched, whatever its kind; what is packed with gzip, bzip2 or xz is
unpacked on the way. Of pictures and videos only the bytes: whether a face is on them is not for a
search to say, so they are counted (:attr:`Report.media`).
"""

from __future__ import annotations

import base64
import bz2
import gzip
import html
import json
import lzma
import os
import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from edgecnn.errors import DataError
from edgecnn.faces.names import composed, folded
from edgecnn.images import Floats

PACKED = {
    b"\x1f\x8b\x08": gzip.open,
    **{b"BZh%d" % size: bz2.open for size in range(1, 10)},
    b"\xfd7zXZ\0": lzma.open,
}
"""What a file begins with to what unpacks it: .gz, .tgz and .svgz are one thing."""

CLOSED = {".zip", ".7z", ".rar", ".zst", ".npz", ".docx", ".odt", ".pdf"}
CLOSED_HEADS = (b"PK\3\4", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"\x28\xb5\x2f\xfd", b"%PDF")
"""Suffixes, and beginnings, of files whose bytes do not show what is in them: an .xlsx is a zip."""

HEAD = 8
"""Bytes that are read to tell a kind."""

MEDIA = {
    ".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic",
    ".mp4", ".avi", ".mkv", ".mov", ".webm", ".tape",
}  # fmt: skip

STEP = 8 << 20
OVERLAP = 1 << 10
"""Bytes that are read at once, and more than the longest thing that is looked for."""

PIECE = 16
"""Bytes of an embedding that are looked for; four numbers in a row are nobody else's."""

SHORT = 4
"""Bytes of a name below which random bytes hold it now and then: in binary files it is looked for
between quotes alone, where JSON has it."""


def pieces(data: bytes, step: int = PIECE, length: int = PIECE) -> list[bytes]:
    """Pieces of ``length`` bytes, each ``step`` behind the one before."""
    return [data[i : i + length] for i in range(0, max(1, len(data) - length + 1), step)]


@dataclass(frozen=True)
class Traces:
    """What somebody would be found by.

    Attributes:
        name: theirs.
        pieces: bytes of their embeddings, as they are and in base64.
    """

    name: str
    pieces: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, name: str, embeddings: Iterable[Floats] = ()) -> Traces:
        """Of a name, and embeddings ``(D,)`` float32."""
        blobs = [embedding.astype("<f4").tobytes() for embedding in embeddings]
        texts = [base64.b64encode(blob) for blob in blobs]
        found = {p for b in blobs for p in pieces(b, max(PIECE, len(b) // 4))}
        found |= {p for t in texts for p in pieces(t, max(PIECE, len(t) // 4), 2 * PIECE)}
        return cls(composed(name), tuple(sorted(found)))

    @cached_property
    def spellings(self) -> list[bytes]:
        """The name as programs write it: UTF-8 and 16, accents joined or not, in JSON, in a URL."""
        forms = {self.name, folded(self.name), self.name.upper(), self.name.lower()}
        forms |= {unicodedata.normalize("NFD", form) for form in forms}
        found = set()
        for form in forms:
            escaped = json.dumps(form)[1:-1]
            upper = re.sub(r"\\u[0-9a-f]{4}", lambda m: "\\u" + m.group()[2:].upper(), escaped)
            texts = {form, escaped, upper, quote(form), html.escape(form)}
            found |= {text.encode() for text in texts} | {form.encode("utf-16-le")}
        return sorted(found)

    def in_text(self, text: bytes) -> set[int]:
        """Where the name stands in a text, by itself: *Ann* does not in *Annabel*."""
        lower, found = text.lower(), set()
        for spelling in {s.lower() for s in self.spellings}:
            for at in _places(lower, spelling):
                end = at + len(spelling)
                around = lower[max(0, at - 1) : at], lower[end : end + 1]
                if not any(map(_LETTER.match, around)):
                    found.add(at)
        return found

    def in_bytes(self, data: bytes, short: int = SHORT) -> set[int]:
        """Where it stands in what is no text: anywhere, names of fewer bytes between quotes."""
        names = [s if len(s) >= short else b'"%b"' % s for s in self.spellings]
        return {at for name in names for at in _places(data, name)}


_LETTER = re.compile(rb"[A-Za-z\x80-\xff]")


def _places(data: bytes, wanted: bytes) -> Iterator[int]:
    at = data.find(wanted)
    while at >= 0:
        yield at
        at = data.find(wanted, at + 1)


@dataclass(frozen=True)
class Hit:
    """Something that is left: in which file, what, and how often."""

    path: Path
    what: str
    count: int


@dataclass
class Report:
    """What a search came to.

    Attributes:
        files, size: how many files were searched, and their bytes.
        hits: what was found.
        closed: files that could not be searched, and why.
        media: pictures and videos among the files.
    """

    files: int = 0
    size: int = 0
    hits: list[Hit] = field(default_factory=list)
    closed: list[tuple[Path, str]] = field(default_factory=list)
    media: int = 0

    @property
    def clean(self) -> bool:
        """Whether all of it was searched, and nothing found."""
        return not self.hits and not self.closed


def files_of(paths: Iterable[Path]) -> list[Path]:
    """The files that are meant: all in a folder, and beside a file what rotation or SQLite made.

    Links inside folders are left out, since what they lead to lies elsewhere. A folder that cannot
    be listed stands for what is in it.

    Raises:
        DataError: there is no such file or folder.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise DataError(f"expected a file or folder. There is no {path}")
        if path.is_dir():
            for folder, _, names in os.walk(path, onerror=lambda e: found.append(Path(e.filename))):
                inside = [Path(folder, name) for name in sorted(names)]
                found.extend(p for p in inside if not os.path.islink(p))
            continue
        path = path.resolve()
        beside = [path.with_name(path.name + end) for end in ("-journal", "-wal", "-shm")]
        rotated = path.parent.glob(f"{_literal(path.name)}.[0-9]*")
        found.extend([path, *sorted(rotated), *(p for p in beside if p.exists())])
    return list(dict.fromkeys(found))


def _literal(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)


def search(files: Sequence[Path], traces: Sequence[Traces], roots: Sequence[Path] = ()) -> Report:
    """Look for people in files.

    Args:
        files: such as :func:`files_of` gives.
        roots: of the folders of a file's path, those below one of these count as its name.
    """
    report = Report()
    for path in files:
        report.media += path.suffix.lower() in MEDIA
        named = os.fsencode("/".join(_below(path, roots)))
        if count := sum(len(t.in_text(named)) for t in traces):
            report.hits.append(Hit(path, "the name, in its path", count))
        try:
            if why := _why_closed(path):
                report.closed.append((path, why))
                continue
            names, embeddings = _count(path, traces)
            report.size += path.stat().st_size
        except (OSError, EOFError, lzma.LZMAError, zlib.error) as e:
            report.closed.append((path, getattr(e, "strerror", None) or str(e)))
            continue
        report.files += 1
        if names:
            report.hits.append(Hit(path, "the name", names))
        if embeddings:
            report.hits.append(Hit(path, "an embedding", embeddings))
    return report


def _why_closed(path: Path) -> str:
    """Why a search of its bytes would say nothing; empty where it would."""
    if path.is_dir():
        return "the folder cannot be listed"
    if path.exists() and not path.is_file():
        return "it is not a file"
    packed = path.suffix.lower() in CLOSED or _head(path).startswith(CLOSED_HEADS)
    return "what it holds is packed" if packed else ""


def _head(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(HEAD)


def _below(path: Path, roots: Sequence[Path]) -> tuple[str, ...]:
    for root in roots:
        if root.is_dir() and path.is_relative_to(root):
            return path.relative_to(root).parts
    return (path.name,)


def _count(path: Path, traces: Sequence[Traces]) -> tuple[int, int]:
    names = embeddings = 0
    text: bool | None = None
    for window, low, high in _windows(path):
        if text is None:
            text = b"\0" not in window[: 1 << 16]
        for t in traces:
            places = t.in_text(window) if text else t.in_bytes(window)
            names += sum(low <= at < high for at in places)
            embeddings += sum(low <= window.find(piece, low) < high for piece in t.pieces)
    return names, embeddings


def _windows(path: Path) -> Iterator[tuple[bytes, int, int]]:
    """A file piece by piece, each with where in it the new part begins and ends."""
    head = _head(path)
    opener: Any = next((unpack for start, unpack in PACKED.items() if head.startswith(start)), open)
    opened: AbstractContextManager[IO[bytes]] = opener(path, "rb")
    with opened as file:
        window, low = file.read(STEP + OVERLAP), 0
        while more := file.read(STEP):
            yield window, low, len(window) - OVERLAP
            # One byte before is kept for looking back at.
            window, low = window[-OVERLAP - 1 :] + more, 1
        yield window, low, len(window)

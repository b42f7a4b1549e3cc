"""What a browser sends: read piece by piece, bounded in bytes and in count, with its token first.

Everything stays in memory: no picture that somebody sends touches the disk.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

MOST_BYTES = 24 << 20
"""Of one request: about six photos of a telephone."""

MOST_FILE_BYTES = 12 << 20
MOST_FILES = 12
MOST_FIELDS = 16
MOST_FIELD_BYTES = 8 << 10
TOKEN = "csrf"


class Refused(Exception):
    """A request that is not answered.

    Attributes:
        status: of the response.
        reason: one line for people.
    """

    def __init__(self, status: int, reason: str):
        super().__init__(reason)
        self.status, self.reason = status, reason


@dataclass(frozen=True)
class File:
    """A file that was sent: the name that it says it has, and what is in it."""

    name: str
    data: bytes


@dataclass
class Form:
    """The fields of a form, the last of each name, and its files."""

    fields: dict[str, str] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)

    def __getitem__(self, name: str) -> str:
        return self.fields.get(name, "")


async def read(
    body: AsyncIterator[bytes], content_type: str, length: str | None, token: str | None
) -> Form:
    """Read the body of a request.

    Args:
        length: its header, if any: more than allowed is refused before anything is read.
        token: the session's; a form without it is refused, and of one with files nothing that
            comes before it is kept. None where nobody is logged in yet.

    Raises:
        Refused: too large, of another kind, broken, or without the token.
    """
    if length is not None and (not length.isascii() or not length.isdigit()):
        raise Refused(400, "expected a length in digits")
    kind = content_type.partition(";")[0].strip().lower()
    most = {"application/x-www-form-urlencoded": MOST_FIELD_BYTES * 2,
            "multipart/form-data": MOST_BYTES if token else 0}.get(kind)  # fmt: skip
    if most is None:
        raise Refused(415, "expected a form")
    if length is not None and int(length) > most:
        raise _too_large(most)
    if kind == "multipart/form-data":
        return await _multipart(_bounded(body, most), content_type, token or "")
    form = _urlencoded(b"".join([piece async for piece in _bounded(body, most)]))
    if token is not None:
        _check(form, token)
    return form


def _too_large(most: int) -> Refused:
    return Refused(413, f"at most {most / (1 << 20):.3g} MB can be sent at once: send less")


async def _bounded(body: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    came = 0
    async for piece in body:
        came += len(piece)
        if came > most:
            raise _too_large(most)
        yield piece


def _check(form: Form, token: str) -> None:
    if not hmac.compare_digest(form[TOKEN].encode(), token.encode()):
        raise Refused(403, "this form is not from this page, or an old one: load the page again")


def _urlencoded(data: bytes) -> Form:
    try:
        pairs = parse_qsl(
            data.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS,
            errors="strict",
        )  # fmt: skip
    except ValueError as e:
        raise Refused(400, "this form cannot be read") from e
    return Form(dict(pairs))


async def _multipart(body: AsyncIterator[bytes], content_type: str, token: str) -> Form:
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import MultipartParser, parse_options_header

    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not 1 <= len(boundary) <= 70:  # RFC 2046, 5.1.1
        raise Refused(400, "this form cannot be read")
    parts = _Parts(token)
    parser = MultipartParser(boundary, parts.callbacks())
    try:
        async for piece in body:
            parser.write(piece)
        parser.finalize()
    except (FormParserError, UnicodeDecodeError) as e:
        raise Refused(400, "this form cannot be read") from e
    if not parts.complete:
        raise Refused(400, "the form broke off: send it again")
    _check(parts.form, token)
    return parts.form


class _Parts:
    """Takes what the parser finds, and refuses what goes beyond the limits as it comes."""

    def __init__(self, token: str):
        self.form, self.complete = Form(), False
        self._token = token
        self._headers: dict[bytes, bytes] = {}
        self._name, self._value = bytearray(), bytearray()
        self._field = ""
        self._file: str | None = None
        self._data = bytearray()

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header,
            "on_headers_finished": self._open,
            "on_part_data": self._more,
            "on_part_end": self._close,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._headers, self._data = {}, bytearray()

    def _header(self) -> None:
        self._headers[bytes(self._name).lower()] = bytes(self._value)
        self._name, self._value = bytearray(), bytearray()

    def _open(self) -> None:
        from python_multipart.multipart import parse_options_header

        options = parse_options_header(self._headers.get(b"content-disposition"))[1]
        self._field = options.get(b"name", b"").decode("utf-8", "replace")
        file = options.get(b"filename")
        self._file = None if file is None else file.decode("utf-8", "replace")
        if self._file is not None:
            _check(self.form, self._token)  # the token comes before the first file
            if len(self.form.files) >= MOST_FILES:
                raise Refused(413, f"at most {MOST_FILES} photos can be sent at once: send fewer")
        elif len(self.form.fields) >= MOST_FIELDS:
            raise Refused(400, "this form has too many fields")

    def _more(self, data: bytes, start: int, end: int) -> None:
        most = MOST_FIELD_BYTES if self._file is None else MOST_FILE_BYTES
        if len(self._data) + end - start > most:
            raise _too_large(most)
        self._data += data[start:end]

    def _close(self) -> None:
        if self._file is None:
            self.form.fields[self._field] = self._data.decode("utf-8")
        elif self._file or self._data:  # a browser sends an empty one where none was chosen
            self.form.files.append(File(self._file[:200], bytes(self._data)))
        self._data = bytearray()

    def _end(self) -> None:
        self.complete = True

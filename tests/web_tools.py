"""The page for tests: a site over doubles, served by a real uvicorn, and a client over sockets."""

from __future__ import annotations

import http.client
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import face_doubles
import numpy as np
import pytest

from edgecnn.bundle import Bundle
from edgecnn.camera.pipeline import Result
from edgecnn.camera.sources import Frame
from edgecnn.faces.types import Detection, Recognition
from edgecnn.images import Image
from edgecnn.web import password as web_password
from edgecnn.web.server import WebSink, serving
from edgecnn.web.site import Settings, Site

PASSWORD = "three old words"


def result(
    image_bgr: Image,
    outcome: Sequence[Recognition] = (),
    index: int = 0,
    at: datetime | None = None,
) -> Result:
    """A result of the camera's loop, taken now."""
    frame = Frame(image_bgr, index / 10, index)
    return Result(frame, "a camera", outcome, at or datetime.now(timezone.utc), 20.0)


def seen(
    detection: Detection, name: str | None = None, track: int = 1, decided: bool = True
) -> Recognition:
    """A face as the recogniser hands it on."""
    return Recognition(detection, track, name, 0.7, decided)


@contextmanager
def feeding(sink: WebSink, give: Callable[[int], Result], fps: float = 25.0) -> Iterator[None]:
    """A camera's loop: hands the page a result so many times a second while the block runs."""
    stop = threading.Event()

    def loop() -> None:
        index = 0
        while not stop.wait(1 / fps):
            sink.write(give(index))
            index += 1

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


@dataclass
class Client:
    """A browser without a window: keeps its cookie, sends its origin, knows its token."""

    port: int
    cookie: str = ""
    token: str = ""
    origin: str = ""
    log: list[Answer] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        """One request on a connection of its own, exactly with these headers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            given = {"Host": self.host, **(headers or {})}
            if body and "Content-Length" not in given and "Transfer-Encoding" not in given:
                given["Content-Length"] = str(len(body))
            for name, value in given.items():
                connection.putheader(name, value)
            connection.endheaders()
            # It may be refused before all of it was read.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.send(body)
            answer = connection.getresponse()
            found = Answer(answer.status, {}, b"")
            for name, value in answer.getheaders():
                found.headers[name.lower()] = value
            if "multipart" not in found.headers.get("content-type", ""):
                found.body = answer.read()
            return found
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        """As a browser asks for a page."""
        extra = {"Cookie": self.cookie} if self.cookie else {}
        answer = self.ask("GET", path, headers={"Accept": "text/html", **extra, **headers})
        return self._remember(answer)

    def post(self, path: str, fields: dict[str, str] | None = None, **headers: str) -> Answer:
        """As a browser sends a form of the page, with its token."""
        sent = urlencode({"csrf": self.token, **(fields or {})}).encode()
        return self.send(path, sent, "application/x-www-form-urlencoded", **headers)

    def upload(
        self, path: str, fields: dict[str, str], files: Sequence[tuple[str, bytes]], **headers: str
    ) -> Answer:
        """As a browser sends a form with files."""
        body = multipart({"csrf": self.token, **fields}, files)
        return self.send(path, body, "multipart/form-data; boundary=XX", **headers)

    def send(self, path: str, body: bytes, kind: str, **headers: str) -> Answer:
        """A form of that content type."""
        given = {"Origin": self.origin or f"http://{self.host}", "Content-Type": kind}
        if self.cookie:
            given["Cookie"] = self.cookie
        return self._remember(self.ask("POST", path, body, {**given, **headers}))

    def _remember(self, answer: Answer) -> Answer:
        if cookie := answer.headers.get("set-cookie"):
            self.cookie = cookie.partition(";")[0]
        if token := re.search(r'name="csrf" value="([^"]+)"', answer.text):
            self.token = token[1]
        self.log.append(answer)
        return answer

    def log_in(self, password: str = PASSWORD) -> Answer:
        """Log in and fetch the token."""
        answer = self.post("/login", {"password": password})
        if answer.status == 303:
            self.get("/about")
        return answer


def multipart(fields: dict[str, str], files: Sequence[tuple[str, bytes]]) -> bytes:
    """A form as browsers send it."""
    mark = "XX"
    parts = [
        f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for name, data in files:
        head = (
            f'--{mark}\r\nContent-Disposition: form-data; name="photos"; filename="{name}"\r\n'
            "Content-Type: image/png\r\n\r\n"
        )
        parts.append(head.encode() + data + b"\r\n")
    return b"".join([*parts, f"--{mark}--\r\n".encode()])


@dataclass
class Served:
    """A site that is being served."""

    site: Site
    sink: WebSink
    client: Client
    address: str

    @property
    def port(self) -> int:
        return self.client.port

    def stranger(self) -> Client:
        """Somebody who is not logged in."""
        return Client(self.port)

    def connect(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)


@contextmanager
def served(
    bundle: Bundle,
    folder: Path,
    password: str | None = PASSWORD,
    look_every_s: float = 0.02,
    **settings: Any,
) -> Iterator[Served]:
    """Serve the page of a bundle of doubles at a free port; somebody is logged in."""
    chosen = Settings(port=0, password=folder / "config" / "web-password", **settings)
    cheap = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}  # test_web_password has the real
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(web_password, "HASH", cheap)
        site = _site(bundle, folder, chosen, look_every_s)
    if password:
        site.password.set_first(password)
    with serving(site) as (sink, address):
        port = int(address.rstrip("/").rpartition(":")[2])
        made = Served(site, sink, Client(port), address)
        if password and not chosen.cert:
            assert made.client.log_in(password).status == 303
        yield made


def _site(bundle: Bundle, folder: Path, chosen: Settings, look_every_s: float) -> Site:
    return Site.of(
        bundle,
        folder / "gallery.sqlite",
        "a camera",
        chosen,
        models=lambda bundle: (face_doubles.detect, face_doubles.embed_photo),
        look_every_s=look_every_s,
    )


def until(true: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for another thread."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


def read_parts(stream: Any, count: int) -> list[bytes]:
    """The first pictures of an MJPEG stream that :mod:`http.client` opened."""
    found = []
    assert stream.readline().startswith(b"--")
    for _ in range(count):
        length = 0
        while (line := stream.readline().strip()) != b"":
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        found.append(stream.read(length))
        assert stream.readline() == b"\r\n"
        assert stream.readline().startswith(b"--"), "the boundary comes with the picture"
    return found


def dark() -> np.ndarray:
    """A picture of nothing."""
    return np.zeros((240, 320, 3), np.uint8)

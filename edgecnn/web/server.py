"""The page served beside the camera: its sink, and uvicorn in a thread."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from edgecnn.camera.pipeline import Result
from edgecnn.camera.sinks.beside import Backlog
from edgecnn.errors import StorageError
from edgecnn.web.pictures import yield_the_processor
from edgecnn.web.routes import application
from edgecnn.web.site import Settings, Site

MOST_CONNECTIONS = 400
"""At once. More are turned away, so that those who hold connections open do not take the
descriptors that the camera needs."""

REQUEST_S = 10.0
"""Seconds from the connection to the end of a request's headers, and between two requests."""

SLOW_S = 10.0
"""A reader that takes nothing for so long is cut off. Others get pictures all the while: each has
a buffer of its own, and misses pictures while that is full."""


class Patient(H11Protocol):
    """uvicorn's own protocol, with an end to its patience."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or end it where there are too many."""
        super().connection_made(transport)
        self._slow: asyncio.TimerHandle | None = None
        self._silent: asyncio.TimerHandle | None = None
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        self._silent = self.loop.call_later(REQUEST_S, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Take what came; headers must be whole in time, also the second request's."""
        super().data_received(data)
        waits = self.cycle is None or self.cycle.response_complete
        if self._silent and not waits:
            self._silent.cancel()
            self._silent = None
        elif waits and self._silent is None:
            self._silent = self.loop.call_later(REQUEST_S, self.transport.abort)

    def pause_writing(self) -> None:
        """The reader's buffer is full: give it some time."""
        super().pause_writing()
        self._slow = self.loop.call_later(SLOW_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It has read on."""
        super().resume_writing()
        if self._slow:
            self._slow.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the timers."""
        for timer in (self._slow, self._silent):
            if timer:
                timer.cancel()
        super().connection_lost(exc)


class WebSink:
    """The camera's sink: hands each result to the page and returns at once."""

    backlog = Backlog(room=1, drops=True)

    def __init__(self, site: Site):
        self._site = site

    def write(self, result: Result) -> None:
        """Take one result."""
        self._site.take(result)

    def close(self) -> None:
        """Nothing: the page outlives the sinks, and ends with :func:`serving`."""


@contextmanager
def serving(site: Site) -> Iterator[tuple[WebSink, str]]:
    """Serve the page while the block runs; the camera's sink, and the page's address.

    Raises:
        StorageError: the address cannot be listened at, or the certificate cannot be used.
    """
    settings = site.settings
    try:
        listening = _listen(settings)
    except StorageError:
        site.close()
        raise
    config = uvicorn.Config(
        application(site),
        http=Patient,
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # whoever sends X-Forwarded-For would choose the address to be
        timeout_keep_alive=int(REQUEST_S),
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=16 << 10,
        ssl_certfile=settings.cert,
        ssl_keyfile=settings.key,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as e:
        listening.close()
        site.close()
        raise StorageError(
            f"expected a certificate and its key in PEM. {settings.cert} and {settings.key} "
            f"cannot be used ({e}): check --web-cert and --web-key"
        ) from e
    server = uvicorn.Server(config)

    def run() -> None:
        yield_the_processor()
        server.run(sockets=[listening])

    thread = threading.Thread(target=run, name="edgecnn-web", daemon=True)
    thread.start()
    try:
        yield WebSink(site), address_of(settings, listening.getsockname()[1])
    finally:
        site.close()
        server.should_exit = True
        thread.join(5.0)
        listening.close()


def address_of(settings: Settings, port: int) -> str:
    """What to type into a browser."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"{'https' if settings.cert else 'http'}://{host}:{port}/"


def _listen(settings: Settings) -> socket.socket:
    """A listening socket, opened before the camera starts so that a fault is told at once."""
    try:
        family, _, _, _, place = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as e:  # a label of the host's name is empty, or too long
        raise _unusable(settings, e) from e
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        listening.listen(128)
    except OSError as e:
        listening.close()
        raise _unusable(settings, e) from e
    return listening


def _unusable(settings: Settings, error: OSError | UnicodeError) -> StorageError:
    why = getattr(error, "strerror", None) or error
    return StorageError(
        f"the page cannot be served at {settings.host}:{settings.port} ({why}): "
        "choose another --web HOST:PORT, or --no-web"
    )

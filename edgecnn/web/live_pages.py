"""The live picture, who is there and was, and how the camera does."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from edgecnn.faces.threshold import one_in
from edgecnn.web.answers import go, number_of, page, site_of
from edgecnn.web.guard import cookie_name, cookie_of
from edgecnn.web.site import Site, temperature_c
from edgecnn.web.visits import sightings

BOUNDARY = "edgecnn-picture"


def live(request: Request) -> Response:
    """The first page."""
    site = site_of(request)
    return page(request, "live.html", **_now(site), **_seen(site), **_health(site))


def now(request: Request) -> Response:
    """Who is there now, as a part of the page."""
    return page(request, "now.html", **_now(site_of(request)))


def seen(request: Request) -> Response:
    """Recent sightings, as a part of the page."""
    return page(request, "seen.html", **_seen(site_of(request)))


def health(request: Request) -> Response:
    """Rate, latency and temperature, as a part of the page."""
    return page(request, "health.html", **_health(site_of(request)))


def about(request: Request) -> Response:
    """The threshold and what was measured at it; the password."""
    site = site_of(request)
    point = site.bundle.manifest.operating_point
    asked = one_in(point.strangers) if point and point.strangers else ""
    return page(request, "about.html", point=point, asked=asked, **_health(site))


def still(request: Request) -> Response:
    """The newest picture, once."""
    jpeg = site_of(request).pictures.still()
    return Response(jpeg, 200 if jpeg else 503, media_type="image/jpeg")


async def stream(request: Request) -> Response:
    """Pictures (MJPEG) until the session ends."""
    site = site_of(request)
    number = cookie_of(request.headers, cookie_name(site.tls))
    parts = _parts(site.pictures.watch(), lambda: site.sessions.get(number) is not None)
    return _Stream(parts, media_type=f"multipart/x-mixed-replace; boundary={BOUNDARY}")


class _Stream(StreamingResponse):
    """Lets go of its pictures as soon as the viewer has gone, and not some time later."""

    async def stream_response(self, send: Send) -> None:
        parts = self.body_iterator
        assert isinstance(parts, AsyncGenerator)
        async with aclosing(parts):
            await super().stream_response(send)


async def _parts(
    pictures: AsyncGenerator[bytes, None], may_see: Callable[[], bool]
) -> AsyncGenerator[bytes, None]:
    # The boundary comes right after each picture: a browser shows it once it sees that.
    yield f"--{BOUNDARY}\r\n".encode()
    async with aclosing(pictures):
        async for jpeg in pictures:
            if not may_see():
                return
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            yield b"".join([head.encode(), jpeg, f"\r\n--{BOUNDARY}\r\n".encode()])


def face(request: Request) -> Response:
    """The small picture of a visit, where one is kept."""
    visit = site_of(request).visits.get(number_of(request.query_params.get("visit", "")))
    if visit is None or not visit.face:
        return Response(status_code=404)
    return Response(visit.face, media_type="image/jpeg")


def home(request: Request) -> Response:
    """What some browsers ask for by themselves."""
    return go("/static/icon.svg")


def _now(site: Site) -> dict[str, Any]:
    return {"here": site.visits.now(), "label": site.visits.label, "runs": site.visits.runs}


def _seen(site: Site) -> dict[str, Any]:
    return {"sightings": sightings(site.visits.settled(), site.threshold)}


def _health(site: Site) -> dict[str, Any]:
    meter = site.meter
    return {"fps": meter.fps, "latency": meter.latency, "temperature": temperature_c()}

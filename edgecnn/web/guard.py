"""What stands before every page: who may see anything at all.

Closed by default: a route that is added is behind the password without doing anything, and gets no
form that did not prove where it comes from. The order is that of the code:

1. the *host* that the browser asked for must be an address or one of our names, so that no foreign
   name can be pointed at this machine (DNS rebinding);
2. while there is no password, only this machine itself is answered, under a name of its own;
3. what changes something must come from this page (``Origin``), with the session's token;
4. without a session there is the log-in and its style sheet, and nothing else: what exists and what
   does not gets the same answer.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edgecnn.web import forms
from edgecnn.web.forms import Refused
from edgecnn.web.sessions import Sessions
from edgecnn.web.throttle import parse

LOGIN, SETUP = "/login", "/setup"
OPEN = frozenset({LOGIN, "/static/page.css", "/static/page.js", "/static/icon.svg"})
"""All that is answered without a session, once there is a password. Before that, ``SETUP`` takes
the place of ``LOGIN``, for this machine alone. The script is among them, since it is what tells a
page that its session has ended, also one that ended before the script came."""

UPLOAD_S = 120.0
"""A request's body has come by then, or the connection ends."""

MOST_UPLOADS = 2
"""Forms with files that are read at once: they are held in memory, 24 MB each."""

SAFE = frozenset({"GET", "HEAD"})

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: with that, browsers send "Origin: null" with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}


class Guard:
    """ASGI middleware around all routes.

    Args:
        app: what is guarded; kept as :attr:`app`.
        sessions: who is logged in; the session's number stands in the cookie :attr:`cookie`.
        has_password: asked for each request.
        names: hosts that this page is reached by, beside addresses, this machine's name and
            ``localhost``.
        tls: served over HTTPS.
        told: a refusal as a page, for who is logged in; others get one line of text.
    """

    def __init__(
        self,
        app: ASGIApp,
        sessions: Sessions,
        has_password: Callable[[], bool],
        names: Iterable[str] = (),
        tls: bool = False,
        told: Callable[[Scope, Refused], Response] | None = None,
    ):
        own = socket.gethostname().lower()
        self._names = {"localhost", own, f"{own}.local", *(n.lower() for n in names)}
        self.app = app
        self._sessions, self._has_password, self._tls = sessions, has_password, tls
        self.cookie, self._page = cookie_name(tls), told
        self._uploads = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        send = _with_headers(send)
        try:
            answer = await self._admit(scope, receive)
        except Refused as e:
            answer = self._told(scope, e)
            answer.headers["Connection"] = "close"  # the rest of the body is not read
        if answer is not None:
            await answer(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _told(self, scope: Scope, refused: Refused) -> Response:
        if self._page and scope.get("state", {}).get("session"):
            return self._page({**scope, "app": self.app}, refused)
        return PlainTextResponse(f"{refused.reason}\n", refused.status)

    async def _admit(self, scope: Scope, receive: Receive) -> Response | None:
        """None where the request may pass; it then has ``session`` and ``form`` in its state.

        Raises:
            Refused: it may not.
        """
        headers, path = Headers(scope=scope), scope["path"]
        host = _host(headers.getlist("host"))
        peer = parse(scope["client"][0]) if scope.get("client") else None
        if not (parse(host) or host in self._names):
            raise Refused(421, "this page has another name: start it with --web-name NAME")
        if not self._has_password():
            here = parse(host)
            if not (
                peer and peer.is_loopback and (host == "localhost" or (here and here.is_loopback))
            ):
                raise Refused(403, "no password is set yet: set it on the machine itself first")
        session = self._sessions.get(cookie_of(headers, self.cookie))
        state = scope.setdefault("state", {})
        state["session"] = session
        unsafe = scope["method"] not in SAFE
        if unsafe and not self._same_origin(headers):
            raise Refused(403, "this form is not from this page")
        entry = LOGIN if self._has_password() else SETUP
        is_open = path == entry or (path in OPEN and path != LOGIN)
        if session is None and not is_open:
            if scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
                return RedirectResponse(entry, 303)
            raise Refused(401, "log in first")
        if unsafe:
            state["form"] = await self._form(headers, receive, session.token if session else None)
        return None

    async def _form(self, headers: Headers, receive: Receive, token: str | None) -> forms.Form:
        kind, length = headers.get("content-type", ""), headers.get("content-length")
        large = kind.lower().startswith("multipart/")
        if large and self._uploads >= MOST_UPLOADS:
            raise Refused(503, "other photos are being sent: try again in a moment")
        self._uploads += large
        try:
            form = forms.read(_body(receive), kind, length, token)
            return await asyncio.wait_for(form, UPLOAD_S)
        except asyncio.TimeoutError:
            raise Refused(408, "it took too long to send this: try again") from None
        finally:
            self._uploads -= large

    def _same_origin(self, headers: Headers) -> bool:
        """Whether a form came from a page of ours: its origin is the address that it is sent to."""
        origin = headers.get("origin")
        if origin is None:  # browsers of before 2020 leave it out; ours is the rule, not theirs
            return False
        said = f"{'https' if self._tls else 'http'}://{headers.get('host', '')}"
        return origin.lower() == said.lower()


def cookie_name(tls: bool) -> str:
    """Under TLS with a prefix that browsers take for *from this very host, over TLS*."""
    return "__Host-edgecnn" if tls else "edgecnn"


def cookie_of(headers: Headers, name: str) -> str:
    """The value of a cookie, '' where there is none."""
    return cookie_parser(headers.get("cookie", "")).get(name, "")


def _host(values: list[str]) -> str:
    """The one host that was asked for, without its port, in small letters."""
    if len(values) != 1:
        raise Refused(400, "expected one host")
    try:
        return (urlsplit(f"//{values[0]}").hostname or "").rstrip(".")
    except ValueError:
        raise Refused(400, "this host cannot be read") from None


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "the connection ended")
        yield message.get("body", b"")
        more = message.get("more_body", False)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending

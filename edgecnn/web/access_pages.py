"""The first password, logging in and out, and another password."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from edgecnn.errors import EdgeCNNError
from edgecnn.web.answers import form_of, go, page, site_of
from edgecnn.web.guard import cookie_name, cookie_of
from edgecnn.web.password import LONGEST, SHORTEST


def setup(request: Request) -> Response:
    """The page that asks for the first password."""
    return page(request, "setup.html", wrong="", shortest=SHORTEST, longest=LONGEST)


def set_first(request: Request) -> Response:
    """Set the first password, and log in."""
    site, form = site_of(request), form_of(request)
    try:
        if form["password"] != form["again"]:
            return page(request, "setup.html", 400, wrong="These two differ: type them again.",
                        shortest=SHORTEST, longest=LONGEST)  # fmt: skip
        site.password.set_first(form["password"])
    except EdgeCNNError as e:
        return page(request, "setup.html", 400, wrong=str(e), shortest=SHORTEST, longest=LONGEST)
    return _logged_in(request)


def login(request: Request) -> Response:
    """The page that asks for the password."""
    if request.state.session:
        return go("/")
    return page(request, "login.html", wrong="")


def log_in(request: Request) -> Response:
    """Check the password; an attempt counts before it is looked at."""
    site = site_of(request)
    address = request.client.host if request.client else ""
    wait_s = site.throttle.wait_s(address)
    if wait_s:
        said = f"Too many attempts: try again in {wait_s:.0f} seconds."
        answer = page(request, "login.html", 429, wrong=said)
        answer.headers["Retry-After"] = f"{wait_s:.0f}"
        return answer
    if not site.password.check(form_of(request)["password"]):
        return page(request, "login.html", 403, wrong="This is not the password.")
    site.throttle.clear(address)
    return _logged_in(request)


def log_out(request: Request) -> Response:
    """End this session."""
    site = site_of(request)
    site.sessions.end(cookie_of(request.headers, cookie_name(site.tls)))
    answer = go("/login")
    answer.delete_cookie(cookie_name(site.tls), secure=site.tls, httponly=True, samesite="strict")
    return answer


def change(request: Request) -> Response:
    """Set another password: every session ends, and a new one begins here."""
    site, form = site_of(request), form_of(request)
    address = request.client.host if request.client else ""
    wait_s = site.throttle.wait_s(address)
    if wait_s:
        return go("/about", said=f"Too many attempts: try again in {wait_s:.0f} seconds.")
    try:
        if form["password"] != form["again"]:
            return go("/about", said="The two new passwords differ: type them again.")
        site.password.change(form["old"], form["password"])
    except EdgeCNNError as e:
        return go("/about", said=f"Not changed: {e}.")
    site.throttle.clear(address)
    site.sessions.end_all()
    return _logged_in(request)


def _logged_in(request: Request) -> Response:
    """A new session, whatever cookie the browser brought along."""
    site = site_of(request)
    answer = go("/")
    answer.set_cookie(
        cookie_name(site.tls),
        site.sessions.begin(),
        path="/",
        secure=site.tls,
        httponly=True,
        samesite="strict",
    )
    return answer

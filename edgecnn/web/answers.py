"""What routes answer with: a page, a place to go to, or one line about what is wrong."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from edgecnn import __version__
from edgecnn.web.forms import Form
from edgecnn.web.site import Site

HERE = Path(__file__).parent


def link(path: str, **query: object) -> str:
    """An address with its query: names of people hold anything.

    >>> link("/person", name="Ann / Bob")
    '/person?name=Ann+%2F+Bob'
    """
    return f"{path}?{urlencode(query)}" if query else path


def number_of(text: str) -> int:
    """A number that a form brings along; 0, which nothing has, for what is none.

    >>> number_of("12"), number_of("²"), number_of("-1"), number_of("9" * 5000)
    (12, 0, 0, 0)
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


def clock(at: datetime) -> str:
    """The time of day on this machine; with the day where that is another."""
    local, now = at.astimezone(), datetime.now().astimezone()
    return local.strftime("%H:%M" if local.date() == now.date() else "%a %H:%M")


def _environment() -> Environment:
    # Escapes whatever is put into a page; an unknown name is an error, and not nothing.
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.globals["link"] = link
    made.globals["version"] = __version__
    made.filters["clock"] = clock
    return made


_templates = _environment()


def site_of(request: Request) -> Site:
    """What the page is about."""
    site: Site = request.app.state.site
    return site


def form_of(request: Request) -> Form:
    """What was sent; the guard has read and checked it."""
    form: Form = request.state.form
    return form


def page(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """A page from a template."""
    site, session = site_of(request), request.state.session
    shared = {
        "site": site,
        "faces": site.looker is not None,
        "token": session.token if session else "",
        "known": session is not None,
        "path": request.url.path,
        "said": request.query_params.get("said", ""),
    }
    return HTMLResponse(_templates.get_template(template).render(**shared, **values), status)


def go(path: str, **query: object) -> Response:
    """Where to go after a form: a reload does not send it again."""
    return RedirectResponse(link(path, **query), 303)


def wrong(request: Request, reason: object, back: str, status: int = 400) -> Response:
    """A page with one line about what is wrong, and the way back."""
    return page(request, "wrong.html", status, reason=str(reason), back=back)

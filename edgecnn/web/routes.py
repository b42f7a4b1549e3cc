"""Every address of the page, in one table, with the guard around all of them."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from edgecnn.errors import EdgeCNNError
from edgecnn.web import access_pages, enrol_pages, live_pages, people_pages
from edgecnn.web.answers import HERE, wrong
from edgecnn.web.guard import LOGIN, SETUP, Guard
from edgecnn.web.site import Site

GET, POST = ["GET"], ["POST"]

ROUTES = (
    ("/", live_pages.live, GET),
    ("/live.mjpg", live_pages.stream, GET),
    ("/still.jpg", live_pages.still, GET),
    ("/now", live_pages.now, GET),
    ("/seen", live_pages.seen, GET),
    ("/health", live_pages.health, GET),
    ("/about", live_pages.about, GET),
    ("/favicon.ico", live_pages.home, GET),
    (SETUP, access_pages.setup, GET),
    (SETUP, access_pages.set_first, POST),
    (LOGIN, access_pages.login, GET),
    (LOGIN, access_pages.log_in, POST),
    ("/logout", access_pages.log_out, POST),
    ("/password", access_pages.change, POST),
)

FACES = (
    ("/face.jpg", live_pages.face, GET),
    ("/people", people_pages.people, GET),
    ("/person", people_pages.person, GET),
    ("/rename", people_pages.rename, POST),
    ("/forget", people_pages.confirm, GET),
    ("/forget", people_pages.forget, POST),
    ("/not", people_pages.is_not, POST),
    ("/not/remove", people_pages.unteach, POST),
    ("/unknowns", people_pages.unknowns, GET),
    ("/unknowns/name", people_pages.name_unknown, POST),
    ("/unknowns/forget", people_pages.drop_unknown, POST),
    ("/enrol", enrol_pages.enrol, GET),
    ("/enrol/camera", enrol_pages.guided, GET),
    ("/enrol/camera", enrol_pages.begin, POST),
    ("/enrol/step", enrol_pages.step, GET),
    ("/enrol/finish", enrol_pages.finish, POST),
    ("/enrol/cancel", enrol_pages.cancel, POST),
    ("/enrol/photos", enrol_pages.sent, POST),
)
"""Of bundles that know people."""


def application(site: Site) -> Guard:
    """The page as an ASGI application; its routes stand behind the guard."""
    table = (*ROUTES, *(FACES if site.looker else ()))
    routes: list[BaseRoute] = [Route(path, call, methods=methods) for path, call, methods in table]
    routes.append(Mount("/static", StaticFiles(directory=HERE / "static")))
    app = Starlette(
        routes=routes,
        exception_handlers={404: _missing, 405: _missing, EdgeCNNError: _fault},
    )
    app.state.site = site
    return Guard(
        app,
        site.sessions,
        lambda: site.password.is_set,
        names=site.settings.names,
        tls=site.tls,
        told=lambda scope, refused: wrong(Request(scope), refused, "/", refused.status),
    )


def _missing(request: Request, error: Exception) -> Response:
    return wrong(request, "There is no such page.", "/", 404)


def _fault(request: Request, error: Exception) -> Response:
    return wrong(request, error, "/", 500)

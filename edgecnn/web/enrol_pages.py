"""Enrolment: before the camera, step by step, or from photos that are sent."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from edgecnn.errors import EdgeCNNError
from edgecnn.faces.enrol import add
from edgecnn.faces.names import clean_name
from edgecnn.faces.photo import Photo
from edgecnn.web.answers import form_of, go, page, site_of, wrong
from edgecnn.web.forms import MOST_BYTES, MOST_FILES
from edgecnn.web.looker import Looker
from edgecnn.web.site import Site
from edgecnn.web.uploads import examine_sent


def enrol(request: Request) -> Response:
    """Ask for a name, and whether the camera or photos show the person."""
    return page(
        request,
        "enrol.html",
        name=request.query_params.get("name", ""),
        most_files=MOST_FILES,
        most_mb=MOST_BYTES >> 20,
    )


def begin(request: Request) -> Response:
    """Begin to guide somebody."""
    try:
        _looker(site_of(request)).begin(clean_name(form_of(request)["name"]))
    except EdgeCNNError as e:
        return wrong(request, e, "/enrol")
    return go("/enrol/camera")


def guided(request: Request) -> Response:
    """The page that guides: the picture, what to do next, and the meter."""
    guide = _looker(site_of(request)).guide
    return page(request, "guided.html", guide=guide) if guide else go("/enrol")


def step(request: Request) -> Response:
    """What to do next and the meter, as a part of the page."""
    guide = _looker(site_of(request)).guide
    if guide is None:
        return Response("", media_type="text/html")
    return page(request, "step.html", guide=guide)


def finish(request: Request) -> Response:
    """Put the looks that were taken into the gallery."""
    site = site_of(request)
    guide = _looker(site).end()
    if guide is None or not guide.taken:
        return wrong(request, "No look was taken yet: stand before the camera.", "/enrol")
    return _added(request, guide.name, guide.taken)


def cancel(request: Request) -> Response:
    """Drop the looks that were taken."""
    _looker(site_of(request)).end()
    return go("/people", said="Cancelled, nothing was kept.")


def sent(request: Request) -> Response:
    """Enrol somebody from photos that were sent; these are not kept."""
    site, form = site_of(request), form_of(request)
    try:
        name = clean_name(form["name"])
        if not form.files:
            return wrong(request, "Choose at least one photo.", "/enrol")
        photos = examine_sent(site.bundle.path, name, form.files)
    except EdgeCNNError as e:
        return wrong(request, e, "/enrol")
    return _added(request, name, photos)


def _added(request: Request, name: str, photos: list[Photo]) -> Response:
    site = site_of(request)
    try:
        looked_at = add(site.bundle, site.gallery, name, photos, key=site.key)
    except EdgeCNNError as e:
        return wrong(request, e, "/enrol")
    return page(request, "enrolled.html", name=name, photos=looked_at)


def _looker(site: Site) -> Looker:
    assert site.looker is not None, "these routes are for bundles that know people"
    return site.looker

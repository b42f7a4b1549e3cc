"""Who is enrolled: their photos' quality, another name, forgetting; whom a face is not."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from edgecnn.errors import EdgeCNNError
from edgecnn.faces.enrol import add, teach_look
from edgecnn.faces.photo import USED, Photo
from edgecnn.faces.quality import fault
from edgecnn.faces.types import Sample
from edgecnn.web.answers import form_of, go, link, number_of, page, site_of, wrong
from edgecnn.web.clusters import Cluster, clusters
from edgecnn.web.visits import Visit, look_name


def people(request: Request) -> Response:
    """Everybody."""
    with site_of(request).people() as gallery:
        return page(request, "people.html", people=gallery.people())


def person(request: Request) -> Response:
    """One person: each photo and its quality."""
    name = request.query_params.get("name", "")
    with site_of(request).people() as gallery:
        found = next((p for p in gallery.people() if p.name == name), None)
        if found is None:
            return wrong(request, f"Nobody is called {name}.", "/people", 404)
        photos = [s for s in gallery.samples() if s.name == name]
        return page(request, "person.html", person=found, photos=photos)


def rename(request: Request) -> Response:
    """Another name."""
    form, site = form_of(request), site_of(request)
    try:
        with site.people() as gallery:
            gallery.rename(form["name"], form["new"])
    except EdgeCNNError as e:
        return wrong(request, e, link("/person", name=form["name"]))
    site.visits.forget(form["name"])
    return go("/people", said=f"{form['name']} is {form['new'].strip()} now.")


def confirm(request: Request) -> Response:
    """Ask before somebody is forgotten."""
    return page(request, "forget.html", name=request.query_params.get("name", ""))


def forget(request: Request) -> Response:
    """Remove somebody from the gallery, and from what the page remembers."""
    name, site = form_of(request)["name"], site_of(request)
    try:
        with site.people() as gallery:
            count = gallery.forget(name)
    except EdgeCNNError as e:
        return wrong(request, e, "/people")
    finally:
        site.visits.forget(name)
    return go("/people", said=f"{name} is forgotten ({count} photos).")


def is_not(request: Request) -> Response:
    """The face of a visit is not the person whose name it was given."""
    site, form = site_of(request), form_of(request)
    visit = _visit(request, form["visit"])
    if visit is None or visit.name is None:
        return wrong(request, "This sighting is not remembered any more.", "/", 404)
    if visit.embedding is None or visit.quality is None:
        return wrong(request, f"There was no good look at this face: wait until it is taken for "
                     f"{visit.name} once more, nearer or in better light.", "/")  # fmt: skip
    name, source = visit.name, look_name(visit.last)
    try:
        with site.people() as gallery:
            teach_look(gallery, Sample(name, visit.embedding, visit.quality.overall, source))
    except EdgeCNNError as e:
        return wrong(request, e, "/")
    site.visits.forget_visits([visit.number])
    return go("/", said=f"That face is not {name} from now on.")


def unteach(request: Request) -> Response:
    """Take back that a face is not somebody's."""
    form = form_of(request)
    try:
        with site_of(request).people() as gallery:
            gallery.unteach(form["name"], form["source"])
    except EdgeCNNError as e:
        return wrong(request, e, link("/person", name=form["name"]))
    return go("/person", name=form["name"], said="Taken back.")


def unknowns(request: Request) -> Response:
    """Unknown faces, those that belong together in one row."""
    return page(request, "unknowns.html", clusters=_clusters(request))


def name_unknown(request: Request) -> Response:
    """Enrol an unknown face from its visits, those looks that are good enough."""
    form, site = form_of(request), site_of(request)
    cluster = _cluster(request, form["cluster"])
    if cluster is None:
        return wrong(request, "This face is not remembered any more.", "/unknowns", 404)
    photos = [_photo(v) for v in cluster.visits]
    try:
        looked_at = add(site.bundle, site.gallery, form["name"], photos, key=site.key)
    except EdgeCNNError as e:
        return wrong(request, e, "/unknowns")
    if any(p.fate == USED for p in looked_at):
        site.visits.forget_visits([v.number for v in cluster.visits])
    return page(request, "enrolled.html", name=form["name"].strip(), photos=looked_at)


def drop_unknown(request: Request) -> Response:
    """Forget an unknown face."""
    cluster = _cluster(request, form_of(request)["cluster"])
    if cluster is None:
        return wrong(request, "This face is not remembered any more.", "/unknowns", 404)
    site_of(request).visits.forget_visits([v.number for v in cluster.visits])
    return go("/unknowns", said="Forgotten.")


def _clusters(request: Request) -> list[Cluster]:
    site = site_of(request)
    return clusters(site.visits.settled(), site.bundle.threshold)


def _cluster(request: Request, visit: str) -> Cluster | None:
    """The cluster that a visit is of, by its number: which of them is best changes meanwhile."""
    number = number_of(visit)
    found = (c for c in _clusters(request) if any(v.number == number for v in c.visits))
    return next(found, None)


def _photo(visit: Visit) -> Photo:
    """A visit's look as a photo; one that is not good enough to enrol says why."""
    assert visit.quality is not None
    why = fault(visit.quality) or USED
    return Photo("", look_name(visit.last), why, embedding=visit.embedding, quality=visit.quality)


def _visit(request: Request, number: str) -> Visit | None:
    return site_of(request).visits.get(number_of(number))

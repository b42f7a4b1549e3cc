"""The page's own looks at faces, with and without a veil before the other outputs."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace

import face_doubles
import numpy as np
import pytest
from web_tools import dark, result, seen, until

from edgecnn.camera.pipeline import Result
from edgecnn.web.looker import Looker
from edgecnn.web.visits import Visits

PICTURE = face_doubles.portrait(face_doubles.ANN)
(FACE,) = face_doubles.detect(PICTURE)


def veiled(name: str | None) -> Result:
    """A face whose frame is dark where the outputs see it."""
    shown = result(dark(), [seen(FACE, name)])
    return replace(shown, veiled_bgr=PICTURE)


def looker(visits: Visits, shown: Result) -> Looker:
    models = face_doubles.detect, face_doubles.embed
    return Looker(lambda: models, visits, lambda: shown, 0.5, keep_faces=True, every_s=0.01)


@pytest.mark.parametrize(
    ("shown", "keeps"),
    [
        (result(PICTURE, [seen(FACE, None)]), True),
        (veiled(None), False),
        (veiled("Ann"), True),
    ],
    ids=["no-veil", "unknown", "named"],
)
def test_a_veiled_face_is_looked_at_and_no_picture_of_it_is_kept(
    shown: Result, keeps: bool
) -> None:
    visits = Visits()
    visits.update(shown)
    with closing(looker(visits, shown)):
        until = time.monotonic() + 20
        while not visits.settled()[0].quality and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.05)
    (visit,) = visits.settled()
    assert visit.embedding is not None
    assert bool(visit.face) is keeps


@pytest.mark.parametrize("light", [0.0, 0.5], ids=["dark", "dim"])
def test_a_bad_first_look_is_bettered(light: float) -> None:
    visits, looked_at = Visits(), list[Result]()

    def newest() -> Result:
        picture = PICTURE if looked_at else (PICTURE * light).astype(np.uint8)
        shown = result(picture, [seen(FACE, None)])
        visits.update(shown)
        looked_at.append(shown)
        return shown

    def good() -> bool:
        (visit,) = visits.settled() or [None]
        return bool(visit and visit.quality and visit.quality.brightness > 100)

    models = face_doubles.detect, face_doubles.embed
    with closing(Looker(lambda: models, visits, newest, 0.5, every_s=0.01)):
        until(good)


def test_enrolment_sees_through_the_veil() -> None:
    shown = veiled(None)
    with closing(looker(Visits(), shown)) as looking:
        looking.begin("Ann")
        until = time.monotonic() + 20
        while not looking.guide.taken and time.monotonic() < until:  # type: ignore[union-attr]
            time.sleep(0.01)
        guide = looking.end()
    assert guide is not None and len(guide.taken) == 1

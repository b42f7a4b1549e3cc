"""What the page shows and changes, over sockets, with faces and models that are doubles."""

from __future__ import annotations

import http.client
import re
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import face_doubles
import numpy as np
import pytest
from face_doubles import ANN, BOB
from web_tools import PASSWORD, Served, dark, feeding, read_parts, result, seen, served, until

from edgecnn.bundle import Bundle
from edgecnn.errors import StorageError
from edgecnn.faces.types import Sample
from edgecnn.web import looker as looker_module
from edgecnn.web import pictures as pictures_module
from edgecnn.web import site as site_module
from edgecnn.web.pictures import Pictures
from edgecnn.web.site import Meter, temperature_c

NAME = 'Zoë <b>"O’Neil" & / Søn'
"""Letters, quotes, tags, a slash: whatever somebody is called."""


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    return face_doubles.bundle(tmp_path / "bundle", monkeypatch)


@pytest.fixture
def page(bundle: Bundle, tmp_path: Path) -> Iterator[Served]:
    with served(bundle, tmp_path, keep_faces=True) as made:
        yield made


def enrol(page: Served, name: str, *tints: tuple[int, int, int]) -> None:
    with page.site.people() as gallery:
        for i, tint in enumerate(tints):
            face = face_doubles.face(tint, i)
            embedding = face_doubles.embed_photo(face)
            gallery.add_all([Sample(name, embedding, 0.5, f"{i}.jpg")])


def names(page: Served) -> list[str]:
    with page.site.people() as gallery:
        return [p.name for p in gallery.people()]


def show(page: Served, name: str | None, tint: tuple[int, int, int], seed: int = 0) -> int:
    """A face before the camera until the page has had its look; the visit's number."""
    picture = face_doubles.portrait(tint, seed)
    (found,) = face_doubles.detect(picture)
    track = 10 * (ANN, BOB).index(tint) + seed
    with feeding(page.sink, lambda i: result(picture, [seen(found, name, track)], i)):
        until(lambda: any(v.embedding is not None and v.track == track
                          for v in page.site.visits.settled()))  # fmt: skip
    return next(v.number for v in page.site.visits.settled() if v.track == track)


class TestLive:
    def test_pictures_come_one_after_the_other(self, page: Served) -> None:
        shades = [np.full((48, 64, 3), 20 * i, np.uint8) for i in range(12)]
        with feeding(page.sink, lambda i: result(shades[i % 12], index=i)):
            connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=10)
            connection.request("GET", "/live.mjpg", headers={"Cookie": page.client.cookie})
            answer = connection.getresponse()
            assert answer.getheader("content-type") == (
                "multipart/x-mixed-replace; boundary=edgecnn-picture"
            )
            parts = read_parts(answer, 3)
            assert all(p[:2] == b"\xff\xd8" and p[-2:] == b"\xff\xd9" for p in parts)
            assert len(set(parts)) == 3
            assert page.site.pictures.viewers == 1
            answer.close()
            connection.close()
            until(lambda: page.site.pictures.viewers == 0)

    def test_nothing_is_drawn_or_encoded_while_nobody_watches(
        self, page: Served, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[int] = []
        real = pictures_module.jpeg_of
        monkeypatch.setattr(pictures_module, "jpeg_of", lambda p: made.append(1) or real(p))
        for i in range(20):
            page.sink.write(result(dark(), index=i))
        time.sleep(0.2)
        assert made == []
        assert page.client.get("/still.jpg").status == 200 and made == [1]

    def test_one_encoding_serves_all_viewers(
        self, page: Served, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[int] = []
        real = pictures_module.jpeg_of
        monkeypatch.setattr(pictures_module, "jpeg_of", lambda p: made.append(1) or real(p))
        page.sink.write(result(dark()))
        streams = []
        for _ in range(8):
            connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=10)
            connection.request("GET", "/live.mjpg", headers={"Cookie": page.client.cookie})
            streams.append((connection, connection.getresponse()))
        assert len({read_parts(answer, 1)[0] for _, answer in streams}) == 1
        assert made == [1], "also whoever comes later gets the picture that is there"
        for connection, answer in streams:
            answer.close()
            connection.close()

    def test_whoever_comes_first_sees_no_old_picture(self, page: Served) -> None:
        shades = [np.full((48, 64, 3), 200 * i, np.uint8) for i in range(2)]
        found = []
        for shade in shades:
            page.sink.write(result(shade))
            connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=10)
            connection.request("GET", "/live.mjpg", headers={"Cookie": page.client.cookie})
            answer = connection.getresponse()
            found += read_parts(answer, 1)
            answer.close()
            connection.close()
            until(lambda: page.site.pictures.viewers == 0)
            page.sink.write(result(dark()))
        assert found == [pictures_module.jpeg_of(shade) for shade in shades]

    def test_many_who_come_do_not_make_it_faster(
        self, page: Served, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each newcomer gets what the others see; the next picture comes when it is due."""
        made: list[int] = []
        real = pictures_module.jpeg_of
        monkeypatch.setattr(pictures_module, "jpeg_of", lambda p: made.append(1) or real(p))
        monkeypatch.setattr(pictures_module, "MOST_FPS", 0.1)
        with feeding(page.sink, lambda i: result(dark(), index=i), fps=100):
            streams = []
            for _ in range(10):
                connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=10)
                connection.request("GET", "/live.mjpg", headers={"Cookie": page.client.cookie})
                answer = connection.getresponse()
                read_parts(answer, 1)
                streams.append((connection, answer))
            assert made == [1]
            for connection, answer in streams:
                answer.close()
                connection.close()

    def test_the_rate_is_shared_by_all(self) -> None:
        """Five viewers get all there is; 200 get one in 3.3 s each, in all no more than 60."""
        assert pictures_module.every_s(1) == pictures_module.every_s(5) == pytest.approx(1 / 12)
        assert pictures_module.every_s(200) == pytest.approx(200 / 60)

    def test_wide_pictures_are_sent_smaller(self) -> None:
        import cv2

        jpeg = pictures_module.jpeg_of(np.zeros((1080, 1920, 3), np.uint8))
        assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1).shape == (540, 960, 3)

    def test_closing_ends_the_encoder(self) -> None:
        import asyncio

        pictures = Pictures()
        pictures.offer(result(dark()))

        async def watch() -> int:
            count = 0
            async for _ in pictures.watch():
                count += 1
                threading.Thread(target=pictures.close).start()
            return count

        assert asyncio.run(asyncio.wait_for(watch(), 5)) == 1
        until(lambda: "edgecnn-jpeg" not in [t.name for t in threading.enumerate()])

    def test_who_is_there(self, page: Served) -> None:
        (ann,) = face_doubles.detect(face_doubles.portrait(ANN))
        assert "No picture comes" in page.client.get("/now").text
        page.sink.write(result(dark()))
        assert "Nobody." in page.client.get("/now").text
        faces = [seen(ann, NAME, 1), seen(ann, None, 2), seen(ann, None, 3, decided=False)]
        page.sink.write(result(dark(), faces))
        text = page.client.get("/now").text
        assert "Zoë &lt;b&gt;&#34;O’Neil&#34; &amp; / Søn" in text and "<b>" not in text
        assert "Somebody unknown" in text and "looking …" in text
        seen_text = page.client.get("/seen").text
        assert "Zoë" in seen_text and "Unknown" in seen_text

    def test_how_the_camera_does(self, page: Served) -> None:
        for _ in range(5):
            page.sink.write(result(dark()))
        text = page.client.get("/health").text
        assert "frames a second" in text and "20" in text

    def test_about_tells_what_was_measured(self, page: Served) -> None:
        text = page.client.get("/about").text
        assert "0.500" in text and "1.00<small> in 1,000" in text and "1,000<small> trials" in text
        assert "Tints." in text


class TestPeople:
    def test_list_and_photos(self, page: Served) -> None:
        assert "Nobody is enrolled" in page.client.get("/people").text
        enrol(page, NAME, ANN, ANN, ANN)
        text = page.client.get("/people").text
        assert "3 photos" in text and "0.50" in text
        link = "/person?name=Zo%C3%AB+%3Cb%3E%22O%E2%80%99Neil%22+%26+%2F+S%C3%B8n"
        assert link in text
        person = page.client.get(link)
        assert person.status == 200 and person.text.count("<meter") == 3
        assert "2.jpg" in person.text
        assert page.client.get("/person?name=Nobody").status == 404

    def test_forgetting_asks_first_and_leaves_nothing(self, page: Served) -> None:
        enrol(page, NAME, ANN)
        enrol(page, "Bob", BOB)
        show(page, NAME, ANN)
        asked = page.client.get("/forget?name=" + "Bob")
        assert "Forget Bob?" in asked.text and names(page) == ["Bob", NAME]
        assert page.client.post("/forget", {"name": NAME}).status == 303
        assert names(page) == ["Bob"]
        assert [v for v in page.site.visits.settled() if v.name == NAME] == []
        assert "O’Neil".encode() not in page.site.gallery.read_bytes()
        assert page.client.post("/forget", {"name": NAME}).status == 400

    @pytest.mark.parametrize("path", ["forget", "rename"])
    def test_a_frame_in_work_brings_no_old_name_back(self, page: Served, path: str) -> None:
        enrol(page, "Ann", ANN)
        (found,) = face_doubles.detect(face_doubles.portrait(ANN))
        in_work = result(dark(), [seen(found, "Ann")])
        assert page.client.post(f"/{path}", {"name": "Ann", "new": "Zoë"}).status == 303
        page.sink.write(in_work)
        assert page.site.visits.settled() == [] and "Ann" not in page.client.get("/seen").text
        page.sink.write(result(dark(), [seen(found, "Zoë")]))
        assert [v.name for v in page.site.visits.settled()] == ["Zoë"]

    def test_rename(self, page: Served) -> None:
        enrol(page, "Ann", ANN)
        enrol(page, "Bob", BOB)
        assert page.client.post("/rename", {"name": "Ann", "new": " Zoë "}).status == 303
        assert names(page) == ["Bob", "Zoë"]
        answer = page.client.post("/rename", {"name": "Zoë", "new": "bob"})
        assert answer.status == 400 and "is enrolled already" in answer.text

    def test_this_is_not_ann(self, page: Served) -> None:
        enrol(page, "Ann", ANN)
        number = show(page, "Ann", BOB)  # a look-alike, say
        assert page.client.post("/not", {"visit": str(number)}).status == 303
        with page.site.people() as gallery:
            (taught,) = gallery.negatives()
        assert taught.name == "Ann" and taught.source.startswith("camera 20")
        assert page.client.post("/not", {"visit": str(number)}).status == 404
        text = page.client.get("/person?name=Ann").text
        assert "Not Ann" in text and taught.source in text
        undo = {"name": "Ann", "source": taught.source}
        assert page.client.post("/not/remove", undo).status == 303
        with page.site.people() as gallery:
            assert gallery.negatives() == []

    def test_one_of_her_own_photos_is_not_taught(self, page: Served) -> None:
        enrol(page, "Ann", ANN)
        number = show(page, "Ann", ANN)
        answer = page.client.post("/not", {"visit": str(number)})
        assert answer.status == 400 and "expected a photo of somebody else" in answer.text

    @pytest.mark.parametrize("number", ["", "999", "-1", "x", "9" * 5000, "²"])
    def test_visits_that_are_not_there(self, page: Served, number: str) -> None:
        assert page.client.post("/not", {"visit": number}).status in (400, 404)
        asked = number[:50].replace("²", "%C2%B2")
        assert page.client.get(f"/face.jpg?visit={asked}").status == 404

    def test_a_face_that_was_not_looked_at_cannot_be_taught(
        self, page: Served, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        enrol(page, "Ann", ANN)
        (found,) = face_doubles.detect(face_doubles.portrait(ANN))
        page.sink.write(result(dark(), [seen(found, "Ann")]))  # nothing is seen in the dark
        (visit,) = page.site.visits.settled()
        answer = page.client.post("/not", {"visit": str(visit.number)})
        assert answer.status == 400 and "no good look" in answer.text


class TestUnknown:
    def test_a_name_for_somebody_unknown(self, page: Served) -> None:
        for seed in (0, 1):
            show(page, None, ANN, seed)
        show(page, None, BOB)
        text = page.client.get("/unknowns").text
        assert text.count("<h2>Unknown") == 2 and "Seen 2 times" in text
        cluster = re.findall(r'2 times.*?name="cluster" value="(\d+)"', text, re.S)[0]
        answer = page.client.post("/unknowns/name", {"cluster": cluster, "name": NAME})
        assert answer.status == 200 and "is enrolled" in answer.text
        assert names(page) == [NAME]
        assert page.client.get("/unknowns").text.count("<h2>Unknown") == 1

    def test_a_bad_name_changes_nothing(self, page: Served) -> None:
        number = show(page, None, ANN)
        answer = page.client.post("/unknowns/name", {"cluster": str(number), "name": "unknown"})
        assert answer.status == 400 and names(page) == []
        assert page.client.post("/unknowns/name", {"cluster": "77", "name": "A"}).status == 404

    def test_forgetting_somebody_unknown(self, page: Served) -> None:
        number = show(page, None, ANN)
        assert page.client.get(f"/face.jpg?visit={number}").body[:2] == b"\xff\xd8"
        assert page.client.post("/unknowns/forget", {"cluster": str(number)}).status == 303
        assert "Nobody unknown" in page.client.get("/unknowns").text
        again = page.client.post("/unknowns/forget", {"cluster": str(number)})
        assert again.status == 404 and "not remembered any more" in again.text

    @pytest.mark.parametrize(("path", "status"), [("name", 200), ("forget", 303)])
    def test_a_form_holds_though_a_better_look_came(
        self, page: Served, path: str, status: int
    ) -> None:
        numbers = [show(page, None, ANN, seed) for seed in (0, 1)]
        for number, overall in zip(numbers, (0.9, 0.8), strict=True):
            visit = page.site.visits.get(number)
            assert visit is not None and visit.quality is not None
            visit.quality = replace(visit.quality, overall=overall)
        text = page.client.get("/unknowns").text
        (sent,) = set(re.findall(r'name="cluster" value="(\d+)"', text))
        assert sent == str(numbers[0])
        better = page.site.visits.get(numbers[1])
        assert better is not None and better.quality is not None
        better.quality = replace(better.quality, overall=1.0)
        answer = page.client.post(f"/unknowns/{path}", {"cluster": sent, "name": "Ann"})
        assert answer.status == status
        assert page.site.visits.settled() == []

    def test_no_picture_is_kept_unless_asked(self, bundle: Bundle, tmp_path: Path) -> None:
        with served(bundle, tmp_path) as page:
            number = show(page, None, ANN)
            assert page.site.visits.get(number).face == b""  # type: ignore[union-attr]
            assert page.client.get(f"/face.jpg?visit={number}").status == 404
            assert "No pictures of them are kept" in page.client.get("/unknowns").text


class TestGuided:
    def test_from_the_first_look_to_the_gallery(self, page: Served) -> None:
        client = page.client
        assert client.get("/enrol/camera").headers["location"] == "/enrol"
        assert client.post("/enrol/camera", {"name": "Ann"}).headers["location"] == "/enrol/camera"
        assert "Look straight" in client.get("/enrol/camera").text
        pictures = [face_doubles.portrait(ANN, i) for i in range(4)]
        with feeding(page.sink, lambda i: result(pictures[i % 4], index=i)):
            until(lambda: "4 looks taken" in client.get("/enrol/step").text)
            until(lambda: "This look is there already" in client.get("/enrol/step").text)
        answer = client.post("/enrol/finish")
        assert answer.status == 200 and "Ann is enrolled" in answer.text
        with page.site.people() as gallery:
            (ann,) = gallery.people()
        assert ann.name == "Ann" and 1 <= ann.embeddings <= 4
        assert client.get("/enrol/step").body == b""

    def test_two_people_or_nobody_are_refused_with_the_reason(self, page: Served) -> None:
        client = page.client
        client.post("/enrol/camera", {"name": "Ann"})
        with feeding(page.sink, lambda i: result(dark(), index=i)):
            until(lambda: "No face is seen" in client.get("/enrol/step").text)
        both = face_doubles.scene(
            (face_doubles.face(ANN), 20, 60), (face_doubles.face(BOB), 180, 60)
        )
        with feeding(page.sink, lambda i: result(both, index=i)):
            until(lambda: "More than one face" in client.get("/enrol/step").text)
        answer = client.post("/enrol/finish")
        assert answer.status == 400 and "No look was taken" in answer.text and names(page) == []

    def test_one_enrolment_at_a_time(self, page: Served) -> None:
        page.client.post("/enrol/camera", {"name": "Ann"})
        answer = page.client.post("/enrol/camera", {"name": "Bob"})
        assert answer.status == 400 and "Ann is being enrolled" in answer.text
        assert page.client.post("/enrol/cancel").status == 303
        assert page.client.post("/enrol/camera", {"name": "Bob"}).status == 303

    @pytest.mark.parametrize("name", ["", " ", "unknown", "a" * 81, "a\nb", "\u202eevil"])
    def test_bad_names(self, page: Served, name: str) -> None:
        answer = page.client.post("/enrol/camera", {"name": name})
        assert answer.status == 400 and "expected a name" in answer.text

    def test_an_enrolment_that_nobody_finishes_is_dropped(
        self, page: Served, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(looker_module, "GIVEN_UP_S", 0.1)
        page.client.post("/enrol/camera", {"name": "Ann"})
        looker = page.site.looker
        assert looker is not None
        with feeding(page.sink, lambda i: result(dark(), index=i)):
            until(lambda: looker._guide is None)


def test_an_images_bundle_has_no_people(tmp_path: Path) -> None:
    from test_cli_camera import make_bundle

    made = Bundle(make_bundle(tmp_path / "images", "images"))
    with served(made, tmp_path) as page:
        text = page.client.get("/").text
        assert page.client.get("/people").status == 404 and "People" not in text
        assert "Seen lately" not in text and page.client.get("/about").status == 200


def test_tls_by_own_certificate(bundle: Bundle, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
            "/CN=localhost", "-keyout", str(key), "-out", str(cert)]  # fmt: skip
    subprocess.run(made, check=True, capture_output=True)
    with served(bundle, tmp_path, cert=cert, key=key) as page:
        assert page.address.startswith("https://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=str(cert))
        trusting.check_hostname = False
        connection = http.client.HTTPSConnection("127.0.0.1", page.port, context=trusting)
        host = f"127.0.0.1:{page.port}"
        body = f"password={PASSWORD.replace(' ', '+')}"
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/login", body, {**kind, "Origin": f"http://{host}"})
        answer = connection.getresponse()
        assert answer.read() and answer.status == 403, "a page without TLS is another origin"
        connection.close()
        connection.request("POST", "/login", body, {**kind, "Origin": f"https://{host}"})
        answer = connection.getresponse()
        cookie = answer.getheader("set-cookie") or ""
        assert answer.status == 303 and cookie.startswith("__Host-edgecnn=")
        assert "; secure" in cookie.lower()
        connection.close()


def test_a_certificate_that_cannot_be_used_is_told(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("no certificate")
    bad = {"cert": tmp_path / "cert.pem", "key": tmp_path / "cert.pem"}
    with pytest.raises(StorageError, match="--web-cert"), served(bundle, tmp_path, **bad):
        pass


def test_a_port_that_is_taken_is_told(page: Served, bundle: Bundle) -> None:
    from edgecnn.web.server import serving
    from edgecnn.web.site import Settings, Site

    settings = Settings(port=page.port, password=page.site.password.path)
    other = Site.of(bundle, page.site.gallery, "a camera", settings)
    taken = pytest.raises(StorageError, match=r"Address already in use.*--web HOST:PORT")
    with taken, serving(other):
        pass


@pytest.mark.parametrize("host", ["127..0.0.1", ".localhost"])
def test_a_host_with_an_empty_label_is_told(bundle: Bundle, tmp_path: Path, host: str) -> None:
    told = pytest.raises(StorageError, match=rf"cannot be served at {host}:0 \(.*--web HOST:PORT")
    with told, served(bundle, tmp_path, host=host):
        pass


def test_ending_leaves_no_thread(bundle: Bundle, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with served(bundle, tmp_path) as page, page.connect() as connection:
        cookie = page.client.cookie
        page.sink.write(result(dark()))
        connection.sendall(
            f"GET /live.mjpg HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n".encode()
        )
        until(lambda: page.site.pictures.viewers == 1)
    ours = [t for t in set(threading.enumerate()) - before if t.name.startswith("edgecnn")]
    assert ours == []


def test_rate_and_latency() -> None:
    times = iter([0.0, 0.5, 1.0, 1.5])
    meter = Meter(lambda: next(times))
    assert meter.fps == 0
    for latency in (10, 20, 30, 40):
        meter.count(latency)
    assert meter.fps == 2.0 and meter.latency["p50_ms"] == 25


def test_temperature(tmp_path: Path) -> None:
    assert temperature_c(tmp_path) is None
    for zone, text in (("0", "48312\n"), ("1", "61500"), ("2", "nonsense"), ("3", "-274000")):
        (tmp_path / f"thermal_zone{zone}").mkdir()
        (tmp_path / f"thermal_zone{zone}" / "temp").write_text(text)
    assert temperature_c(tmp_path) == 61.5
    assert Path("/sys/class/thermal") == site_module.THERMAL

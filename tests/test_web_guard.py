"""Who gets in: attacks over real sockets on a real server."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import face_doubles
import pytest
from web_tools import PASSWORD, Client, Served, dark, feeding, multipart, result, served, until

from edgecnn.web import guard, routes, server
from edgecnn.web.guard import HEADERS, OPEN
from edgecnn.web.throttle import ONE

EVERYTHING = [(path, method) for path, _, (method,) in (*routes.ROUTES, *routes.FACES)]
"""Read off the application's own table: a new route is attacked without being named here."""


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    bundle = face_doubles.bundle(tmp_path / "bundle", monkeypatch)
    with served(bundle, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One page for attacks that must change nothing."""
    folder = tmp_path_factory.mktemp("web")
    with pytest.MonkeyPatch.context() as patch:
        bundle = face_doubles.bundle(folder / "bundle", patch)
        with served(bundle, folder, names=("board.example",)) as made:
            yield made


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """Without a password yet."""
    bundle = face_doubles.bundle(tmp_path / "bundle", monkeypatch)
    with served(bundle, tmp_path, password=None) as made:
        yield made


def test_the_table_is_all_there_is(shared: Served) -> None:
    app = routes.application(shared.site).app
    there = {(r.path, m) for r in app.routes if hasattr(r, "methods") for m in r.methods - {"HEAD"}}
    assert there == set(EVERYTHING)
    assert [r.path for r in app.routes if not hasattr(r, "methods")] == ["/static"]


@pytest.mark.parametrize(("path", "method"), EVERYTHING)
def test_no_route_gives_anything_without_a_log_in(shared: Served, path: str, method: str) -> None:
    stranger = shared.stranger()
    if path == "/login":
        return
    for headers in ({"Accept": "text/html"}, {}, {"Cookie": "edgecnn=forged"}):
        form = {"Origin": f"http://{stranger.host}",
                "Content-Type": "application/x-www-form-urlencoded"}  # fmt: skip
        answer = stranger.ask(method, path, b"name=Ann" if method == "POST" else b"",
                              {**headers, **(form if method == "POST" else {})})  # fmt: skip
        assert answer.status in (303, 401)
        if answer.status == 303:
            assert answer.headers["location"] == "/login"
        assert answer.body in (b"", b"log in first\n")
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/nothing", "/static/no.js", "/static", "/static/", "//", "/."])
def test_what_is_not_there_looks_the_same(shared: Served, path: str) -> None:
    answer = shared.stranger().ask("GET", path)
    assert (answer.status, answer.body) == (401, b"log in first\n")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "NONSENSE"])
def test_other_methods_get_nowhere(shared: Served, method: str) -> None:
    assert shared.stranger().ask(method, "/").status in (401, 403)
    answer = shared.client.ask(method, "/people", headers={"Cookie": shared.client.cookie})
    assert answer.status == 403, "without an origin it changes nothing"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../routes.py", "/static/%2e%2e/routes.py", "/static/..%2froutes.py",
        "/static//etc/passwd", "/static/%2fetc%2fpasswd", "/static/....//routes.py",
        "/static/..%5croutes.py", "/static/%00", "/static/../templates/base.html",
        "/static/page.css/../../site.py", "/static/%c0%ae%c0%ae/routes.py",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_static_files(shared: Served, path: str) -> None:
    """Also for who is logged in."""
    answer = shared.client.get(path)
    assert answer.status == 404
    assert "There is no such page" in answer.text


def test_static_files_are_there(shared: Served) -> None:
    for path in sorted(OPEN - {"/login"}):
        assert shared.stranger().ask("GET", path).status == 200


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1", "https://127.0.0.1:{port}",
     "http://127.0.0.1:{port}.evil.example", "http://localhost:{port}", "", None],
)  # fmt: skip
def test_a_form_from_elsewhere_changes_nothing(page: Served, origin: str | None) -> None:
    client = page.client
    body = f"csrf={client.token}&name=Ann".encode()
    headers = {"Cookie": client.cookie, "Content-Type": "application/x-www-form-urlencoded"}
    if origin is not None:
        headers["Origin"] = origin.format(port=page.port)
    assert client.ask("POST", "/enrol/camera", body, headers).status == 403
    assert page.site.looker is not None and page.site.looker.guide is None
    assert client.post("/enrol/camera", {"name": "Ann"}).status == 303, "ours does"
    assert page.site.looker.guide is not None


POSTS = [path for path, method in EVERYTHING if method == "POST" and path not in ("/login",)]


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("token", ["", "forged", None])
def test_no_form_is_taken_without_its_token(shared: Served, path: str, token: str | None) -> None:
    client, other = shared.client, shared.stranger()
    if token is None:  # of another session
        other.log_in()
        token = other.token
        assert token != client.token
    for send in (
        lambda: client.post(path, {"name": "Ann"}),
        lambda: client.upload(path, {"name": "Ann"}, [("a.png", b"x")]),
    ):
        client.token = token  # the answer's own forms bring the right one
        assert send().status == 403
    assert client.get("/about").status == 200, "still logged in"


def test_a_token_after_the_files_is_too_late(shared: Served) -> None:
    body = multipart({"name": "Ann"}, [("a.png", b"x" * 1000)])
    late = b'--XX\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n'
    body = body.replace(b"--XX--", late + shared.client.token.encode() + b"\r\n--XX--")
    answer = shared.client.send("/enrol/photos", body, "multipart/form-data; boundary=XX")
    assert answer.status == 403


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:{port}", 200), ("localhost:{port}", 200), ("[::1]:{port}", 200),
     ("192.0.2.7", 200), ("LOCALHOST", 200), (socket.gethostname(), 200), ("board.example", 200),
     ("evil.example", 421), ("127.0.0.1.evil.example", 421), ("", 421), ("localhost.evil", 421),
     ("[::1", 400), ("evil.example@127.0.0.1", 200)],
)  # fmt: skip
def test_only_our_own_names_are_answered(shared: Served, host: str, status: int) -> None:
    """A foreign name that points here (DNS rebinding) gets nothing; an address cannot be one."""
    asked = {"Host": host.format(port=shared.port), "Accept": "text/html"}
    assert shared.stranger().ask("GET", "/login", headers=asked).status == status


def test_two_hosts_are_refused(shared: Served) -> None:
    with shared.connect() as connection:
        connection.sendall(b"GET /login HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
        assert b" 400 " in connection.recv(1000).splitlines()[0]


class TestBeforeThePassword:
    def test_everything_leads_to_setting_it(self, fresh: Served) -> None:
        stranger = fresh.stranger()
        for path, method in EVERYTHING:
            if method == "GET" and path != "/setup":
                answer = stranger.get(path)
                assert (answer.status, answer.headers["location"]) == (303, "/setup")
        assert stranger.post("/login", {"password": ""}).status == 401
        assert "Choose a password" in stranger.get("/setup").text

    @pytest.mark.parametrize("host", ["192.0.2.7", socket.gethostname(), "evil.example"])
    def test_only_a_name_of_the_loopback_is_answered(self, fresh: Served, host: str) -> None:
        for path in ("/setup", "/", "/static/page.css", "/live.mjpg"):
            assert fresh.stranger().ask("GET", path, headers={"Host": host}).status in (403, 421)

    def test_nobody_from_elsewhere_is_answered(
        self, fresh: Served, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = guard.Guard(fresh.site, fresh.site.sessions, lambda: False)  # type: ignore[arg-type]
        scope = {"type": "http", "path": "/setup", "method": "GET", "client": ("192.0.2.9", 5000),
                 "headers": [(b"host", b"localhost")]}  # fmt: skip
        import asyncio

        with pytest.raises(guard.Refused, match="no password is set yet"):
            asyncio.run(made._admit(scope, None))  # type: ignore[arg-type]
        scope["client"] = ("::ffff:127.0.0.1", 5000)
        assert asyncio.run(made._admit(scope, None)) is None  # type: ignore[arg-type]

    def test_setting_it_logs_in_and_closes_the_door(self, fresh: Served) -> None:
        first, second = fresh.stranger(), fresh.stranger()
        for wrong in ({"password": "short", "again": "short"},
                      {"password": PASSWORD, "again": "another one"}):  # fmt: skip
            assert first.post("/setup", wrong).status == 400
        assert not fresh.site.password.is_set
        answer = first.post("/setup", {"password": PASSWORD, "again": PASSWORD})
        assert (answer.status, answer.headers["location"]) == (303, "/")
        assert first.get("/").status == 200
        late = second.post("/setup", {"password": "mine it is now", "again": "mine it is now"})
        assert late.status == 401
        assert fresh.site.password.check(PASSWORD)
        assert second.get("/setup").headers["location"] == "/login"
        file = fresh.site.password.path
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.parent.stat().st_mode & 0o777 == 0o700
        assert file.read_text().startswith("$argon2id$") and PASSWORD not in file.read_text()


class TestLogIn:
    def test_the_cookie_cannot_be_read_by_scripts_or_sent_by_others(self, page: Served) -> None:
        answer = page.stranger().post("/login", {"password": PASSWORD})
        name, *flags = re.split(r";\s*", answer.headers["set-cookie"])
        assert {f.lower() for f in flags} == {"httponly", "samesite=strict", "path=/"}
        assert len(name.partition("=")[2]) >= 43, "256 random bits"

    def test_a_number_that_was_brought_along_is_not_used(self, page: Served) -> None:
        """Session fixation."""
        victim = page.stranger()
        victim.cookie = "edgecnn=chosen-by-somebody-else"
        assert victim.log_in().status == 303
        assert victim.cookie != "edgecnn=chosen-by-somebody-else"
        attacker = page.stranger()
        attacker.cookie = "edgecnn=chosen-by-somebody-else"
        assert attacker.get("/about").status == 303
        again = victim.cookie
        victim.log_in()
        assert victim.cookie != again, "each log-in has a number of its own"

    def test_logging_out_ends_the_session_here(self, page: Served) -> None:
        client, old = page.client, page.client.cookie
        assert client.post("/logout").headers["location"] == "/login"
        client.cookie = old
        assert client.get("/about").headers["location"] == "/login"

    def test_logging_out_ends_the_pictures_too(self, page: Served) -> None:
        with feeding(page.sink, lambda i: result(dark(), index=i)), page.connect() as connection:
            connection.sendall(live(page))
            until(lambda: page.site.pictures.viewers == 1)
            page.client.post("/logout")
            until(lambda: page.site.pictures.viewers == 0)

    def test_attempts_are_counted_before_the_password_is_looked_at(self, page: Served) -> None:
        stranger = page.stranger()
        codes = [
            stranger.post("/login", {"password": f"guess {i}"}).status for i in range(ONE.burst)
        ]
        assert codes == [403] * ONE.burst
        answer = stranger.post("/login", {"password": PASSWORD})
        assert answer.status == 429 and 0 < int(answer.headers["retry-after"]) <= 30
        assert "set-cookie" not in answer.headers, "the right one is not looked at either"
        assert page.client.get("/about").status == 200, "who is logged in stays so"

    def test_another_address_in_a_header_does_not_help(self, page: Served) -> None:
        stranger = page.stranger()
        codes = [
            stranger.post("/login", {"password": "x"}, **{"X-Forwarded-For": f"10.0.0.{i}"}).status
            for i in range(ONE.burst + 1)
        ]
        assert codes[-1] == 429

    def test_another_password_ends_all_sessions_but_this(self, page: Served) -> None:
        other, client = page.stranger(), page.client
        other.log_in()
        new = {"old": PASSWORD, "password": "four new words here", "again": "four new words here"}
        wrong = client.post("/password", {**new, "old": "wrong"})
        assert "Not+changed" in wrong.headers["location"]
        assert other.get("/about").status == 200
        assert client.post("/password", new).headers["location"] == "/"
        assert client.get("/about").status == 200 and other.get("/about").status == 303
        assert other.log_in(PASSWORD).status == 403
        assert other.log_in("four new words here").status == 303


def test_every_answer_carries_the_headers(shared: Served) -> None:
    client, stranger = shared.client, shared.stranger()
    answers = [client.get(p) for p in ("/", "/none", "/static/page.js", "/still.jpg")]
    answers += [client.post("/rename"), stranger.get("/"), stranger.ask("GET", "/")]
    answers += [stranger.ask("GET", "/", headers={"Host": "evil.example"})]
    for answer in answers:
        for name, value in HEADERS.items():
            assert answer.headers[name.lower()] == value
        assert "server" not in answer.headers
    policy = HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy and "frame-ancestors 'none'" in policy


def test_no_page_has_a_script_or_a_style_of_its_own(shared: Served) -> None:
    for path, method in EVERYTHING:
        if method == "GET" and "." not in path:
            text = shared.client.get(path).text
            assert not re.search(r"<style|style=|<script>|\son\w+=|javascript:", text), path


class TestTooMuch:
    def test_a_body_that_says_it_is_too_large_is_not_read(self, shared: Served) -> None:
        client = shared.client
        kind = "multipart/form-data; boundary=XX"
        huge = client.send("/enrol/photos", b"x", kind, **{"Content-Length": str(10 << 30)})
        assert huge.status == 413 and "24 MB" in huge.text
        assert "That did not work" in huge.text, "a page, for who is logged in"
        form = "application/x-www-form-urlencoded"
        assert client.send("/rename", b"x", form, **{"Content-Length": "99999999"}).status == 413

    def test_a_body_that_does_not_say_so_ends_at_the_limit(self, shared: Served) -> None:
        """Chunked, without a length: 30 MB in pieces."""
        client = shared.client
        head = (
            f"POST /enrol/photos HTTP/1.1\r\nHost: {client.host}\r\nOrigin: http://{client.host}\r\n"
            f"Cookie: {client.cookie}\r\nContent-Type: multipart/form-data; boundary=XX\r\n"
            "Transfer-Encoding: chunked\r\n\r\n"
        )
        start = multipart({"csrf": client.token, "name": "Ann"}, [("a.png", b"")])[:-10]
        with shared.connect() as connection:
            connection.sendall(head.encode() + b"%x\r\n%s\r\n" % (len(start), start))
            sent, piece = 0, b"x" * (1 << 20)
            try:
                while sent < 30:
                    connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
                    sent += 1
                answer = connection.recv(1000)
            except (BrokenPipeError, ConnectionResetError):
                answer = b" 413 "
        assert b" 413 " in answer and sent < 30

    def test_uploads_at_once_are_bounded(self, page: Served) -> None:
        client = page.client
        head = (
            f"POST /enrol/photos HTTP/1.1\r\nHost: {client.host}\r\nOrigin: http://{client.host}\r\n"
            f"Cookie: {client.cookie}\r\nContent-Type: multipart/form-data; boundary=XX\r\n"
            "Content-Length: 1000000\r\n\r\n--XX"
        )
        with page.connect() as first, page.connect() as second:
            for connection in (first, second):
                connection.sendall(head.encode())
            until(lambda: client.upload("/enrol/photos", {"name": "A"}, []).status == 503)
            assert client.get("/about").status == 200
        until(lambda: client.upload("/enrol/photos", {"name": "A"}, []).status == 400)

    def test_too_many_files_are_refused(self, shared: Served) -> None:
        files = [(f"{i}.png", b"x") for i in range(13)]
        answer = shared.client.upload("/enrol/photos", {"name": "Ann"}, files)
        assert answer.status == 413 and "12 photos" in answer.text

    def test_too_many_fields_are_refused(self, shared: Served) -> None:
        fields = {f"f{i}": "x" for i in range(40)}
        assert shared.client.post("/rename", fields).status == 400
        assert shared.client.upload("/enrol/photos", fields, []).status == 400

    @pytest.mark.parametrize(
        ("kind", "body", "status"),
        [("application/json", b"{}", 415), ("text/plain", b"csrf=1", 415), ("", b"x", 415),
         ("multipart/form-data", b"x", 400), ("multipart/form-data; boundary=XX", b"nonsense", 400),
         ("application/x-www-form-urlencoded", b"\xff\xfe", 400)],
    )  # fmt: skip
    def test_what_is_no_form_is_refused(
        self, shared: Served, kind: str, body: bytes, status: int
    ) -> None:
        assert shared.client.send("/rename", body, kind).status == status

    def test_large_headers_are_refused(self, shared: Served) -> None:
        with shared.connect() as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000)
            assert b" 400 " in connection.recv(100)


class TestSlow:
    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(server, "REQUEST_S", 1.0)
        monkeypatch.setattr(server, "SLOW_S", 1.0)
        monkeypatch.setattr(guard, "UPLOAD_S", 1.0)

    def test_headers_that_trickle_in_are_cut_off(self, page: Served) -> None:
        with page.connect() as connection:
            assert ends(connection, b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ")

    def test_so_are_those_of_a_second_request(self, page: Served) -> None:
        with page.connect() as connection:
            connection.sendall(b"GET /login HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b" 200 " in connection.recv(20_000)
            assert ends(connection, b"GET /login HTTP/1.1\r\nHost: local")

    def test_a_connection_that_says_nothing_is_cut_off(self, page: Served) -> None:
        with page.connect() as connection:
            assert ends(connection, b"")

    def test_a_form_that_trickles_in_is_cut_off(self, page: Served) -> None:
        client = page.client
        head = (
            f"POST /rename HTTP/1.1\r\nHost: {client.host}\r\nOrigin: http://{client.host}\r\n"
            f"Cookie: {client.cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            "Content-Length: 1000\r\n\r\n"
        )
        with page.connect() as connection:
            assert ends(connection, head.encode())

    def test_a_viewer_who_reads_nothing_is_dropped(self, page: Served) -> None:
        import numpy as np

        noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
        with feeding(page.sink, lambda i: result(noise, index=i)), page.connect() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(live(page))
            until(lambda: page.site.pictures.viewers == 1)
            until(lambda: page.site.pictures.viewers == 0)
            assert page.client.get("/about").status == 200, "others are served all the while"

    def test_the_camera_does_not_wait_for_it(self, page: Served) -> None:
        with page.connect() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(live(page))
            took = []
            for i in range(200):
                began = time.perf_counter()
                page.sink.write(result(dark(), index=i))
                took.append(time.perf_counter() - began)
                time.sleep(0.002)
            assert sorted(took)[100] < 0.02 and max(took) < 3


def live(page: Served) -> bytes:
    """The request for the live picture."""
    head = f"GET /live.mjpg HTTP/1.1\r\nHost: localhost\r\nCookie: {page.client.cookie}\r\n\r\n"
    return head.encode()


def ends(connection: socket.socket, start: bytes) -> bool:
    """Whether the server ends a connection that sends this and then a byte now and then."""
    connection.sendall(start)
    connection.settimeout(0.2)
    end = time.monotonic() + 4
    while time.monotonic() < end:
        try:
            if not connection.recv(1000):
                return True
        except (ConnectionResetError, BrokenPipeError):
            return True
        except TimeoutError:
            pass
        try:
            connection.sendall(b"a")
        except (ConnectionResetError, BrokenPipeError):
            return True
    return False


def test_too_many_connections_leave_the_others_alone(
    page: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 5)
    held = [page.connect() for _ in range(5)]
    try:
        time.sleep(0.2)
        with page.connect() as more:
            assert more.recv(10) == b""
    except ConnectionResetError:
        pass
    finally:
        for connection in held:
            connection.close()
    time.sleep(0.2)
    assert page.client.get("/about").status == 200


def test_a_defect_tells_nothing(page: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(page.site), "people", lambda self: 1 / 0)
    answer = page.client.get("/people")
    assert answer.status == 500 and answer.text == "Internal Server Error"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_client_is_a_client() -> None:
    assert Client(80).host == "127.0.0.1:80"

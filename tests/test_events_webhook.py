"""Webhooks against a real web server, and their signature by other means than ours."""

from __future__ import annotations

import json
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from event_tools import Receiver, certificate, free_port, until

from edgecnn.errors import DataError
from edgecnn.events.delivery import Delivery, Refused, Unreachable
from edgecnn.events.queue import DiskQueue, Waiting
from edgecnn.events.secret import secret
from edgecnn.events.webhook import Webhook, sign

EVENT = Waiting(7, "a1b2", '{"schema": 1, "event": "arrived", "name": "张伟"}')


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.stop()


def openssl_hmac(key: str, message: bytes) -> str:
    """HMAC-SHA256 as OpenSSL computes it."""
    command = [
        "openssl",
        "dgst",
        "-sha256",
        "-mac",
        "HMAC",
        "-macopt",
        f"hexkey:{key.encode().hex()}",
    ]
    done = subprocess.run(command, input=message, capture_output=True, check=True)
    return done.stdout.decode().split()[-1]


def test_a_request_is_complete_and_its_signature_is_openssl_s(receiver: Receiver) -> None:
    receiver.start()
    before = int(time.time())
    Webhook(receiver.url, "s3cret-ü").send(EVENT)
    [(path, headers, body)] = receiver.posts
    assert path == "/hook?room=1"
    assert body == EVENT.text.encode() and headers["Content-Type"] == "application/json"
    assert headers["Edgecnn-Delivery"] == "a1b2"
    signed = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers["Edgecnn-Signature"])
    assert signed and before <= int(signed[1]) <= time.time()
    assert signed[2] == openssl_hmac("s3cret-ü", f"{signed[1]}.".encode() + body)


def test_a_signature_worked_by_hand() -> None:
    # printf '1714815000.{"n": 1}' | openssl dgst -sha256 -hmac key
    by_openssl = "5911106e927d683dfc544f2095ca1db033e7366fa0379262dcec96c2aa6d2538"
    assert sign("key", b'{"n": 1}', 1714815000) == f"t=1714815000,v1={by_openssl}"


def test_without_a_secret_there_is_no_signature(receiver: Receiver) -> None:
    receiver.start()
    Webhook(receiver.url).send(EVENT)
    assert "Edgecnn-Signature" not in receiver.posts[0][1]


def test_down_then_500_then_up_all_arrives_once_and_in_order(
    receiver: Receiver, tmp_path: Path
) -> None:
    notes: list[str] = []
    queue = DiskQueue(tmp_path / "q.queue.sqlite")
    hook = Webhook(receiver.url, "key")
    delivery = Delivery(hook.name, queue, hook.send, notes.append, first_wait_s=0.05)
    for n in range(5):
        delivery.offer([{"n": n}])
    until(lambda: delivery.failures >= 2, "attempts while it is down")
    receiver.answers = [500, 503, 200, 200, 500]
    receiver.start()
    until(lambda: delivery.delivered == 5, "all")
    receiver.stop()
    delivery.offer([{"n": 5}])
    until(lambda: delivery.waiting == 1 and delivery.failures >= 6, "the next outage")
    receiver.start()
    until(lambda: delivery.waiting == 0, "the last")
    delivery.close()
    got = [
        (json.loads(body)["n"], headers["Edgecnn-Delivery"]) for _, headers, body in receiver.posts
    ]
    assert [n for n, _ in got] == [0, 0, 0, 1, 2, 2, 3, 4, 5], "one answered 500 comes again"
    assert len(set(got)) == 6, "with the same key"
    kinds = ["back" if "back after" in n else n.partition(": ")[2].partition(";")[0] for n in notes]
    refused = "no answer (Connection refused)"
    assert kinds == [refused, "back", "answer 500", "back", refused, "back"]


CODES = {200: None, 204: None, 301: Unreachable, 400: Refused, 401: Unreachable, 404: Unreachable,
         410: Refused, 413: Refused, 422: Refused, 429: Unreachable, 500: Unreachable,
         503: Unreachable}  # fmt: skip


@pytest.mark.parametrize(("code", "error"), CODES.items())
def test_answers(receiver: Receiver, code: int, error: type[Exception] | None) -> None:
    receiver.start()
    receiver.answers = [code]
    hook = Webhook(receiver.url)
    if error is None:
        hook.send(EVENT)
    else:
        with pytest.raises(error, match=f"answer {code}"):
            hook.send(EVENT)


@pytest.mark.parametrize(("asked", "wait_s"), [("7", 7.0), ("999999", 3600.0), ("soon", 0.0)])
def test_a_receiver_may_ask_for_a_rest(receiver: Receiver, asked: str, wait_s: float) -> None:
    receiver.start()
    receiver.answers, receiver.answer_headers = [503], {"Retry-After": asked}
    with pytest.raises(Unreachable) as answer:
        Webhook(receiver.url).send(EVENT)
    assert answer.value.wait_s == wait_s


def test_what_answers_nothing_or_nonsense_is_unreachable() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        with pytest.raises(Unreachable, match="timed out"):
            Webhook(url, timeout_s=0.2).send(EVENT)

        def nonsense() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"SSH-2.0-secret\r\n\r\n")

        threading.Thread(target=nonsense, daemon=True).start()
        for _ in range(2):  # the one that timed out stands in the line, too
            with pytest.raises(Unreachable, match="no answer") as error:
                Webhook(url, timeout_s=2).send(EVENT)
            assert "secret" not in str(error.value)
    with pytest.raises(Unreachable, match="no answer"):
        Webhook("http://nowhere.invalid/").send(EVENT)


def test_tls_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, issuer in (("ca", None), ("server", "ca")):
        certificate(tmp_path, name, issuer)
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    class Server(HTTPServer):
        def handle_error(self, *args: Any) -> None:
            """The client hangs up, which is what is tested."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        url = f"https://127.0.0.1:{server.server_port}/"
        with pytest.raises(Unreachable, match="certificate"):
            Webhook(url).send(EVENT)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        Webhook(url).send(EVENT)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert got == [EVENT.text.encode()]


@pytest.mark.parametrize(
    "url", ["", "hook", "ftp://a/", "http://", "http://a:99999/", "http://a..b/", "http://a/ b",
            "http://a/\r\nX: 1", "http://[::1", "http://a/é", f"http://{'a' * 64}.lan/"],
)  # fmt: skip
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(DataError, match="expected --webhook"):
        Webhook(url)


def test_secrets_stay_out_of_messages() -> None:
    with pytest.raises(DataError, match="--webhook-secret-file") as refusal:
        Webhook("https://me:hunter2@host/")
    assert "hunter2" not in str(refusal.value)
    hook = Webhook("https://host:8443/services/T0K3N?key=T0K3N", "hunter2")
    assert hook.name == "webhook https://host:8443"


def test_a_secret_is_a_file_s_one_line_or_the_environment_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret"
    assert secret(None, "EDGECNN_X") is None
    monkeypatch.setenv("EDGECNN_X", "from outside")
    assert secret(None, "EDGECNN_X") == "from outside"
    path.write_text(" with blanks \n")
    assert secret(path, "EDGECNN_X") == " with blanks "
    for bad in ("", "\n", "two\nlines\n"):
        path.write_text(bad)
        with pytest.raises(DataError, match="one line with the secret"):
            secret(path, "EDGECNN_X")
    path.write_bytes(b"\xff")
    with pytest.raises(DataError, match="not UTF-8"):
        secret(path, "EDGECNN_X")
    with pytest.raises(DataError, match="No such file"):
        secret(tmp_path / "none", "EDGECNN_X")


@pytest.fixture
def documented(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., int]]:
    """The receiver that ``docs/formats.md`` shows, running; answers with its status code."""
    text = (root / "docs" / "formats.md").read_text("utf-8")
    [code] = re.findall(r"```python\n(.*?HTTPServer.*?)```", text, re.S)
    port = free_port()
    monkeypatch.setenv("EDGECNN_WEBHOOK_SECRET", "key")
    servers: list[HTTPServer] = []

    class Noted(HTTPServer):
        def __init__(self, address: object, handler: type[BaseHTTPRequestHandler]) -> None:
            handler.log_message = lambda *args: None  # type: ignore[method-assign]
            super().__init__(("127.0.0.1", port), handler)
            servers.append(self)

        def serve_forever(self, poll_interval: float = 0.02) -> None:
            super().serve_forever(poll_interval)

    monkeypatch.setattr("http.server.HTTPServer", Noted)
    printed: list[str] = []
    space = {"__name__": "__main__", "print": lambda *a: printed.append(str(a[0]))}
    thread = threading.Thread(target=exec, args=(code, space))
    thread.start()
    until(lambda: servers, "the receiver")

    def post(body: bytes, signature: str) -> int:
        headers = {"Edgecnn-Signature": signature, "Edgecnn-Delivery": "1"} if signature else {}
        request = Request(f"http://127.0.0.1:{port}/", body, headers)
        try:
            return int(urlopen(request).status)
        except HTTPError as e:
            with e:
                return e.code

    post.url, post.printed = f"http://127.0.0.1:{port}/", printed  # type: ignore[attr-defined]
    yield post
    servers[0].shutdown()
    servers[0].server_close()
    thread.join()


def test_the_receiver_in_the_documents_takes_ours_and_nothing_else(
    documented: Callable[..., int],
) -> None:
    Webhook(documented.url, "key").send(EVENT)  # type: ignore[attr-defined]
    assert "arrived" in documented.printed[0]  # type: ignore[attr-defined]
    body, now = EVENT.text.encode(), int(time.time())
    assert documented(body, sign("key", body, now)) == 204
    refused = {
        "unsigned": "",
        "another key": sign("other", body, now),
        "another body": sign("key", body + b" ", now),
        "an old one": sign("key", body, now - 3600),
        "another time": sign("key", body, now - 1).replace(f"t={now - 1}", f"t={now}"),
        "nonsense": "t=,v1=",
    }
    assert {why: documented(body, given) for why, given in refused.items()} == dict.fromkeys(
        refused, 401
    )
    with pytest.raises(Unreachable, match="answer 401"):  # kept until somebody mends the secret
        Webhook(documented.url, "other").send(EVENT)  # type: ignore[attr-defined]

"""Real receivers for tests of events that leave the machine: a broker, a web server."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.camera.pipeline import Result
from edgecnn.camera.sources import Frame

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
needs_mosquitto = pytest.mark.skipif(
    MOSQUITTO is None, reason="no mosquitto here: apt-get install mosquitto"
)


def until(met: Callable[[], Any], what: str, within_s: float = 15.0) -> Any:
    """Waits for something, and returns it."""
    end_s = time.monotonic() + within_s
    while not (found := met()):
        assert time.monotonic() < end_s, f"waited {within_s:g} s for {what}"
        time.sleep(0.02)
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def result(time_s: float = 0.0, outcome: Any = (), index: int | None = None) -> Result:
    """What the loop hands to a sink; the frame's number is its time in tenths of a second."""
    number = round(time_s * 10) if index is None else index
    frame = Frame(np.zeros((48, 64, 3), np.uint8), time_s, number)
    return Result(frame, "given", outcome, datetime.now(timezone.utc), 12.34)


def certificate(folder: Path, name: str, issuer: str | None = None) -> None:
    """``NAME.pem`` and ``NAME.key``, signed by itself or by ``ISSUER``."""
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}"]
    if issuer:
        command += ["-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key"]
        command += ["-addext", "subjectAltName=IP:127.0.0.1"]
        command += ["-addext", "basicConstraints=critical,CA:FALSE"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


class Broker:
    """A mosquitto that can be killed, frozen and started again; it remembers what it was told.

    Args:
        options: further lines of its configuration.
    """

    def __init__(self, folder: Path, *options: str):
        self.folder, self.port = folder, free_port()
        lines = [
            f"listener {self.port} 127.0.0.1",
            "persistence true",
            f"persistence_location {folder}/",
            "autosave_on_changes true",
            "autosave_interval 1",
            *(["user root"] if os.geteuid() == 0 else []),
            *(options or ["allow_anonymous true"]),
        ]
        folder.mkdir(exist_ok=True)
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert MOSQUITTO
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [MOSQUITTO, "-c", str(self.folder / "mosquitto.conf"), "-v"], stdout=log, stderr=log
            )
        until(self._answers, "mosquitto")

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def freeze(self) -> None:
        """It takes connections and data, and reads none of it."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.process:
            self.process.send_signal(number)
            self.process.wait()
        self.process = None

    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")


class Listener:
    """Another client of the broker, whose session outlives the broker.

    Attributes:
        heard: topic, payload and whether it was retained, in order.
        retained: what a client that comes now finds.
    """

    def __init__(self, port: int, *topics: str):
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self.heard: list[tuple[str, str, bool]] = []
        self._topics, self._ready = topics, threading.Event()
        version = CallbackAPIVersion.VERSION2
        self.client = Client(version, f"listener-{id(self)}", clean_session=False)
        self.client.reconnect_delay_set(0.1, 0.2)  # type: ignore[arg-type]
        self.client.on_connect = self._subscribe
        self.client.on_subscribe = lambda *args: self._ready.set()
        self.client.on_message = lambda client, data, message: self.heard.append(
            (message.topic, message.payload.decode(), message.retain)
        )
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self._ready.wait(10)

    def _subscribe(self, client: Any, *args: Any) -> None:
        client.subscribe([(topic, 1) for topic in self._topics])

    def payloads(self, topic: str) -> list[str]:
        """What was said under a topic, in order."""
        return [said for heard, said, _ in list(self.heard) if heard == topic]

    def state(self, topic: str) -> str | None:
        """What was said under it last."""
        return (self.payloads(topic) or [None])[-1]  # type: ignore[list-item]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@contextmanager
def listening(port: int, *topics: str) -> Iterator[Listener]:
    listener = Listener(port, *topics)
    try:
        yield listener
    finally:
        listener.close()


def retained(port: int) -> dict[str, str]:
    """What a client that comes now finds at a broker."""
    with listening(port, "#", "$SYS/broker/version") as listener:
        # It comes behind all else that is retained, since it was asked for last.
        until(lambda: listener.payloads("$SYS/broker/version"), "retained messages")
        time.sleep(0.05)
        return {t: said for t, said, kept in listener.heard if kept and not t.startswith("$SYS")}


class Receiver:
    """A web server that keeps its port while it is down.

    Attributes:
        posts: path, headers and body of each request, in order.
        answers: status codes for the next requests; then 200.
        hold: while it is cleared, no request is answered.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.posts: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.answer_headers: dict[str, str] = {}
        self.hold = threading.Event()
        self.hold.set()
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?room=1"

    def start(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if len(body) < int(self.headers["Content-Length"]):
                    return  # the sender was killed in the middle of it
                receiver.posts.append((self.path, dict(self.headers), body))
                code = receiver.answers.pop(0) if receiver.answers else 200
                receiver.hold.wait()
                try:
                    self.send_response(code)
                    for key, value in receiver.answer_headers.items():
                        self.send_header(key, value)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                except OSError:
                    return  # the sender was killed meanwhile

            def log_message(self, *args: Any) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *args: Any) -> None:
                """A sender that is killed in the middle of a request is what is tested."""

        self._server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def stop(self) -> None:
        self.hold.set()
        if self._server:
            self._server.shutdown()
            self._server.server_close()
        self._server = None

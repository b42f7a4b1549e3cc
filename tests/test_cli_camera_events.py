"""``edgecnn camera`` with somebody to tell: a broker, a web server, Prometheus, a file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from camera_tools import face, make_video, network_camera, number_of
from event_tools import Broker, Receiver, free_port, listening, needs_mosquitto, until

from edgecnn.bundle import ASSETS
from edgecnn.camera import app
from edgecnn.camera.sinks.publish import PublishSink
from edgecnn.camera.sinks.receivers import Receivers
from edgecnn.camera.sources import Change
from edgecnn.events import delivery
from edgecnn.events.webhook import Webhook

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def camera(edgecnn: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """``edgecnn camera`` on a clip in which Ann is seen for four of ten frames."""

    def recognise(image_bgr: object, time_s: float) -> list[object]:
        return [face("Ann")] if number_of(image_bgr) < 4 else []  # type: ignore[arg-type]

    monkeypatch.setattr(app, "load", lambda *args: recognise)
    monkeypatch.setattr(delivery, "DRAIN_S", 60.0)  # this machine may be busy
    clip = make_video(tmp_path / "clip.mp4", 10)
    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    yield lambda *options: edgecnn("camera", ASSETS, "--source", clip, *options)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def told(receiver: Receiver) -> list[tuple[str, str | None]]:
    events = [json.loads(body) for _, _, body in receiver.posts]
    return [(e["event"], e.get("name")) for e in events]


VISIT = [("started", None), ("arrived", "Ann"), ("left", "Ann")]


def test_a_web_address_is_told_who_comes_and_goes(camera: Command, tmp_path: Path) -> None:
    receiver = Receiver()
    receiver.start()
    (tmp_path / "secret").write_text("s3cret\n")
    try:
        secret = tmp_path / "secret"
        code, _, err = camera("--webhook", receiver.url, "--webhook-secret-file", secret)
        assert (code, told(receiver)) == (0, VISIT)
        assert all("Edgecnn-Signature" in headers for _, headers, _ in receiver.posts)
        assert "s3cret" not in err and "hook?room" not in err
        camera("--webhook", receiver.url, "--publish", "frames", "--camera-id", "other")
        assert told(receiver)[3:] == [("face", "Ann")] * 4
    finally:
        receiver.stop()


def test_a_web_address_is_told_that_the_camera_stopped_and_is_back(tmp_path: Path) -> None:
    receiver = Receiver()
    receiver.start()
    try:
        receivers = Receivers(Webhook(receiver.url), None, tmp_path, camera="porch")
        publish = PublishSink(receivers, "0", lambda: [], lambda line: None)
        publish.source_changed(Change("0", lost=True, reason="unplugged"))
        publish.source_changed(Change("0", lost=False, away_s=4.26))
        publish.close()
    finally:
        receiver.stop()
    lost, back = (json.loads(body) for _, _, body in receiver.posts)
    assert (lost["event"], lost["state"], lost["reason"]) == ("source", "lost", "unplugged")
    assert (back["event"], back["state"], back["away_s"]) == ("source", "back", 4.3)


def test_who_is_away_gets_it_in_the_next_run(
    camera: Command, tmp_path: Path, clean_user: Path
) -> None:
    receiver = Receiver()
    code, _, err = camera("--webhook", receiver.url)
    assert code == 0, "whoever is away does not end a run"
    assert "no answer (Connection refused); events wait in" in err
    assert "3 events wait in" in err and "for the next run" in err
    [queue] = (clean_user / "state" / "edgecnn").glob("*.queue.sqlite")
    assert queue.name.endswith("clip-mp4-webhook.queue.sqlite")
    receiver.start()
    try:
        code, _, err = camera("--webhook", receiver.url, "--queue", queue.parent)
    finally:
        receiver.stop()
    assert (code, told(receiver)) == (0, VISIT + VISIT)
    assert "wait" not in err


def test_the_queue_s_bound_is_said(camera: Command, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    code, _, err = camera("--webhook", url, "--queue", tmp_path / "q", "--queue-max", 2)
    assert code == 0
    assert "2 events wait: the oldest are lost" in err and "lost 1" in err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_does_not_end_the_run(camera: Command) -> None:
    code, out, err = camera("--events", "/dev/full")
    assert code == 0 and "10 frames in" in out
    assert "No space left" in err and "/dev/full lacks 4 events" in err


def test_lines_are_rotated(camera: Command, tmp_path: Path) -> None:
    code, _, _ = camera(
        "--events", tmp_path / "e", "--events-max-mb", "0.0005", "--events-keep", "2"
    )
    assert code == 0
    found = [tmp_path / name for name in ("e.2", "e.1", "e")]
    frames = [json.loads(line)["frame"] for path in found for line in path.read_text().splitlines()]
    assert frames == [1, 2, 3], "two of about 230 bytes a file; the oldest went"


REFUSALS = {
    "webhook": (["--webhook", "nowhere"], "expected --webhook http"),
    "webhook's password": (["--webhook", "http://me:hunter2@host/"], "--webhook-secret-file"),
    "no secret": (["--webhook", "http://a", "--webhook-secret-file", "none"], "No such file"),
    "broker": (["--mqtt", "http://host"], "expected --mqtt mqtt://HOST"),
    "broker's password": (["--mqtt", "mqtt://me:hunter2@host"], "--mqtt-password-file"),
    "authorities": (["--mqtt", "mqtts://host", "--mqtt-ca", "none.pem"], "expected --mqtt-ca"),
    "topic": (["--mqtt", "mqtt://host", "--mqtt-topic", "a/#"], "expected --mqtt-topic"),
    "camera": (["--mqtt", "mqtt://host", "--camera-id", "a/b"], "expected --camera-id"),
    "queue": (["--webhook", "http://a", "--queue", "/dev/null/q"], "could not write"),
    "metrics": (["--metrics", "here"], "expected --metrics PORT"),
    "metrics of another machine": (["--metrics", "192.0.2.1:9108"], "could not listen on"),
    "events": (["--events", "/dev/null/e"], "could not write"),
}


@pytest.mark.parametrize(("options", "says"), REFUSALS.values(), ids=REFUSALS)
def test_what_cannot_be_done_is_one_line_and_exit_code_2(
    camera: Command, options: list[str], says: str
) -> None:
    code, out, err = camera(*options)
    lines = [line for line in err.splitlines() if "nobody is enrolled" not in line]
    assert (code, out, len(lines)) == (2, "", 1)
    assert says in lines[0] and "hunter2" not in err


@pytest.mark.parametrize(
    ("option", "value", "module", "extra"),
    [
        ("--mqtt", "mqtt://127.0.0.1:1", "paho.mqtt.client", "mqtt"),
        ("--metrics", "0", "prometheus_client", "metrics"),
    ],
)
def test_a_missing_package_is_named(
    camera: Command,
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    value: str,
    module: str,
    extra: str,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    code, _, err = camera(option, value)
    assert code == 2 and f"pip install 'edgecnn[{extra}]'" in err


@needs_mosquitto
def test_a_camera_that_is_killed_is_offline_and_one_that_is_stopped_says_so(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker")
    broker.start()
    port = free_port()
    options = ["--mqtt", f"mqtt://127.0.0.1:{broker.port}", "--camera-id", "porch"]
    options += ["--metrics", str(port), "--queue", str(tmp_path / "queue")]

    def start(source: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "edgecnn", "camera", str(ASSETS), "--source", source]
        return subprocess.Popen(
            [*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def kinds() -> list[str]:
        """Of all events so far. One may come twice, after a kill before it was acknowledged, and a
        stream may break off on a busy machine."""
        payloads = dict.fromkeys(listener.payloads("edgecnn/porch/event"))
        told = [json.loads(e)["event"] for e in payloads]
        return [kind for kind in told if kind != "source"]

    availability, process = "edgecnn/porch/availability", None
    metrics = f"http://127.0.0.1:{port}/metrics"
    try:
        with network_camera(10_000) as network, listening(broker.port, "#") as listener:
            for i, end in enumerate((signal.SIGKILL, signal.SIGTERM), start=1):
                process = start(network.address)
                until(lambda: listener.state(availability) == "online", "the camera")
                until(lambda n=i: kinds() == ["started"] * n, "the first frame")  # type: ignore[misc]
                assert b"edgecnn_frames_total" in urlopen(metrics).read()
                process.send_signal(end)
                until(lambda: listener.state(availability) == "offline", f"offline by {end.name}")
                assert process.wait(20) == (-9 if end == signal.SIGKILL else 0)
            assert kinds() == ["started", "started"]
    finally:
        if process:
            process.kill()
            process.wait()
        broker.stop(signal.SIGKILL)

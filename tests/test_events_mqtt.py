"""MQTT against a real mosquitto: discovery, states, last will, outages, passwords, TLS."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from camera_tools import face
from event_tools import Broker as Mosquitto
from event_tools import certificate, listening, needs_mosquitto, result, retained, until

from edgecnn.camera.sinks.publish import PublishSink
from edgecnn.camera.sinks.receivers import Receivers
from edgecnn.errors import DataError, StorageError
from edgecnn.events import mqtt
from edgecnn.events.homeassistant import Topics, slug
from edgecnn.events.homeassistant import retained as wanted
from edgecnn.events.mqtt import Broker

ANN = f"edgecnn/porch/person/{slug('Ann')}"
EVENT, AVAILABILITY = "edgecnn/porch/event", "edgecnn/porch/availability"


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path / "broker")
    broker.start()
    yield broker
    broker.stop(signal.SIGKILL)


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Callable[..., PublishSink]]:
    """Makes sinks that publish as the camera *porch*, and closes them; notes go to ``notes``."""
    opened: list[PublishSink] = []

    def make(
        broker: Broker, people: list[str] | None = None, notes: list[str] | None = None
    ) -> PublishSink:
        receivers = Receivers(None, broker, tmp_path / "queue", camera="porch")
        said = [] if notes is None else notes
        opened.append(PublishSink(receivers, "given", lambda: people or ["Ann"], said.append))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def local(broker: Mosquitto) -> Broker:
    return Broker("127.0.0.1", broker.port, tls=False)


@needs_mosquitto
def test_home_assistant_finds_a_sensor_for_each_person(
    mosquitto: Mosquitto, sink: Callable[..., PublishSink]
) -> None:
    sink(local(mosquitto), ["Ann", "张伟"]).write(result(0.0, [face("Ann")]))
    until(
        lambda: "homeassistant/sensor/edgecnn_porch/last_seen/config" in retained(mosquitto.port),
        "all",
    )
    kept = retained(mosquitto.port)
    assert kept[ANN] == "ON"
    configs = {t: json.loads(said) for t, said in kept.items() if t.endswith("/config")}
    sensors = {c["name"]: c for t, c in configs.items() if "/binary_sensor/" in t}
    assert sensors.keys() == {"Ann", "张伟", "Somebody unknown"}
    assert len({c["unique_id"] for c in configs.values()}) == len(configs) == 4
    for topic, config in configs.items():
        assert topic.split("/")[0] == "homeassistant" and len(topic.split("/")) == 5
        assert config["state_topic"] in kept, "a sensor without a state is *unknown* for ever"
        assert kept[config["availability_topic"]] == config["payload_available"] == "online"
        assert config["device"] == configs[next(iter(configs))]["device"]
    states = {name: kept[c["state_topic"]] for name, c in sensors.items()}
    assert states == {"Ann": "ON", "张伟": "OFF", "Somebody unknown": "OFF"}
    assert {sensors["Ann"][f"payload_{state}"] for state in ("on", "off")} == {"ON", "OFF"}
    assert json.loads(kept["edgecnn/porch/last_seen"])["name"] == "Ann"
    assert EVENT not in kept


@needs_mosquitto
def test_states_and_events_follow_who_comes_and_goes(
    mosquitto: Mosquitto, sink: Callable[..., PublishSink]
) -> None:
    with listening(mosquitto.port, "edgecnn/#") as listener:
        porch = sink(local(mosquitto))
        porch.write(result(0.0, [face("Ann")]))
        until(lambda: listener.state(ANN) == "ON", "Ann to come")
        porch.write(result(10.5))
        until(lambda: listener.state(ANN) == "OFF", "Ann to go")
        porch.write(result(11.0, [face("Ann")]))
        until(lambda: listener.state(ANN) == "ON", "Ann to come again")
        porch.close()
        until(lambda: listener.state(AVAILABILITY) == "offline", "the end")
        assert listener.state(ANN) == "OFF", "whoever was there has left with the run"
    told = [json.loads(said) for said in listener.payloads(EVENT)]
    assert [(e["event"], e.get("name"), e["frame"]) for e in told] == [
        ("started", None, 0),
        ("arrived", "Ann", 0),
        ("left", "Ann", 0),
        ("arrived", "Ann", 110),
        ("left", "Ann", 110),
    ]


@needs_mosquitto
def test_who_is_no_longer_enrolled_is_taken_from_the_broker(
    mosquitto: Mosquitto, sink: Callable[..., PublishSink], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "PEOPLE_EVERY_S", 0.1)
    people = ["Ann", "Bob"]
    porch = sink(local(mosquitto), people)
    porch.write(result(0.0, [face("Bob")]))
    until(lambda: "Bob" in str(retained(mosquitto.port).get("edgecnn/porch/last_seen")), "Bob")
    people.remove("Bob")
    until(lambda: "ob" not in str(retained(mosquitto.port)), "Bob to be forgotten")
    porch.close()
    # And of an earlier run's, which this one never published.
    again = sink(local(mosquitto), ["Zoë"])
    again.write(result())
    until(lambda: "nn-" not in str(retained(mosquitto.port)), "Ann to be forgotten")


@needs_mosquitto
def test_last_seen_outlives_a_restart(
    mosquitto: Mosquitto, sink: Callable[..., PublishSink]
) -> None:
    first = sink(local(mosquitto))
    first.write(result(0.0, [face("Ann")]))
    until(lambda: retained(mosquitto.port).get(ANN) == "ON", "Ann")
    first.close()
    before = retained(mosquitto.port)["edgecnn/porch/last_seen"]
    sink(local(mosquitto)).write(result())
    until(lambda: retained(mosquitto.port)[AVAILABILITY] == "online", "the second run")
    assert retained(mosquitto.port)["edgecnn/porch/last_seen"] == before


@needs_mosquitto
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_broker_that_was_away_gets_every_event_in_order(
    mosquitto: Mosquitto, sink: Callable[..., PublishSink], end: signal.Signals
) -> None:
    notes: list[str] = []
    with listening(mosquitto.port, "edgecnn/#") as listener:
        porch = sink(local(mosquitto), notes=notes)
        porch.write(result(0.0, [face("Ann")]))
        until(lambda: len(listener.payloads(EVENT)) == 2, "the first events")
        until(lambda: porch.deliveries[0].waiting == 0, "their acknowledgement")
        mosquitto.stop(end)
        for number in range(1, 21):  # ten arrivals, ten departures
            outcome = [face("Ann")] if number % 2 == 0 else []
            porch.write(result(11.0 * number, outcome))
        until(lambda: porch.deliveries[0].waiting == 20, "events to wait on disk")
        mosquitto.start()
        until(lambda: porch.deliveries[0].waiting == 0, "events to be delivered")
        until(lambda: len(listener.payloads(EVENT)) >= 22, "the listener to hear them")
        until(lambda: listener.state(ANN) == "ON", "the state as it is now")
        assert listener.state(AVAILABILITY) == "online"
    kinds = [json.loads(said)["event"] for said in dict.fromkeys(listener.payloads(EVENT))]
    assert kinds == ["started", "arrived", *["left", "arrived"] * 10]
    assert len([n for n in notes if n.endswith("connected")]) == 1
    assert any("the connection ended" in n for n in notes)


@needs_mosquitto
def test_an_event_stays_until_it_is_acknowledged(
    mosquitto: Mosquitto, sink: Callable[..., PublishSink]
) -> None:
    porch = sink(local(mosquitto))
    porch.write(result())
    until(lambda: porch.deliveries[0].delivered == 1, "the connection")
    mosquitto.freeze()
    porch.write(result(1.0, [face("Ann")]))
    time.sleep(1.0)
    assert (porch.deliveries[0].waiting, porch.deliveries[0].delivered) == (1, 1)
    mosquitto.stop(signal.SIGKILL)  # it never read what stands in its socket
    assert mosquitto.log().count("'edgecnn/porch/event'") == 1
    mosquitto.start()
    until(lambda: porch.deliveries[0].waiting == 0, "the event to be sent again")
    assert porch.deliveries[0].delivered == 2
    log = mosquitto.log()
    assert log.count("Received PUBLISH from edgecnn_porch (d1, q1, r0") == 1, "as a duplicate"


@needs_mosquitto
def test_a_wrong_password_is_one_line_and_the_right_one_is_none(
    tmp_path: Path, sink: Callable[..., PublishSink]
) -> None:
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "cam", "right-pw"], check=True)
    passwords.chmod(0o644)
    broker = Mosquitto(tmp_path / "broker", "allow_anonymous false", f"password_file {passwords}")
    broker.start()
    notes: list[str] = []
    try:
        url = f"mqtt://cam@127.0.0.1:{broker.port}"
        wrong = sink(Broker.parse(url, "wrong-pw"), notes=notes)
        wrong.write(result(0.0, [face("Ann")]))
        until(lambda: broker.log().count("not authorised") >= 2, "two attempts")
        assert len(notes) == 1 and "check user and password" in notes[0]
        wrong.close()
        assert notes[1:] == [n for n in notes[1:] if "3 events wait" in n]
        assert "wrong-pw" not in " ".join(notes)
        del notes[:]
        right = sink(Broker.parse(url, "right-pw"), notes=notes)
        until(lambda: right.deliveries[0].delivered == 3, "what the first run left")
        assert notes == []
    finally:
        broker.stop(signal.SIGKILL)


# paho leaves it to Python to close the socket of a handshake that failed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@needs_mosquitto
def test_tls_by_an_authority_of_our_own(tmp_path: Path, sink: Callable[..., PublishSink]) -> None:
    for name, issuer in (("ca", None), ("other-ca", None), ("server", "ca")):
        certificate(tmp_path, name, issuer)
    broker = Mosquitto(
        tmp_path / "broker",
        "allow_anonymous true",
        f"certfile {tmp_path}/server.pem",
        f"keyfile {tmp_path}/server.key",
    )
    broker.start()
    notes: list[str] = []
    try:
        url = f"mqtts://127.0.0.1:{broker.port}"
        trusting = sink(Broker.parse(url, ca=tmp_path / "ca.pem"), notes=notes)
        trusting.write(result())
        until(lambda: trusting.deliveries[0].delivered == 1, "an event over TLS")
        assert notes == []
        trusting.close()
        doubting = sink(Broker.parse(url, ca=tmp_path / "other-ca.pem"), notes=notes)
        doubting.write(result())
        until(lambda: notes, "the refusal")
        assert "certificate" in notes[0] and doubting.deliveries[0].delivered == 0
    finally:
        broker.stop(signal.SIGKILL)


def test_an_authority_that_is_no_certificate_is_one_line(
    tmp_path: Path, sink: Callable[..., PublishSink]
) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(StorageError, match="--mqtt-ca with a PEM file"):
        sink(Broker("127.0.0.1", 1, tls=True, ca=tmp_path / "ca.pem"))
    sink(Broker("127.0.0.1", 1, tls=False))  # the queue was let go of


@pytest.mark.parametrize(
    ("url", "host", "port", "tls", "user"),
    [
        ("mqtt://broker.lan", "broker.lan", 1883, False, None),
        ("mqtts://broker.lan/", "broker.lan", 8883, True, None),
        ("mqtt://cam@10.0.0.2:99", "10.0.0.2", 99, False, "cam"),
        ("mqtt://a%40b@[::1]", "::1", 1883, False, "a@b"),
    ],
)
def test_addresses(url: str, host: str, port: int, tls: bool, user: str | None) -> None:
    assert Broker.parse(url) == Broker(host, port, tls, user)


@pytest.mark.parametrize(
    "url",
    [
        "broker",
        "http://broker",
        "mqtt://",
        "mqtt://b:99999",
        "mqtt://b/topic",
        "mqtt://a..b",
        "",
        "ssl://b:8883",
        "tls://b:8883",
        "wss://b:443",
        "http://b:80",
        "b:1883",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(DataError, match="expected --mqtt mqtt://HOST"):
        Broker.parse(url)


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(DataError, match="--mqtt-password-file") as refusal:
        Broker.parse("mqtt://cam:hunter2@broker")
    assert "hunter2" not in str(refusal.value)
    with pytest.raises(DataError, match="expected a user"):
        Broker.parse("mqtt://broker", "hunter2")
    assert "hunter2" not in repr(Broker.parse("mqtt://cam@broker", "hunter2"))


def test_an_authority_for_a_connection_without_tls_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected --mqtt mqtts://HOST with --mqtt-ca"):
        Broker.parse("mqtt://broker", ca=tmp_path / "ca.pem")


def test_names_make_topics_that_are_safe_and_their_own() -> None:
    names = ["Ann", "ann", "A n n", "a/b", "+", "#", "张伟", "张三", "", "unknown", "x" * 500]
    slugs = [slug(name) for name in names]
    assert len(set(slugs)) == len(names)
    assert all(s.isascii() and s.replace("-", "").isalnum() and len(s) < 64 for s in slugs)


def test_without_discovery_home_assistant_is_told_nothing() -> None:
    quiet = Topics("porch", "cams", None)
    kept = wanted(quiet, ["Ann"], {None}, None, online=False)
    assert kept == {
        f"cams/porch/person/{slug('Ann')}": "OFF",
        "cams/porch/unknown": "ON",
        "cams/porch/availability": "offline",
    }
    assert not any(f.startswith("homeassistant") for f in quiet.filters)

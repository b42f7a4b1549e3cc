"""Events and states to an MQTT broker, by paho-mqtt 2 (``pip install 'edgecnn[mqtt]'``).

Events come through a queue on disk and none is lost; who is there is a state, of which only the
newest counts: one thread keeps the broker's retained messages equal to
:func:`edgecnn.events.homeassistant.retained`, whatever an earlier run left there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from edgecnn.errors import DataError, EdgeCNNError, StorageError, needs
from edgecnn.events.delivery import Unreachable
from edgecnn.events.homeassistant import OFFLINE, Topics, retained
from edgecnn.events.queue import Waiting
from edgecnn.events.visits import Visits

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessageInfo

PORTS = {"mqtt": 1883, "mqtts": 8883}
"""Scheme to the port that IANA registered."""

TIMEOUT_S = 10.0
"""For the connection and for the broker's acknowledgement."""

KEEPALIVE_S = 30
"""After one and a half of it without a word, the broker publishes the last will (MQTT 3.1.2.10)."""

STALE_S = 30.0
"""Without a picture for so long, nobody can say who is there: the camera is *offline*."""

PEOPLE_EVERY_S = 5.0
RECONNECT_S = (1, 60)


@dataclass(frozen=True)
class Broker:
    """Where a broker is and who we are there.

    Attributes:
        tls: whether the connection is encrypted and the certificate checked.
        ca: the authorities that may have signed it; None for the system's.
    """

    host: str
    port: int
    tls: bool
    user: str | None = None
    password: str | None = None
    ca: Path | None = None

    @classmethod
    def parse(cls, url: str, password: str | None = None, ca: Path | None = None) -> Broker:
        """From ``mqtt://[USER@]HOST[:PORT]`` or ``mqtts://…``.

        Raises:
            DataError: the address is of another kind, or has a password in it.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or PORTS.get(parts.scheme)
        except ValueError:
            port = None
        if port is None or not parts.hostname or parts.path.strip("/") or parts.query:
            raise DataError(f"expected --mqtt mqtt://HOST or mqtts://HOST. Received: {url[:8]}…")
        if parts.password is not None:
            raise DataError(
                "expected --mqtt without a password, which other users of this machine could read: "
                "name a --mqtt-password-file, or set EDGECNN_MQTT_PASSWORD"
            )
        user = unquote(parts.username) if parts.username else None
        if password is not None and user is None:
            raise DataError("expected a user with the password: --mqtt mqtt://USER@HOST")
        return cls(parts.hostname, port, parts.scheme == "mqtts", user, password, ca)


class Mqtt:
    """A connection that comes back by itself.

    Args:
        people: who is enrolled, asked for every few seconds; raises an ``EdgeCNNError`` where that
            cannot be said at the moment.
        note: takes a line for the user; called from other threads.

    Raises:
        MissingExtra: paho-mqtt is not installed.
        StorageError: the authorities' file cannot be read.
    """

    def __init__(
        self,
        broker: Broker,
        topics: Topics,
        people: Callable[[], Sequence[str]],
        note: Callable[[str], object],
    ):
        with needs("mqtt", "paho"):
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion

        self._topics, self._people, self._note = topics, people, note
        self.name = f"MQTT broker {broker.host}:{broker.port}"
        self._waits: tuple[int, MQTTMessageInfo] | None = None
        self._changed = threading.Condition()
        self._connected = self._stop = self._refused = False
        self._kept: dict[str, str] = {}
        self._present: set[str | None] = set()
        self._last: dict[str, Any] | None = None
        self._picture_s = time.monotonic()

        self._client = Client(CallbackAPIVersion.VERSION2, f"edgecnn-{topics.camera}")
        self._client.connect_timeout = TIMEOUT_S
        self._client.reconnect_delay_set(*RECONNECT_S)
        self._client.will_set(topics.availability, OFFLINE, qos=1, retain=True)
        self._client.username_pw_set(broker.user, broker.password)
        if broker.tls:
            self._encrypt(broker.ca)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.connect_async(broker.host, broker.port, KEEPALIVE_S)
        self._client.loop_start()
        self._thread = threading.Thread(target=self._keep, name="edgecnn-mqtt", daemon=True)
        self._thread.start()

    def see(self, visits: Visits) -> None:
        """Take over who is there in the newest picture; returns at once."""
        with self._changed:
            back = time.monotonic() - self._picture_s > STALE_S
            self._picture_s = time.monotonic()
            if back or self._present != visits.present.keys() or self._last != visits.last:
                self._present, self._last = set(visits.present), visits.last
                self._changed.notify_all()

    def send(self, event: Waiting) -> None:
        """Publish one event; returns when the broker has it (QoS 1).

        Raises:
            Unreachable: it has not.
        """
        if self._waits is None or self._waits[0] != event.number:
            if not self._connected:
                raise Unreachable("not connected")
            info = self._client.publish(self._topics.event, event.text, qos=1)
            self._waits = event.number, info
        # Published once only: what is not acknowledged, paho sends again after a reconnection.
        try:
            self._waits[1].wait_for_publish(TIMEOUT_S)
            if not self._waits[1].is_published():
                raise Unreachable("no acknowledgement")
        except (RuntimeError, ValueError) as e:  # the connection ended just before
            self._waits = None
            raise Unreachable(str(e)) from e
        self._waits = None

    def close(self) -> None:
        """Say that the camera is offline, and disconnect."""
        with self._changed:
            self._stop = True
            self._changed.notify_all()
        self._thread.join(TIMEOUT_S)
        if self._connected:
            info = self._client.publish(self._topics.availability, OFFLINE, qos=1, retain=True)
            info.wait_for_publish(1.0)
        self._client.disconnect()
        self._client.loop_stop()

    def _encrypt(self, ca: Path | None) -> None:
        try:
            self._client.tls_set(str(ca) if ca else None)
        except OSError as e:
            raise StorageError(
                f"could not read the authorities {ca} ({e.strerror or e}): "
                "expected --mqtt-ca with a PEM file"
            ) from e

    def _keep(self) -> None:
        people: Sequence[str] = ()
        asked_s, said = -PEOPLE_EVERY_S, False
        while not self._stop:
            if time.monotonic() - asked_s >= PEOPLE_EVERY_S:
                asked_s = time.monotonic()
                try:
                    people, said = self._people(), False
                except EdgeCNNError as e:
                    if not said:
                        self._note(f"{self.name}: {e}")
                    said = True
            with self._changed:
                online = time.monotonic() - self._picture_s <= STALE_S
                wanted = retained(self._topics, people, self._present, self._last, online)
                stale = [t for t in self._kept if t not in wanted]
                changes = {t: p for t, p in wanted.items() if self._kept.get(t) != p}
                connected = self._connected
                if connected:
                    self._kept = dict(wanted)
            if connected:
                # An empty message is how a broker is told to forget one (MQTT 3.3.1.3).
                for topic, payload in (changes | dict.fromkeys(stale, "")).items():
                    self._client.publish(topic, payload, qos=1, retain=True)
            with self._changed:
                if not self._stop:
                    self._changed.wait(1.0)

    def _on_connect(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            if not self._refused:
                self._note(f"{self.name}: refused us ({reason}): check user and password")
            self._refused = True
            return
        for topic in self._topics.filters:
            client.subscribe(topic, qos=1)
        with self._changed:
            self._connected, self._refused, self._kept = True, False, {}
            self._changed.notify_all()

    def _on_disconnect(
        self, client: Any, data: Any, flags: Any, reason: Any, properties: Any
    ) -> None:
        with self._changed:
            self._connected = False

    def _on_message(self, client: Any, data: Any, message: Any) -> None:
        if message.retain and message.payload:
            with self._changed:
                self._kept.setdefault(message.topic, "left by an earlier run")
                self._changed.notify_all()

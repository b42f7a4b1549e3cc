"""Events and states to an MQTT broker, by paho-mqtt 2 (``pip install 'edgecnn[mqtt]'``).

Events come through a queue on disk, go out with QoS 1, and none is lost. Who is there is a state,
of which only the newest counts: one thread keeps the broker's retained messages equal to
:func:`edgecnn.events.homeassistant.retained`, whatever an earlier run left there.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from edgecnn.errors import DataError, EdgeCNNError, StorageError, needs
from edgecnn.events.delivery import Unreachable
from edgecnn.events.homeassistant import OFFLINE, Topics, retained
from edgecnn.events.queue import Waiting

PORTS = {"mqtt": 1883, "mqtts": 8883}
"""Scheme to the port that IANA registered."""

TIMEOUT_S = 10.0
"""For the connection and for the broker's acknowledgement."""

KEEPALIVE_S = 30
"""After one and a half of it without a word, the broker publishes the last will (MQTT 3.1.2.10)."""

STALE_S = 30.0
"""Without a picture for so long, nobody can say who is there: the camera is *offline*."""

PEOPLE_EVERY_S = 5.0
RECONNECT_S = (1, 30)

BROKER_WAIT_S = 2.0
"""Between attempts to deliver: while there is no connection they touch no network."""


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

    def __repr__(self) -> str:
        return f"Broker({self.host}:{self.port})"

    @classmethod
    def parse(cls, url: str, password: str | None = None, ca: Path | None = None) -> Broker:
        """From ``mqtt://[USER@]HOST[:PORT]`` or ``mqtts://…``.

        Raises:
            DataError: the address is of another kind, or has a password in it; authorities are
                given for a connection that is not encrypted.
        """
        try:
            parts = urlsplit(url)
            usual = PORTS.get(parts.scheme)
            port = usual and (parts.port or usual)
            (parts.hostname or "").encode("idna")
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
        if ca is not None and parts.scheme != "mqtts":
            raise DataError("expected --mqtt mqtts://HOST with --mqtt-ca: mqtt:// is not encrypted")
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

        self.name = f"MQTT broker {broker.host}:{broker.port}"
        self._topics, self._people, self._note = topics, people, note
        self._changed = threading.Condition()
        self._connected = self._stop = self._news = False
        self._away: set[str] = set()
        self._sent: tuple[int, int] | None = None
        self._taken: set[int] = set()
        self._kept: dict[str, str] = {}
        self._present: frozenset[str | None] = frozenset()
        self._last: dict[str, Any] | None = None
        self._picture_s = time.monotonic()

        self._client = Client(CallbackAPIVersion.VERSION2, topics.node)
        self._client.connect_timeout = TIMEOUT_S
        self._client.reconnect_delay_set(*RECONNECT_S)
        self._client.will_set(topics.availability, OFFLINE, qos=1, retain=True)
        self._client.username_pw_set(broker.user, broker.password)
        if broker.tls:
            self._encrypt(broker.ca)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message
        self._client.connect_async(broker.host, broker.port, KEEPALIVE_S)
        self._client.loop_start()
        self._thread = threading.Thread(target=self._keep, name="edgecnn-mqtt", daemon=True)
        self._thread.start()

    def see(self, present: Collection[str | None], last: dict[str, Any] | None) -> None:
        """Take over who is there in the newest picture, and who came or went last.

        Returns at once.
        """
        with self._changed:
            back = time.monotonic() - self._picture_s > STALE_S
            self._picture_s = time.monotonic()
            there = frozenset(present)
            if back or there != self._present or (last is not None and last != self._last):
                self._present, self._last = there, last or self._last
                self._notify()

    def send(self, event: Waiting) -> None:
        """Publish one event; returns when the broker has acknowledged it.

        Raises:
            Unreachable: it has not.
        """
        # Published once only: what is not acknowledged, paho sends again after a reconnection.
        if self._sent is None or self._sent[0] != event.number:
            if not self._connected:
                raise Unreachable("not connected", said=True)
            with self._changed:
                self._taken.clear()
            # Without the lock, since paho holds one of its own when it calls _on_publish.
            sent = self._client.publish(self._topics.event, event.text, qos=1)
            self._sent = event.number, sent.mid
        mid = self._sent[1]
        with self._changed:
            self._changed.wait_for(lambda: mid in self._taken or not self._connected, TIMEOUT_S)
            if mid not in self._taken:
                raise Unreachable("no acknowledgement", said=not self._connected)

    def close(self) -> None:
        """Say that the camera is offline, and disconnect."""
        with self._changed:
            self._stop = True
            self._changed.notify_all()
        self._thread.join(TIMEOUT_S)
        if self._connected:
            info = self._client.publish(self._topics.availability, OFFLINE, qos=1, retain=True)
            with suppress(RuntimeError):  # the connection has just ended: the last will says it
                info.wait_for_publish(1.0)
        self._client.disconnect()
        # It waits for a connection that is being made, which may take long.
        stopper = threading.Thread(target=self._client.loop_stop, daemon=True)
        stopper.start()
        stopper.join(2.0)

    def _encrypt(self, ca: Path | None) -> None:
        try:
            self._client.tls_set(str(ca) if ca else None)
        except OSError as e:
            raise StorageError(
                f"could not read the authorities {ca} ({e.strerror or e}): "
                "expected --mqtt-ca with a PEM file"
            ) from e

    def _keep(self) -> None:
        people: Sequence[str] | None = None
        asked_s, said, stop = -PEOPLE_EVERY_S, False, False
        while not stop:
            stop = self._stop
            if time.monotonic() - asked_s >= PEOPLE_EVERY_S:
                asked_s = time.monotonic()
                try:
                    people, said = self._people(), False
                except EdgeCNNError as e:
                    if not said:
                        self._note(f"{self.name}: {e}")
                    said = True
            if people is not None:
                self._update(people)
            with self._changed:
                self._changed.wait_for(lambda: self._stop or self._news, 1.0)
                self._news = False

    def _update(self, people: Sequence[str]) -> None:
        """Tell the broker what of the retained messages has changed."""
        with self._changed:
            if not self._connected:
                return
            online = time.monotonic() - self._picture_s <= STALE_S
            wanted = retained(self._topics, people, self._present, self._last, online)
            kept, self._kept = self._kept, wanted
            # An empty message is how a broker is told to forget one (MQTT 3.3.1.3).
            changes = {topic: "" for topic in kept if topic not in wanted}
            changes |= {topic: said for topic, said in wanted.items() if kept.get(topic) != said}
        for topic, said in changes.items():
            # QoS 0: what a broken connection swallows is told anew on the next one, while paho
            # would repeat it there, perhaps behind what is true by then.
            self._client.publish(topic, said, qos=0, retain=True)

    def _notify(self) -> None:
        """The retained messages may have changed."""
        self._news = True
        self._changed.notify_all()

    def _tell_away(self, why: str) -> None:
        """Each reason once, until the connection stands again."""
        if why not in self._away and not self._stop:
            self._away.add(why)
            self._note(f"{self.name}: {why}; events wait until it is back")

    def _on_connect(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._tell_away(f"refused us ({reason}): check user and password")
            return
        if self._away:
            self._away.clear()
            self._note(f"{self.name}: connected")
        for topic in self._topics.filters:
            client.subscribe(topic, qos=1)
        with self._changed:
            self._connected, self._kept = True, {}
            self._notify()

    def _on_connect_fail(self, client: Any, data: Any) -> None:
        error = sys.exc_info()[1]  # paho calls from where it catches it, and does not hand it on
        self._tell_away(f"no connection ({getattr(error, 'strerror', None) or error})")

    def _on_disconnect(
        self, client: Any, data: Any, flags: Any, reason: Any, properties: Any
    ) -> None:
        with self._changed:
            was, self._connected = self._connected, False
            self._changed.notify_all()
        if was:
            self._tell_away("the connection ended")

    def _on_publish(self, client: Any, data: Any, mid: int, reason: Any, properties: Any) -> None:
        """An acknowledgement; or a message of QoS 0 has gone out, which nobody waits for."""
        with self._changed:
            self._taken.add(mid)
            self._changed.notify_all()

    def _on_message(self, client: Any, data: Any, message: Any) -> None:
        """What is retained of an earlier run; with what is ours already, it is an echo."""
        if not message.retain or not message.payload:
            return
        with self._changed:
            if message.topic == self._topics.last_seen and self._last is None:
                with suppress(ValueError):
                    told = json.loads(message.payload)
                    if isinstance(told, dict):
                        self._last = told
            self._kept.setdefault(message.topic, "left by an earlier run")
            self._notify()

"""Sink: events to receivers on a network. The live loop never waits for one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from edgecnn.camera.pipeline import Result
from edgecnn.camera.sinks.events import events_in
from edgecnn.camera.sinks.receivers import Receivers
from edgecnn.events.delivery import Delivery
from edgecnn.events.homeassistant import Topics
from edgecnn.events.mqtt import Mqtt
from edgecnn.events.queue import SUFFIX, DiskQueue
from edgecnn.events.visits import Visits


class PublishSink:
    """Hands what is news to a thread for each receiver.

    Args:
        source: the source's name.
        people: the names of who is enrolled, or of the classes.
        note: takes a line for the user; called from other threads.

    Attributes:
        deliveries: one a receiver.

    Raises:
        StorageError: a queue cannot be written, or is another camera's.
        MissingExtra: for a broker, without paho-mqtt.
    """

    def __init__(
        self,
        receivers: Receivers,
        source: str,
        people: Callable[[], Sequence[str]],
        note: Callable[[str], object],
    ):
        camera = receivers.camera_of(source)
        self._every_frame = receivers.every_frame
        self._visits = Visits()
        self._mqtt: Mqtt | None = None
        with ExitStack() as opened:

            def queue(kind: str) -> DiskQueue:
                made = DiskQueue(receivers.queue / f"{camera}-{kind}{SUFFIX}", receivers.limit)
                opened.callback(made.close)
                return made

            senders = []
            if receivers.webhook:
                hook = receivers.webhook
                senders.append((hook.name, queue("webhook"), hook.send))
            if receivers.broker:
                waits = queue("mqtt")
                topics = Topics(camera, receivers.prefix, receivers.discovery)
                self._mqtt = Mqtt(receivers.broker, topics, people, note)
                senders.append((self._mqtt.name, waits, self._mqtt.send))
            self.deliveries = [Delivery(name, waits, send, note) for name, waits, send in senders]
            opened.pop_all()

    def write(self, result: Result) -> None:
        """Take the news of one frame; returns at once."""
        events = events_in(result)
        news = self._visits.see(events, result.frame.time_s)
        outgoing = events if self._every_frame else news
        if outgoing:
            for delivery in self.deliveries:
                delivery.offer(outgoing)
        if self._mqtt:
            self._mqtt.see(self._visits)

    def close(self) -> None:
        """Whoever is there leaves; wait a moment for the receivers, then leave the rest on disk."""
        news = [] if self._every_frame else self._visits.end()
        for delivery in self.deliveries:
            delivery.offer(news)
        if self._mqtt:
            self._mqtt.see(self._visits)
        for delivery in self.deliveries:
            delivery.close()
        if self._mqtt:
            self._mqtt.close()
